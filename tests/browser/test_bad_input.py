"""What people bring that cannot be used: the panel names it, and the layout on the screen stays."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib_regional.request.settings import VERSION

LAYOUT = {"box": [0.125, 0.125, 0.5, 0.5], "prompt": "a red circle"}
SETTINGS = json.dumps({"version": 4, "enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a blue square"}]})


def file(name: str, data: bytes, kind: str = "image/png") -> dict:
    return {"name": name, "mimeType": kind, "buffer": data}


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def huge() -> dict:
    """A PNG of 20 000 × 10 000 pixels in a few kilobytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(bytes(10000 * (1 + 20000 // 8)))
    head = struct.pack(">IIBBBBB", 20000, 10000, 1, 0, 0, 0, 0)
    return file("huge.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def truncated() -> dict:
    return file("half.png", saved(Image.effect_noise((256, 256), 90))[:9000])


def svg() -> dict:
    return file("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "image/svg+xml")


def animation() -> dict:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    return file("moving.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), "image/gif")


def text() -> dict:
    return file("notes.png", b"no picture at all")


BAD: dict[str, tuple[Callable[[], dict], str]] = {
    "200 megapixels": (huge, "200 megapixels"),
    "truncated": (truncated, "cut off"),
    "SVG": (svg, "SVG"),
    "animated": (animation, "animated GIF of 3 frames"),
    "text": (text, "no picture"),
}


def begun(editor) -> dict:
    """A layout that must outlast what comes."""
    editor.load({"version": 4, "enabled": True, "method": "attention_couple", "regions": [LAYOUT]})
    editor.canvas.wait_for()
    return editor.settings


def message_with(editor, words: str) -> str:
    editor.find(".rg-messages .rg-problem-text").filter(has_text=words).wait_for()
    return editor.messages


@pytest.mark.parametrize("name", BAD)
def test_a_picture_that_is_no_mask_is_named(editor, name):
    make, says = BAD[name]
    before, bad = begun(editor), make()
    editor.act("drawer-masks")
    for kind in ("colours", "channels", "grey"):
        editor.upload(f"masks-{kind}", bad)
        assert bad["name"] in message_with(editor, says)
        assert editor.settings == before
        editor.page.evaluate("() => Regional.panels.txt2img.note('')")


@pytest.mark.parametrize("name", BAD)
def test_a_mask_of_one_region_stays_when_its_new_picture_is_bad(editor, name):
    make, says = BAD[name]
    mask = "data:image/png;base64," + base64.b64encode(saved(Image.new("L", (8, 8), 255))).decode()
    editor.load({"version": 4, "enabled": True, "regions": [{"mask": mask, "prompt": "a"}]})
    before = editor.settings
    editor.find(".rg-region .rg-more > summary").click()
    editor.upload("mask-load", make())
    assert make()["name"] in message_with(editor, says) and editor.settings == before


@pytest.mark.parametrize(
    ("name", "says"), [("200 megapixels", "200 megapixels"), ("truncated", "could not"), ("SVG", "could not"), ("text", "could not")]
)
def test_a_background_that_is_no_picture_is_named(editor, name, says):
    before, bad = begun(editor), BAD[name][0]()
    with editor.page.expect_file_chooser() as chooser:
        editor.find("[data-action=background]").select_option("file")
    chooser.value.set_files([bad])
    assert bad["name"] in message_with(editor, says)
    assert editor.settings == before
    assert editor.page.evaluate("Regional.panels.txt2img.stage.background.kind") == "result"


def test_a_palette_picture_is_read_by_its_colours(editor):
    begun(editor)
    two = Image.new("P", (64, 32), 0)
    two.putpalette([200, 30, 30, 30, 30, 200])
    two.paste(1, (32, 0, 64, 32))
    editor.act("drawer-masks")
    editor.upload("masks-colours", file("palette.png", saved(two, transparency=b"\xff\xff")))
    editor.find(".rg-messages :text('2 regions found')").wait_for()
    assert editor.regions[0]["prompt"] == "a red circle", "the prompts stay"
    assert ["mask" in region for region in editor.regions] == [True, True]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps({"regional/presets": VERSION + 1, "presets": {}}), "newer Regional"),
        (json.dumps({"regional/presets": 1, "presets": {"n": {"version": 9, "enabled": True, "regions": []}}}), "newer Regional"),
        ('{"regional/presets": 1, "pres', "JSON is broken"),
        ("[]", "holds no presets"),
        (json.dumps({"regional/presets": 1, "presets": {"bad": {"enabled": True, "regions": [{"weight": -3}]}}}), "weight must be"),
    ],
    ids=["newer file", "newer preset", "broken", "other JSON", "damaged preset"],
)
def test_presets_that_cannot_be_read_are_named(editor, content, says):
    before = begun(editor)
    editor.act("drawer-presets")
    editor.upload("preset-import", file("mine.json", content.encode(), "application/json"))
    report = editor.find("[data-action=preset-report]")
    editor.soon(lambda: says in report.inner_text())
    assert "mine.json" in report.inner_text() and editor.settings == before


@pytest.mark.parametrize("cut", [30, 60, 90])
def test_an_infotext_cut_in_half_is_named_by_the_importer(editor, cut):
    before = begun(editor)
    infotext = f"a park\nSteps: 20, Sampler: Euler, CFG scale: 7, Size: 64x64, Regional: {json.dumps(SETTINGS)[:cut]}"
    editor.act("drawer-import")
    editor.find("[data-action=import-text]").fill(infotext)
    editor.act("import-go")
    editor.find("[data-action=import-report] [role=alert]").wait_for()
    assert editor.settings == before and editor.find("[data-action=import-report]").inner_text().strip()


def test_a_picture_with_a_cut_infotext_keeps_the_layout_and_fills_the_rest(editor, tmp_path):
    before, info = begun(editor), PngInfo()
    info.add_text("parameters", f"a park\nSteps: 7, Sampler: Euler, CFG scale: 7, Size: 128x128, Regional: {json.dumps(SETTINGS)[:50]}")
    Image.new("RGB", (8, 8)).save(tmp_path / "cut.png", pnginfo=info)
    editor.show("PNG Info")
    editor.page.locator("#pnginfo_image input[type=file]").set_input_files(str(tmp_path / "cut.png"))
    editor.page.wait_for_selector("#html_info_pnginfo .infotext")
    editor.page.click("#pnginfo_send_to_txt2img")
    assert "The layout here stays" in message_with(editor, "cannot be read")
    editor.soon(editor.page.locator("#txt2img_prompt textarea").input_value, "a park")
    assert editor.settings == before


@pytest.mark.parametrize("bad", ["SVG", "truncated", "text"])
def test_an_old_picture_that_is_none_is_named_by_the_importer(editor, bad):
    before, broken = begun(editor), BAD[bad][0]()
    editor.act("drawer-import")
    editor.upload("import-picture", broken)
    editor.find("[data-action=import-report] [role=alert]").wait_for()
    assert broken["name"] in editor.find("[data-action=import-report]").inner_text() and editor.settings == before
