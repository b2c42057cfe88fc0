"""Inputs of what makes a region once more: the detail pass, repainting the shown picture, pictures laid into regions."""

from __future__ import annotations

import io

import pytest
from PIL import Image

TWO = {
    "version": 4, "enabled": True, "method": "attention_couple",
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a red circle"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square"}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def two(editor):
    editor.load(TWO)
    editor.resize(64, 64)


def unfold(editor, words: str, at: int = 0) -> None:
    editor.find(f"summary:has-text('{words}')").nth(at).click()


def test_the_detail_pass_of_all_regions_and_of_one(editor):
    unfold(editor, "Detail pass")
    editor.field("options.detail.enabled").check()
    editor.field("options.detail.denoise").fill("0.3")
    assert editor.settings["options"]["detail"] == {"enabled": True, "denoise": 0.3}
    unfold(editor, "Negative, weight")
    own = editor.field("regions[0].detail")
    assert own.input_value() == "null" and "detail" not in editor.regions[0]
    own.select_option("false")
    assert editor.regions[0]["detail"] is False
    own.select_option("own")
    editor.field("regions[0].detail.denoise").fill("0.8")
    assert editor.regions[0]["detail"] == {"denoise": 0.8}
    own.select_option("null")
    assert "detail" not in editor.regions[0] and not editor.field("regions[0].detail.denoise").is_visible()
    assert not editor.faults


def test_scores_and_candidates_have_inputs_and_their_scores_are_shown(editor):
    unfold(editor, "Scores and candidates")
    editor.field("options.scores.candidates").fill("2")
    assert editor.settings["options"]["scores"] == {"candidates": 2}
    editor.generate(steps=3)
    shown = editor.page.eval_on_selector("#html_info_txt2img", "node => node.textContent")
    assert "Regional score" in shown and "(1: " in shown
    editor.field("options.scores.candidates").fill("1")
    editor.field("options.scores.enabled").uncheck()
    editor.generate(steps=2)
    assert "Regional score" not in editor.page.eval_on_selector("#html_info_txt2img", "node => node.textContent")
    assert not editor.faults


def test_the_shown_picture_is_repainted(editor):
    mask = "rle:64x64:" + ",".join("0*32,255*32" for _ in range(64))  # longer than what the page shows of a text
    editor.load({**TWO, "regions": [TWO["regions"][0], {"mask": mask, "prompt": "a blue square"}]})
    editor.generate(steps=2)
    editor.field("method").select_option("repaint")
    if not editor.find("[data-action=repaint-source]").is_visible():
        unfold(editor, "Options")
    editor.act("repaint-source")
    editor.find("[data-action=repaint-source-words]:has-text('attention_couple, regions: 2')").wait_for()
    source = editor.settings["options"]["repaint"]["source"]
    assert [region["prompt"] for region in source["regions"]] == ["a red circle", "a blue square"] and "version" not in source
    assert source["regions"][1]["mask"] == mask
    editor.find("[data-field='options.repaint.regions'] input").nth(1).check()
    assert editor.settings["options"]["repaint"]["regions"] == [1]
    editor.generate(steps=2)
    assert "repaint" in editor.page.eval_on_selector("#html_info_txt2img", "node => node.textContent")
    editor.act("repaint-release")
    assert "source" not in editor.settings["options"]["repaint"] and not editor.faults


def test_a_picture_is_laid_into_a_region(editor):
    editor.field("method").select_option("collage")
    unfold(editor, "Negative, weight")
    data = io.BytesIO()
    Image.new("RGB", (16, 8), (255, 0, 0)).save(data, "PNG")
    with editor.page.expect_file_chooser() as chooser:
        editor.field("regions[0].picture").click()
    chooser.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": data.getvalue()})
    editor.find(".rg-picture").first.wait_for()
    assert editor.regions[0]["picture"].startswith("data:image/png;base64,")
    editor.field("regions[0].denoise").fill("0.4")
    editor.field("regions[0].fit").select_option("cover")
    assert (editor.regions[0]["denoise"], editor.regions[0]["fit"]) == (0.4, "cover")
    editor.generate(steps=2)
    assert "collage" in editor.page.eval_on_selector("#html_info_txt2img", "node => node.textContent")
    editor.find("[data-action=picture-remove]").first.click()
    assert "picture" not in editor.regions[0] and not editor.faults
