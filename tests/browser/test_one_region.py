"""One region of the shown picture made again or in detail, and the strip of the last pictures."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

TWO = {
    "version": 4, "enabled": True, "method": "attention_couple", "base": {"joined": True},
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a red circle"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square"}],
}  # fmt: skip

HALVES = """() => { const image = document.querySelector('#txt2img_gallery img'), c = document.createElement('canvas');
    c.width = c.height = 64; const d = c.getContext('2d', {willReadFrequently: true}); d.drawImage(image, 0, 0, 64, 64);
    return [[0, 0, 20, 64], [40, 0, 24, 64]].map(([x, y, w, h]) => [...d.getImageData(x, y, w, h).data]); }"""

INFOTEXT = "() => document.querySelector('#html_info_txt2img').textContent"


@pytest.fixture
def made(editor):
    """A picture of two regions on the page, whose seed is random whatever an earlier test left in its box."""
    editor.page.locator("#txt2img_seed input").first.fill("-1")
    editor.load(TWO)
    editor.resize(64, 64)
    editor.generate(steps=3)
    return editor


def press(editor, name: str, at: int) -> None:
    """Press a card's button, and wait for its picture."""
    image = "(() => { const image = document.querySelector('#txt2img_gallery img'); return image && image.complete ? image.src : ''; })()"
    pictures = editor.pictures()
    before, source = editor.page.evaluate(INFOTEXT), editor.page.evaluate(image)
    editor.find(f".rg-card-acts [data-action={name}]").nth(at).click()
    editor.page.wait_for_function(f"before => {{ const now = ({INFOTEXT})(); return now && now !== before; }}", arg=before, timeout=60000)
    editor.page.wait_for_function(f"before => {image} && {image} !== before", arg=source)
    editor.shown(pictures)


def test_again_makes_one_region_anew_and_the_rest_stays(made):
    settings, seed = made.settings, made.page.locator("#txt2img_seed input").first
    before = made.page.evaluate(HALVES)
    press(made, "again", 1)
    after = made.page.evaluate(HALVES)
    assert after[0] == before[0] and after[1] != before[1]
    assert '"repaint"' in made.page.evaluate(INFOTEXT).replace("\\", "")
    made.soon(lambda: (made.settings == settings, seed.input_value()), (True, "-1"))  # the panel is as it was
    press(made, "again", 0)
    third = made.page.evaluate(HALVES)
    assert third[0] != after[0] and third[1] != before[1], "what was made again before stays made again"


def test_detail_of_one_region(made):
    before = made.page.evaluate(HALVES)
    press(made, "detail", 0)
    after = made.page.evaluate(HALVES)
    assert after[0] != before[0] and '"detail":true' in made.page.evaluate(INFOTEXT).replace("\\", "").replace(" ", "")


def test_the_strip_has_scores_and_brings_a_picture_and_its_layout_back(made):
    tiles = made.find(".rg-strip-tile")
    made.page.wait_for_function("() => document.querySelector('#regional_txt2img_panel .rg-score')")
    score = tiles.first.locator(".rg-score").inner_text()
    assert 0 <= float(score) <= 1
    tiles.first.click()
    assert "Scores of the regions: 1: " in made.find("[data-action=strip-words]").inner_text()
    made.page.wait_for_function("() => Regional.panels.txt2img.stage.background.kind === 'picture'")
    made.load({**TWO, "regions": [{"box": [0, 0, 1, 1], "prompt": "sand"}]})
    made.act("strip-take")
    made.find(".rg-messages :text('Its layout is here')").wait_for()
    assert [region["prompt"] for region in made.regions] == ["a red circle", "a blue square"]
    assert int(made.page.locator("#txt2img_seed input").first.input_value()) >= 0
    made.page.locator("#txt2img_seed input").first.fill("-1")


def test_a_sampler_that_the_page_does_not_have_is_named(made):
    source = made.page.locator("#txt2img_gallery img").first.get_attribute("src")
    file, info = io.BytesIO(), PngInfo()
    with Image.open(io.BytesIO(made.page.request.get(source).body())) as picture:
        info.add_text("parameters", picture.info["parameters"].replace("Sampler: Euler a", "Sampler: Unheard Of"))
        picture.save(file, "PNG", pnginfo=info)
    made.page.route("**/file=**", lambda route: route.fulfill(body=file.getvalue(), content_type="image/png"))
    made.find(".rg-card-acts [data-action=again]").first.click()
    made.find(".rg-messages :text('and try again: Unheard Of')").wait_for()
    made.page.unroute("**/file=**")
    assert made.page.locator("#txt2img_sampling input").first.input_value() == "Euler a"


def test_without_a_picture_with_regions_again_says_so(open_editor):
    editor = open_editor()
    editor.load(TWO)
    editor.find(".rg-card-acts [data-action=again]").first.click()
    editor.find(".rg-messages :text('There is no picture here yet')").wait_for()
    assert editor.settings["method"] == "attention_couple"
