"""The drawer "Edit" in a browser: from a picture to its edited layout, with what changed, keywords and the difference."""

from __future__ import annotations

import pytest

HALVES = {
    "version": 4, "enabled": True, "method": "mrgd", "base": {"prompt": "grass"},
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square on grass"}],
}  # fmt: skip


def choose_sampler(editor, name: str) -> None:
    box = editor.page.locator("#txt2img_sampling input").first
    box.click()
    box.fill(name)
    editor.page.keyboard.press("Enter")


def lock(editor) -> None:
    editor.act("edit-lock")
    editor.find(".rg-messages :text('This picture is the source')").wait_for()


def rows(editor) -> list[str]:
    return editor.find(".rg-edit-row").evaluate_all("all => all.map((row) => row.dataset.kind)")


def made_late(editor) -> None:
    """Make a picture that the page gets when the drawer has looked for it already."""
    held, before = [], editor.pictures()

    def hold(route) -> None:
        held.append(route)

    editor.page.route("**/file=**", hold)
    editor.act("run")
    editor.soon(lambda: len(held) > 0)
    editor.page.evaluate("() => new Promise((go) => setTimeout(go, 1000))")  # it looks every 700 ms
    editor.page.unroute("**/file=**", hold)
    for route in held:
        route.continue_()
    editor.shown(before)


@pytest.fixture
def editor(open_editor):
    opened = open_editor()
    opened.renew()
    opened.load(HALVES)
    opened.resize(128, 128)
    return opened


def test_an_edit_from_a_picture_to_the_difference(editor):
    choose_sampler(editor, "DDIM")
    editor.generate()
    editor.act("drawer-edit")
    lock(editor)
    assert "seed" in editor.messages and "128 × 128, 4 steps, DDIM" in editor.messages
    assert [region["prompt"] for region in editor.settings["options"]["mrgd"]["source"]["regions"]] == [
        region["prompt"] for region in HALVES["regions"]
    ]
    seed = editor.page.locator("#txt2img_seed input").first.input_value()
    assert int(seed) >= 0
    editor.field("regions[1].prompt").fill("a green ring on grass")
    editor.soon(lambda: sorted(rows(editor)), ["inherent", "reworded"])
    editor.soon(editor.find("[data-action=edit-count]").inner_text, "1 change")
    editor.field("options.mrgd.keywords[1]").fill("green ring")
    assert editor.field("options.mrgd.lock").is_checked()
    made_late(editor)
    editor.find("[data-view=difference] figcaption:text('Difference: ')").wait_for()
    apart = (
        "() => { const c = document.querySelector('[data-view=difference] canvas'), d = c.getContext('2d');"
        " const sum = (x) => d.getImageData(x, 0, c.width / 2, c.height).data.reduce((a, v, i) => a + (i % 4 === 3 ? 0 : v), 0);"
        " const [left, right] = [sum(0), sum(c.width / 2)]; return right > 20 * Math.max(1, left); }"
    )
    editor.soon(lambda: editor.page.evaluate(apart))
    info = editor.page.eval_on_selector("#html_info_txt2img", "node => node.textContent")
    assert "Regional keywords" in info and '"source"' in info.replace("\\", "")
    editor.find("[data-field='options.mrgd.keywords[0]'][placeholder^='found: ']").wait_for()


def test_without_a_picture_nothing_is_locked(editor):
    editor.act("drawer-edit")
    editor.act("edit-lock")
    editor.find(".rg-messages :text('There is no picture here yet')").wait_for()
    assert "options" not in editor.settings


def test_another_sampler_and_method_are_mended_and_named(editor):
    editor.load({**HALVES, "method": "attention_couple"})
    editor.generate(steps=2)
    editor.act("drawer-edit")
    lock(editor)
    for words in ("It was made with Euler a", 'by "Attention couple"', "Press Generate once"):
        assert words in editor.messages, words
    assert editor.page.locator("#txt2img_sampling input").first.input_value() == "Euler" and editor.settings["method"] == "mrgd"
    editor.generate(steps=2)
    assert editor.page.locator("#html_log_txt2img .page-error").count() == 0


def test_what_changed_can_be_corrected(editor):
    choose_sampler(editor, "DDIM")
    editor.generate(steps=2)
    editor.act("drawer-edit")
    lock(editor)
    editor.soon(lambda: rows(editor), ["inherent", "inherent"])
    pair = editor.find("[data-action=edit-pair-1]")
    pair.select_option("")
    assert editor.settings["options"]["mrgd"]["pairs"] == [[None, 1]]
    editor.soon(lambda: sorted(rows(editor)), ["added", "inherent", "removed"])
    editor.act("edit-find")
    editor.soon(lambda: rows(editor), ["inherent", "inherent"])


def test_back_and_release(editor):
    choose_sampler(editor, "DDIM")
    editor.generate(steps=2)
    editor.act("drawer-edit")
    lock(editor)
    editor.act("add")
    assert len(editor.settings["regions"]) == 3
    editor.act("edit-back")
    assert [region["prompt"] for region in editor.settings["regions"]] == [region["prompt"] for region in HALVES["regions"]]
    editor.act("edit-release")
    assert "source" not in editor.settings.get("options", {}).get("mrgd", {})


def test_in_img2img_the_source_is_the_picture_that_was_given(editor):
    """Not the gallery's, which may be empty or the result of an edit before."""
    page, panel = editor.page, editor.page.locator("#regional_img2img_panel")
    choose_sampler(editor, "DDIM")
    editor.generate()
    page.click("#txt2img_send_to_img2img")
    page.wait_for_function("() => (gradioApp().querySelector('#img2img_image img') || {}).naturalWidth > 0")
    if not panel.locator("canvas.rg-canvas").is_visible():
        page.locator("#regional_img2img .label-wrap").click()
    panel.locator("[data-action=drawer-edit]").click()
    panel.locator("[data-action=edit-lock]").click()
    panel.locator("[data-view=source] canvas[width='128']").wait_for()
    shown, given = page.evaluate(
        "() => { const seen = (thing) => { const c = document.createElement('canvas'); c.width = c.height = 128;"
        " const d = c.getContext('2d'); d.drawImage(thing, 0, 0); return [...d.getImageData(0, 0, 128, 128).data]; };"
        " return [seen(document.querySelector('#regional_img2img_panel [data-view=source] canvas')),"
        " seen(gradioApp().querySelector('#img2img_image img'))]; }"
    )
    assert max(abs(a - b) for a, b in zip(shown, given, strict=True)) <= 2 and len(set(shown)) > 20
