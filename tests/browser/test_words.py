"""Where the words of the regions were looked at, over the picture that was just made."""

from __future__ import annotations

import base64

import numpy as np
from test_panel import generate

TWO = {
    "version": 4,
    "enabled": True,
    "method": "attention_couple",
    "regions": [{"prompt": "a red circle on grass"}, {"prompt": "a blue square on grass"}, {}],
    "grid": {"ratios": "2,2,1", "direction": "columns"},
}


def shown(editor) -> dict:
    return editor.page.evaluate(
        "() => { const {words, tints} = Regional.panels.txt2img.stage.background; return {words, drawn: tints ? [...tints.keys()] : []}; }"
    )


def test_attention_of_the_words_is_kept_when_asked_for_and_leaves_no_trace(editor):
    editor.load(TWO)
    before = editor.settings
    background = editor.find("[data-action=background]")
    background.select_option("words")
    editor.find(".rg-messages :text('The next picture shows')").wait_for()
    assert editor.settings.pop("attention_maps").startswith("txt2img ")
    generate(editor)
    editor.page.wait_for_function("() => (Regional.panels.txt2img.stage.background.words || []).length === 2")
    editor.page.wait_for_function("() => Regional.panels.txt2img.stage.background.tints.size === 2")
    maps = shown(editor)["words"]
    assert [one["region"] for one in maps] == [0, 1], "the third has no words"
    for one in maps:
        levels = np.frombuffer(base64.b64decode(one["levels"]), np.uint8)
        assert len(levels) == one["grid"][0] * one["grid"][1] and levels.max() == 255 and levels.min() < 250
    assert "attention_maps" not in editor.page.locator("#html_info_txt2img .infotext").inner_text()
    background.select_option("none")
    assert editor.settings == before


def test_chosen_regions_alone_show_their_words(editor):
    editor.load(TWO)
    editor.find("[data-action=background]").select_option("words")
    generate(editor)
    editor.page.wait_for_function("() => (Regional.panels.txt2img.stage.background.tints || {}).size === 2")
    canvas = "() => Regional.panels.txt2img.stage.canvas.toDataURL()"
    editor.page.evaluate("() => Regional.panels.txt2img.stage.draw()")
    both = editor.page.evaluate(canvas)
    editor.page.evaluate("() => { const p = Regional.panels.txt2img; p.select([p.store.get().regions[1]._id]); p.stage.draw(); }")
    assert editor.page.evaluate(canvas) != both


def test_a_new_page_has_no_maps_of_an_old_one(editor):
    editor.load(TWO)
    editor.find("[data-action=background]").select_option("words")
    editor.find(".rg-messages :text('The next picture shows')").wait_for()
    assert shown(editor)["words"] is None
    assert "attention_maps" in editor.settings
    editor.page.reload()
    editor.unfold()
    editor.soon(lambda: "attention_maps" not in editor.settings and editor.regions == TWO["regions"])
