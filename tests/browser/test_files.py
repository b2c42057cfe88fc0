"""Masks and presets as files, out of the panel and back; layouts through panel, server and panel."""

from __future__ import annotations

import base64
import io
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from test_drawing import mask_of
from test_panel import png

RULES = {"version": 4, "enabled": True, "method": "attention_couple"}


def soft_mask() -> Image.Image:
    return Image.fromarray(np.tile(np.linspace(0, 255, 128, dtype=np.uint8), (64, 1)), "L")


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


def test_channels_keep_their_greys_there_and_back(editor, tmp_path):
    editor.resize(128, 64)
    editor.load({**RULES, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}]})
    editor.act("drawer-masks")
    editor.upload("masks-grey", png(soft_mask()))
    editor.page.wait_for_function("() => Regional.panels.txt2img.store.get().regions.length === 2")
    painted = mask_of(editor.regions[1]).astype(int)
    assert np.abs(painted - np.asarray(soft_mask(), int)).max() <= 5, "soft greys are kept"
    with editor.page.expect_download() as saved:
        editor.act("masks-save-channels")
    path = tmp_path / "channels.png"
    saved.value.save_as(path)
    red, green, blue = np.moveaxis(pixels(path), -1, 0)
    assert (red[:, :63] == 255).all() and (red[:, 65:] == 0).all() and (blue == 0).all()
    assert np.abs(green - painted).max() <= 1
    editor.upload("masks-channels", str(path))
    editor.find(".rg-messages :text('2 regions found')").wait_for()
    assert editor.regions[0]["prompt"] == "a"
    assert np.abs(mask_of(editor.regions[1]).astype(int) - painted).max() <= 5


def test_every_region_is_saved_on_its_own(editor, tmp_path):
    editor.resize(64, 64)
    editor.load({**RULES, "regions": [{"box": [0, 0, 0.5, 1]}, {"ellipse": [0.5, 0, 1, 1]}]})
    files = {}

    def keep(download) -> None:
        path = tmp_path / download.suggested_filename
        download.save_as(path)
        files[path.name] = pixels(path)[..., 0]

    editor.page.on("download", keep)
    editor.act("drawer-masks")
    editor.act("masks-save-each")
    editor.soon(lambda: sorted(files), ["region 1.png", "region 2.png"])
    editor.page.remove_listener("download", keep)
    assert (files["region 1.png"][:, :32] == 255).all() and (files["region 1.png"][:, 32:] == 0).all()
    assert files["region 2.png"][32, 48] == 255 and files["region 2.png"][1, 34] == 0
    editor.find(".rg-region .rg-more > summary").first.click()
    editor.field("regions[0].shape").select_option("mask")
    with editor.page.expect_download() as saved:
        editor.act("mask-save")
    assert (pixels(saved.value.path())[..., 0] == files["region 1.png"]).all()


def test_presets_are_renamed_exported_and_imported(editor):
    editor.load({**RULES, "regions": [{"box": [0.1, 0.2, 0.3, 0.4], "prompt": "kept"}]})
    before = editor.settings
    editor.act("drawer-presets")
    editor.find("[data-action=preset-name]").fill("First name")
    editor.act("preset-save")
    editor.find("[data-preset='First name']").wait_for()
    editor.page.evaluate("() => { window.prompt = () => 'Second name'; }")
    editor.find("button[aria-label='Rename First name']").click()
    editor.find("[data-preset='Second name']").wait_for()
    assert editor.find("[data-preset='First name']").count() == 0
    with editor.page.expect_download() as saved:
        editor.act("preset-export")
    exported = Path(saved.value.path()).read_bytes()
    assert json.loads(exported)["presets"]["Second name"]["regions"] == before["regions"]
    editor.find("button[aria-label='Delete Second name']").click()
    editor.find("[data-preset='Second name']").wait_for(state="detached")
    editor.act("reset")
    editor.upload("preset-import", {"name": "all.json", "mimeType": "application/json", "buffer": exported})
    editor.find("[data-preset='Second name']").wait_for()
    drawn = (
        "node => { const c = node.querySelector('canvas'); return new Set(c.getContext('2d').getImageData(0, 0, 96, 72).data).size > 8; }"
    )
    editor.page.wait_for_function(drawn, arg=editor.find("[data-preset='Second name']").element_handle())
    editor.find("[data-preset='Second name']").click()
    editor.page.wait_for_function("() => Regional.panels.txt2img.store.get().regions[0].prompt === 'kept'")
    assert editor.settings == before
    editor.find("button[aria-label='Delete Second name']").click()
    editor.find("[data-preset='Second name']").wait_for(state="detached")


def test_layouts_to_begin_with_have_pictures_and_keep_the_prompts(editor):
    editor.load({**RULES, "regions": [{"prompt": "one"}, {"prompt": "two"}], "grid": {"ratios": "1,1", "direction": "columns"}})
    editor.act("drawer-presets")
    tiles = editor.find("[data-preset]")
    tiles.first.wait_for()
    assert tiles.count() >= 12
    for index in range(tiles.count()):
        tiles.nth(index).click()
        assert [region.get("prompt") for region in editor.regions][:2] == ["one", "two"][: len(editor.regions)]
        editor.page.evaluate("() => Regional.panels.txt2img.undo()")


def random_layout(chance: random.Random) -> dict:
    def box() -> list[float]:
        x, y = sorted(chance.sample(range(65), 2)), sorted(chance.sample(range(65), 2))
        return [x[0] / 64, y[0] / 64, x[1] / 64, y[1] / 64]

    def region() -> dict:
        mask = np.asarray([[chance.randrange(256) for _ in range(6)] for _ in range(5)], np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(mask, "L").save(buffer, "PNG")
        url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        kinds = [{"box": box()}, {"ellipse": box()}, {"polygon": [[0.1, 0.1], [0.9, chance.random()], [0.2, 0.8]]}, {"mask": url}]
        words = 'a "red" <hat>, {b}\\n| [c:0.5] é😀'
        return {
            **chance.choice(kinds),
            "prompt": words[: chance.randrange(1, 20)],
            "weight": chance.choice([0.5, 1.25, 3]),
            "steps": [0.25, 0.5],
        }

    return {**RULES, "regions": [region() for _ in range(chance.randrange(1, 6))], "overlap": "over", "common": "best"}


def test_any_layout_comes_back_from_the_server_as_it_was(editor):
    chance = random.Random(5)
    for _ in range(25):
        layout = random_layout(chance)
        editor.load(layout)
        editor.field("common").evaluate("node => { node.value += '!'; node.dispatchEvent(new Event('input', {bubbles: true})); }")
        sent = editor.settings
        assert sent == {**layout, "common": "best!"}
        answer = editor.page.request.post(f"{editor.url}/regional/v1/validate", data={"settings": sent, "width": 512, "height": 512}).json()
        assert answer["settings"] == sent
        editor.load(answer["settings"])
        editor.field("common").evaluate("node => { node.value = 'best'; node.dispatchEvent(new Event('input', {bubbles: true})); }")
        assert editor.settings == layout


INFOTEXT = (
    "sky, ADDCOMM a girl, ADDCOL a boy\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 768x512, "
    'RP Active: True, RP Divide mode: Matrix, RP Matrix submode: Horizontal, RP Calc Mode: Attention, RP Ratios: "2,1", '
    "RP Base Ratios: 0.2, RP Use Base: False, RP Use Common: True, RP Use Ncommon: False, RP threshold: 0.4, RP LoRA Stop Step: 3, "
    "RP Flip: False, Version: v1.6.0"
)


def test_the_layout_inside_an_old_picture_is_imported(editor, tmp_path):
    info = PngInfo()
    info.add_text("parameters", INFOTEXT)
    Image.new("RGB", (8, 8)).save(tmp_path / "old.png", pnginfo=info)
    editor.act("drawer-import")
    editor.upload("import-picture", str(tmp_path / "old.png"))
    editor.find("[data-action=import-report] .rg-taken").first.wait_for()
    assert [region["prompt"] for region in editor.regions] == ["a girl,", "a boy"] and editor.settings["common"] == "sky,"
    assert "stop step 3" in " ".join(editor.find("[data-action=import-report] .rg-warning").all_inner_texts())
    editor.act("undo")
    assert editor.regions == [{}, {}], "undo brings the old layout back"
