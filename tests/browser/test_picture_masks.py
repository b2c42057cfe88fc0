"""Masks that models find, from the drawer "Masks": the inputs of a way, clicks, and what is said where a model is missing."""

from __future__ import annotations

import numpy as np
import picture_models
import pytest
from PIL import Image
from test_drawing import mask_of
from test_panel import png

RULES = {"version": 4, "enabled": True, "method": "attention_couple"}


@pytest.fixture
def models(url, tmp_path, monkeypatch):
    """The host's folder of models, with a depth model and SAM."""
    from modules import paths  # of the host, which runs now

    monkeypatch.setattr(paths, "models_path", str(tmp_path))
    picture_models.dpt(tmp_path / "regional" / "dpt")
    picture_models.sam(tmp_path / "regional" / "sam")
    return tmp_path


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(2).integers(0, 256, (64, 96, 3), np.uint8))


def open_find(editor):
    editor.resize(96, 64)
    editor.load({**RULES, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}]})
    editor.act("drawer-masks")
    editor.find("[data-action=find-way] option").first.wait_for(state="attached")
    editor.upload("find-file", png(picture()))


def choose(editor, way):
    editor.find("[data-action=find-way]").select_option(way)


def wait_for_regions(editor, count):
    editor.page.wait_for_function(f"() => Regional.panels.txt2img.store.get().regions.length === {count}")


def test_slices_replace_the_regions_and_a_click_adds_one(models, editor):
    open_find(editor)
    choose(editor, "depth")
    editor.find(".rg-find [data-field=slices]").fill("4")
    editor.act("find-go")
    wait_for_regions(editor, 4)
    assert [region["name"] for region in editor.regions] == ["near", "depth 2", "depth 3", "far"] and editor.regions[0]["prompt"] == "a"
    choose(editor, "click")
    editor.find("[data-action=find-area]").click(position={"x": 30, "y": 20})
    editor.act("find-go")
    wait_for_regions(editor, 5)
    assert mask_of(editor.regions[4]).any()
    editor.find("[data-action=find-into]").select_option("selected")
    editor.page.evaluate("() => { const panel = Regional.panels.txt2img; panel.select([panel.store.get().regions[1]._id]); }")
    editor.act("find-go")
    same = "() => { const {regions} = Regional.panels.txt2img.store.get(); return regions[1].mask === regions[4].mask; }"
    editor.page.wait_for_function(same)
    assert len(editor.regions) == 5


def test_a_missing_model_is_named_with_its_place(models, editor):
    open_find(editor)
    choose(editor, "words")
    said = editor.find("[data-action=find-message]")
    editor.find("[data-action=find-area] canvas, canvas[data-action=find-area]").first.wait_for(state="attached")
    assert "CIDAS/clipseg-rd64-refined" in said.inner_text() and f"{models.name}/regional" in said.inner_text()
    editor.find(".rg-find [data-field=words]").fill("hat")
    editor.act("find-go")
    editor.soon(lambda: "There is no CLIPSeg model" in said.inner_text())
    assert len(editor.regions) == 1


def test_a_picture_that_is_still_read_is_waited_for(models, editor):
    editor.page.evaluate(
        "() => { const {readAsDataURL} = FileReader.prototype; FileReader.prototype.readAsDataURL = function (file) {"
        " window.read = () => { FileReader.prototype.readAsDataURL = readAsDataURL; readAsDataURL.call(this, file); }; }; }"
    )
    open_find(editor)
    choose(editor, "words")
    editor.find(".rg-find [data-field=words]").fill("hat")
    editor.act("find-go")
    said = editor.find("[data-action=find-message]")
    assert "There is no CLIPSeg model" in said.inner_text() and "There is no picture" not in editor.messages
    editor.soon(lambda: editor.page.evaluate("() => Boolean(window.read)"))
    with editor.page.expect_request("**/regional/v1/masks") as asked:
        editor.page.evaluate("() => window.read()")
    assert asked.value.post_data_json["picture"].startswith("data:image/png")
    editor.soon(lambda: "There is no CLIPSeg model" in said.inner_text())


def test_a_flow_makes_the_layout_of_the_selected_region(models, editor):
    open_find(editor)
    choose(editor, "flow:background")
    editor.page.evaluate("() => { const panel = Regional.panels.txt2img; panel.select([panel.store.get().regions[0]._id]); }")
    assert editor.find("[data-action=find-go]").inner_text() == "Make the layout"
    editor.act("find-go")
    editor.page.wait_for_function("() => Regional.panels.txt2img.store.get().method === 'repaint'")
    (region,) = editor.regions
    assert region["combined"] == {"op": "invert", "of": [{"box": [0, 0, 0.5, 1]}]} and region["prompt"] == "a"
    assert editor.page.evaluate("() => Regional.panels.txt2img.store.get().options.repaint.regions") == [0]
    editor.soon(lambda: "img2img" in editor.find("[data-action=find-message]").inner_text())
