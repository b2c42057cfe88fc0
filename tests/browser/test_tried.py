"""Faults that were found by trying the panel as a new user does, each by what was done."""

from __future__ import annotations

import re

import pytest

TWO = {"version": 4, "enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}]}


@pytest.mark.parametrize(("count", "at"), [(2, 1), (3, 1), (7, 3), (7, 7)])
def test_removing_a_region_keeps_the_keyboard_and_undo_at_hand(editor, count, at):
    """× took the keyboard with it to the page's body, where Ctrl+Z does nothing."""
    editor.load({**TWO, "regions": [{"box": [0, 0, 1, 1], "prompt": str(n)} for n in range(count)]})
    before = editor.regions
    editor.find(f".rg-head button[aria-label='Remove region {at}']").click()
    assert len(editor.regions) == count - 1
    assert editor.page.evaluate("() => document.activeElement.closest('.rg-regions') !== null"), editor.focus
    editor.page.keyboard.press("Control+z")
    assert editor.regions == before


def test_a_single_picture_after_hires_fix_is_shown_large(editor):
    editor.load(TWO)
    editor.resize(64, 64)
    count, hires = editor.page.locator("#txt2img_batch_size input[type=number]"), editor.page.locator("#txt2img_enable_hr input")
    count.fill("2")
    editor.generate(steps=2)
    editor.page.locator("#txt2img_gallery .thumbnail-item").nth(2).click()
    count.fill("1")
    hires.evaluate("node => { node.checked || node.click(); }")
    editor.generate(steps=2)
    large = editor.page.locator("#txt2img_gallery .preview img").first
    large.wait_for()
    editor.soon(lambda: editor.boxes(large)[0]["width"] > 200)
    assert "Hires upscale" in editor.page.locator("#html_info_txt2img").inner_text(), "the hires pass ran"
    hires.evaluate("node => { node.checked && node.click(); }")


PAINT = """node => { const {backgroundColor, color} = getComputedStyle(node); return [backgroundColor, color]; }"""


def contrast(colours: list[str]) -> float:
    """Contrast of two opaque colours, as WCAG computes it."""

    def light(colour: str) -> float:
        shares = [int(value) / 255 for value in re.findall(r"\d+", colour)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted(light(colour) for colour in colours)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_import_has_the_readable_colour_of_all_buttons_that_act(open_editor, theme):
    editor = open_editor(color_scheme=theme)
    seen = [editor.find("[data-action=run]").evaluate(PAINT)]
    for drawer, name in (("import", "import-go"), ("masks", "find-go")):
        editor.drawer(drawer)
        button = editor.find(f"[data-action={name}]")
        seen.append(button.evaluate(PAINT))
        button.hover()
        seen.append(button.evaluate(PAINT))
        editor.page.mouse.move(0, 0)
    assert all(all("rgb(" in colour for colour in each) and contrast(each) >= 4.5 for each in seen), seen
    assert seen[0] == seen[1] == seen[3]


def test_a_grid_has_two_directions_each_with_one_name(editor):
    """ "Columns", "Rows", "Horizontal" and "Vertical" were offered for two."""
    words = "all => all.map((node) => node.textContent)"
    assert editor.field("grid.direction").locator("option").evaluate_all(words) == ["columns", "rows"]
    editor.drawer("import")
    imported = editor.find(".rg-import label:has-text('Cells of a plain list') option").evaluate_all(words)
    assert imported == ["side by side", "one below the other"]
    for direction in ("Vertical", "Horizontal"):
        editor.find("[data-action=import-text]").fill(
            "a BREAK b\nSteps: 4, Sampler: Euler a, CFG scale: 5, Seed: 1, Size: 64x64, RP Active: True, RP Divide mode: Matrix, "
            f'RP Matrix submode: {direction}, RP Calc Mode: Attention, RP Ratios: "1,1"'
        )
        editor.act("import-go")
        editor.find("[data-action=import-report] .rg-taken").first.wait_for()
    assert editor.field("grid.direction").locator("option").evaluate_all(words) == ["columns", "rows"]


def test_a_region_without_a_prompt_is_named_once(editor):
    editor.load({**TWO, "regions": [TWO["regions"][0], {"box": [0.5, 0, 1, 1]}]})
    shown = editor.page.locator("#regional_txt2img")
    shown.get_by_text("has no prompt").first.wait_for()
    editor.soon(lambda: shown.inner_text().count("has no prompt") == 1)


def test_labels_and_numbers_of_the_page_stand_apart_at_1024(editor):
    """ "Sampling steps" ran into its number."""
    before = editor.page.viewport_size
    editor.page.set_viewport_size({"width": 1024, "height": 768})
    met = """node => {
        const box = node.querySelector("input[type=number]").getBoundingClientRect();
        const words = document.createRange();
        words.selectNodeContents([...node.querySelectorAll("label, span")].find((one) => one.textContent.trim() && !one.children.length));
        return [...words.getClientRects()].some(({left, right, top, bottom}) =>
            left < box.right + 3 && right > box.left - 3 && top < box.bottom - 1 && bottom > box.top + 1);
    }"""
    fields = [editor.page.locator(f"#txt2img_{name}") for name in ("steps", "width", "height", "cfg_scale", "batch_size", "batch_count")]
    assert [field.evaluate(met) for field in fields if field.is_visible()] == [False] * sum(field.is_visible() for field in fields)
    assert fields[0].is_visible()
    editor.page.set_viewport_size(before)
