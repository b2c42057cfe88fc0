"""Pictures that somebody gives the panel: chosen, dropped and pasted, for a region and for the importer."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

TWO = {
    "version": 4, "enabled": True, "method": "attention_couple",
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}],
}  # fmt: skip
OLD = "a girl ADDCOL a boy\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, RP Active: True, RP Divide mode: Matrix, "
OLD += 'RP Matrix submode: Columns, RP Calc Mode: Attention, RP Ratios: "1,1", RP Use Base: False'

DROP = """(node, [name, data]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)), dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, {type: "image/png"}));
    const send = (kind) => node.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer}));
    return send("dragover") === false && send("drop") === false;
}"""
"""Drag a file over an element and let it go there; whether the element takes it."""

COPY = """async (data) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    await navigator.clipboard.write([new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})})]);
}"""


def png(infotext: str = "") -> bytes:
    buffer, info = io.BytesIO(), PngInfo()
    if infotext:
        info.add_text("parameters", infotext)
    Image.new("RGB", (16, 8), "red").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def drop(node, data: bytes) -> None:
    assert node.evaluate(DROP, ["red.png", base64.b64encode(data).decode()]), "the file is taken"


def paste(editor, data: bytes) -> None:
    """Ctrl+V where the keyboard is."""
    editor.page.bring_to_front()
    editor.page.evaluate(COPY, base64.b64encode(data).decode())
    editor.page.keyboard.press("Control+v")


def chosen(editor, field) -> None:
    with editor.page.expect_file_chooser() as chooser:
        field.click()
    chooser.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": png()})


def pasted_beside_its_button(editor, field) -> None:
    field.focus()
    paste(editor, png())


def pasted_into_the_prompt(editor, field) -> None:
    editor.field("regions[1].prompt").click()
    paste(editor, png())
    assert editor.regions[1]["prompt"] == "b"


def pasted_on_a_click_on_the_card(editor, field) -> None:
    card(editor).locator(".rg-swatch").click()
    paste(editor, png())


def card(editor):
    return editor.find(".rg-region[data-field='regions[1]']")


WAYS = {
    "chosen": chosen,
    "dropped on its field": lambda editor, field: drop(field, png()),
    "dropped on the card": lambda editor, field: drop(card(editor).locator(".rg-head"), png()),
    "pasted beside its button": pasted_beside_its_button,
    "pasted into the prompt": pasted_into_the_prompt,
    "pasted on a click on the card": pasted_on_a_click_on_the_card,
}

FIELDS = {
    "reference": ("attention_couple", "regions[1].reference.image", lambda region: region.get("reference", {}).get("image", "")),
    "collage": ("collage", "regions[1].picture", lambda region: region.get("picture", "")),
}
"""What a picture is for -> the method, the field that asks for it, and where it stands in the settings."""


def colour(url: str) -> tuple[int, ...] | None:
    if not url.startswith("data:image/png;base64,"):
        return None
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB").getpixel((4, 4))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", FIELDS)
def test_a_picture_is_given_to_a_region(editor, kind, way):
    method, path, picture_of = FIELDS[kind]
    editor.load({**TWO, "method": method})
    card(editor).locator(".rg-more > summary").click()
    WAYS[way](editor, editor.field(path))
    editor.soon(lambda: colour(picture_of(editor.regions[1])), (255, 0, 0))
    assert editor.regions[0] == TWO["regions"][0] and len(editor.regions) == 2
    card(editor).locator(".rg-picture").wait_for()
    editor.act("undo")
    assert editor.regions == TWO["regions"] and card(editor).locator(".rg-picture").count() == 0


def test_a_picture_for_no_region_is_refused_and_one_beside_a_text_is_the_texts(editor):
    editor.load(TWO)
    editor.keys("Escape")
    paste(editor, png())
    editor.find(".rg-messages :text('Choose one region')").wait_for()
    assert editor.settings == TWO
    editor.field("regions[0].prompt").focus()
    editor.page.evaluate("() => navigator.clipboard.writeText(' cat')")
    editor.page.keyboard.press("End")
    editor.page.keyboard.press("Control+v")
    editor.soon(lambda: editor.regions[0]["prompt"], "a cat")


def import_chosen(editor) -> None:
    editor.upload("import-picture", {"name": "old.png", "mimeType": "image/png", "buffer": png(OLD)})


def import_pasted(editor) -> None:
    editor.find("[data-action=import-text]").focus()
    paste(editor, png(OLD))


IMPORTS = {
    "chosen": import_chosen,
    "dropped": lambda editor: drop(editor.find("[data-action=import-text]"), png(OLD)),
}


@pytest.mark.parametrize("way", IMPORTS)
def test_an_old_picture_is_imported_and_imported_again(editor, way):
    """A picture's text stands in the box then, and Import reads it with what the hints say."""
    editor.drawer("import")
    IMPORTS[way](editor)
    editor.find("[data-action=import-report] .rg-taken").first.wait_for()
    assert [region["prompt"] for region in editor.regions] == ["a girl", "a boy"]
    assert editor.find("[data-action=import-text]").input_value() == OLD
    editor.act("reset")
    editor.act("import-go")
    editor.soon(lambda: [region.get("prompt") for region in editor.regions], ["a girl", "a boy"])


def test_a_pasted_picture_is_read_by_the_importer(editor):
    """Browsers write the pixels of a picture into the clipboard and leave its text out, which the importer says."""
    before = editor.settings
    editor.drawer("import")
    import_pasted(editor)
    editor.find("[data-action=import-report] [role=alert]").wait_for()
    assert editor.settings == before and editor.find("[data-action=import-text]").input_value() == ""
