"""Regions whose masks are computed: chosen, drawn by the server, changed, moved, combined, and turned into pixels."""

from __future__ import annotations

import pytest
from test_drawing import mask_of

pytestmark = pytest.mark.browser


def free_region(editor) -> None:
    editor.draw_box((0.1, 0.1), (0.9, 0.9))
    editor.field("regions[0].prompt").fill("stripes")
    editor.find(".rg-region details.rg-more summary").first.click()


def wait_drawn(editor) -> None:
    """Until the server's picture of region 0's shape is there."""
    editor.page.wait_for_function(
        "() => { const {stage} = Regional.panels.txt2img;"
        " const entry = [...stage.masks.known].find(([text, one]) => text.includes('shape:') && one.mask);"
        " return Boolean(entry); }"
    )


def value_at(editor, x: float, y: float) -> int:
    """Value of the last shape that the server drew, at a point."""
    return editor.page.evaluate(
        "([x, y]) => { const {stage} = Regional.panels.txt2img;"
        " const found = [...stage.masks.known].filter(([text, one]) => text.includes('shape:') && one.mask).pop()[1].mask;"
        " return found.data[Math.floor(y * found.height) * found.width + Math.floor(x * found.width)]; }",
        [x, y],
    )


def test_a_computed_mask_is_chosen_drawn_and_changed(editor):
    free_region(editor)
    editor.field("regions[0].shape").select_option("procedural")
    assert editor.regions[0]["procedural"]["kind"] == "linear"
    wait_drawn(editor)
    editor.soon(lambda: value_at(editor, 0.1, 0.5) < 64 < 192 < value_at(editor, 0.9, 0.5))
    editor.field("regions[0].procedural.kind").select_option("stripes")
    editor.field("regions[0].procedural.count").fill("2")
    editor.field("regions[0].procedural.share").fill("0.25")
    made = editor.regions[0]["procedural"]
    assert (made["kind"], made["count"], made["share"]) == ("stripes", 2, 0.25) and "stops" not in made
    editor.soon(lambda: [value_at(editor, x, 0.5) for x in (0.06, 0.3, 0.56, 0.8)], [255, 0, 255, 0])
    editor.checked()
    assert "Region 1" not in editor.messages


def test_it_becomes_inverted_and_then_pixels(editor):
    free_region(editor)
    editor.field("regions[0].shape").select_option("procedural")
    editor.field("regions[0].shape").select_option("combined")
    assert editor.regions[0]["combined"]["op"] == "invert" and "procedural" in editor.regions[0]["combined"]["of"][0]
    editor.field("regions[0].combined.op").select_option("grow")
    assert editor.regions[0]["combined"]["amount"] == 0.02
    editor.field("regions[0].shape").select_option("mask")
    editor.soon(lambda: "mask" in editor.regions[0])
    assert editor.regions[0]["mask"].startswith("data:image/png") and "combined" not in editor.regions[0]
    assert 0.1 < (mask_of(editor.regions[0]) > 128).mean() < 0.9, "the pixels are those that the server draws, even where it is slow"


def test_a_layout_with_computed_shapes_is_loaded_and_kept(editor):
    shapes = [
        {"procedural": {"kind": "text", "text": "Hi", "box": [0, 0, 0.5, 1]}},
        {"combined": {"op": "difference", "of": [{"box": [0.5, 0, 1, 1]}, {"ellipse": [0.6, 0.2, 0.9, 0.8]}]}},
    ]
    regions = [{**shape, "prompt": f"thing {at}"} for at, shape in enumerate(shapes)]
    editor.load({"enabled": True, "regions": regions})
    editor.checked()
    assert [{key: region[key] for key in shape} for region, shape in zip(editor.regions, shapes, strict=True)] == shapes
    assert editor.messages == ""


def test_words_are_typed_in_and_searched_again(editor):
    free_region(editor)
    editor.field("regions[0].shape").select_option("words")
    editor.field("regions[0].words.text").fill("hat")
    editor.field("regions[0].words.threshold").fill("0.6")
    editor.field("regions[0].words.exclusive").check()
    assert editor.regions[0]["words"] == {"text": "hat", "threshold": 0.6, "exclusive": True} and "box" not in editor.regions[0]
    editor.load({"enabled": True, "regions": [{"words": {"text": "hat", "found": "rle:2x1:0*1,255*1"}, "prompt": "red"}]})
    editor.find(".rg-region details.rg-more summary").first.click()
    editor.find('[data-action="words-search"]').click()
    assert editor.regions[0]["words"] == {"text": "hat"}
    assert editor.find('[data-action="words-search"]').count() == 0
