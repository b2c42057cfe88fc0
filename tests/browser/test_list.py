"""The list of regions: order, mute, solo, tokens, warnings, numbers; the ratio string; strokes of a pen."""

from __future__ import annotations

import pytest
from test_drawing import mask_of

THREE = [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.25, 0, 1, 1], "prompt": "b"}, {"box": [0.5, 0, 1, 0.5], "prompt": "c"}]


def free(editor, regions, **more) -> None:
    editor.load({"version": 4, "enabled": True, "regions": regions, **more})


def prompts(editor) -> list[str]:
    return [region.get("prompt", "") for region in editor.regions]


def button(editor, name: str):
    return editor.find(f".rg-head button[aria-label='{name}']")


def test_mute_and_solo(editor):
    free(editor, THREE)
    button(editor, "Mute region 2").click()
    assert [region.get("enabled", True) for region in editor.regions] == [True, False, True]
    button(editor, "Only region 3, or all again").click()
    assert [region.get("enabled", True) for region in editor.regions] == [False, False, True]
    button(editor, "Only region 3, or all again").click()
    assert [region.get("enabled", True) for region in editor.regions] == [True, False, True]
    button(editor, "Switch region 2 on").click()
    assert all(region.get("enabled", True) for region in editor.regions)


def test_a_press_on_a_line_below_the_open_card_is_a_click(editor):
    """The open card folds with the keyboard's move to another line: the button that is pressed must not move away before the click."""
    free(editor, [{"box": [0, 0, 1, 1], "prompt": str(at)} for at in range(6)])
    editor.find(".rg-swatch").first.click()
    button(editor, "Mute region 5").click()
    assert [region.get("enabled", True) for region in editor.regions] == [True] * 4 + [False, True]
    assert editor.find(".rg-region").nth(4).get_attribute("aria-current") == "true", "its card is open then"
    editor.page.keyboard.press("Control+z")
    assert all(region.get("enabled", True) for region in editor.regions), "and the keyboard is in the panel"


def test_dragging_a_card_changes_what_covers(editor):
    free(editor, THREE, overlap="over")
    swatches = editor.find(".rg-region .rg-swatch")
    assert swatches.all_inner_texts() == ["3", "2", "1"], "what covers stands above"
    grip, target = editor.find(".rg-grip").nth(0), editor.find(".rg-region").nth(2)
    target.scroll_into_view_if_needed()
    grip.drag_to(target)
    editor.soon(lambda: prompts(editor), ["c", "a", "b"])
    assert swatches.all_inner_texts() == ["2", "1", "3"]
    assert [region.get("priority", 0) for region in editor.regions] == [0, 1, 2]
    button(editor, "More of region 3").click()
    editor.page.locator(".rg-menu [data-entry=up]").click()
    assert prompts(editor) == ["a", "c", "b"] and swatches.all_inner_texts() == ["2", "3", "1"]
    editor.keys("Control+z", "Control+z")
    assert prompts(editor) == ["a", "b", "c"]


def test_the_menu_by_right_click_and_by_keys(editor):
    editor.resize(512, 512)
    free(editor, [{"box": [0, 0, 0.5, 0.5], "prompt": "a"}, {"box": [0.5, 0.5, 1, 1], "prompt": "b"}])
    menu = editor.page.locator(".rg-menu")
    editor.click(0.25, 0.25, button="right")
    shown = editor.page.locator("#txt2img_gallery img").count() > 0
    assert menu.locator("[data-entry=duplicate]").is_visible() and (menu.locator("[data-entry=again]").count() > 0) == shown
    menu.locator("[data-entry=toMask]").click()
    editor.page.wait_for_function("() => Regional.panels.txt2img.store.get().regions[0].mask !== undefined")
    before = editor.regions[0]["mask"]
    assert (mask_of(editor.regions[0]) > 128).mean() == pytest.approx(0.25, abs=0.01)
    editor.click(0.25, 0.25, button="right")
    menu.locator("[data-entry=invert]").click()
    editor.page.wait_for_function("text => Regional.panels.txt2img.store.get().regions[0].mask !== text", arg=before)
    assert (mask_of(editor.regions[0]) > 128).mean() == pytest.approx(0.75, abs=0.01) and menu.count() == 0
    editor.keys("PageDown", "Shift+F10")
    editor.page.keyboard.press("Escape")
    assert menu.count() == 0 and editor.focus == "stage"


def test_numbers_and_colours_belong_to_the_region(editor):
    free(editor, THREE)
    colour = "node => getComputedStyle(node).backgroundColor"
    swatches = editor.find(".rg-region .rg-swatch")
    second = swatches.nth(1).evaluate(colour)
    button(editor, "Remove region 1").click()
    assert swatches.all_inner_texts() == ["2", "3"] and swatches.nth(0).evaluate(colour) == second
    editor.page.reload()
    editor.unfold()
    assert swatches.all_inner_texts() == ["2", "3"] and swatches.nth(0).evaluate(colour) == second
    editor.field("regions[0].weight").evaluate("node => node.closest('details').open = true")
    editor.field("regions[0].weight").fill("much")
    editor.find(".rg-messages .rg-problem").filter(has_text="weight").filter(has_text="Region 2").wait_for()


def test_loras_are_completed_and_an_unknown_one_is_marked(editor):
    free(editor, THREE)
    prompt = editor.field("regions[0].prompt")
    prompt.fill("a <lora:nothing like it:1>")
    editor.find(".rg-unknown").wait_for()
    prompt.fill("a ")
    prompt.press_sequentially("<lora:")
    names = editor.find(".rg-names:visible .rg-name")
    names.first.wait_for()
    first = names.first.inner_text()
    editor.page.keyboard.press("Enter")
    assert editor.regions[0]["prompt"] == f"a <lora:{first}:1>" and names.count() == 0
    assert editor.find(".rg-chip").inner_text() == f"{first} 1" and editor.find(".rg-unknown").count() == 0


def test_each_card_shows_its_part_of_the_main_prompt(editor):
    free(editor, THREE[:2], text_from="break")
    editor.page.locator("#txt2img_prompt textarea").fill("a red circle")
    editor.page.wait_for_function("() => document.querySelector('#regional_txt2img_panel .rg-part').textContent.includes('red')")
    assert editor.find(".rg-part").nth(1).inner_text() == "The main prompt has no part for this region."


def test_numbers_of_a_region_reach_the_settings(editor):
    free(editor, THREE)
    editor.find(".rg-region .rg-more > summary").first.click()
    for name, value in {"weight": "1,5", "base_share": ".25", "feather": "0.1", "steps[0]": "0.2", "steps[1]": "0.8", "seed": "7"}.items():
        editor.field(f"regions[0].{name}").fill(value)
    editor.field("regions[0].negative").fill("blurry")
    wanted = {**THREE[0], "weight": 1.5, "base_share": 0.25, "feather": 0.1, "steps": [0.2, 0.8], "seed": 7, "negative": "blurry"}
    assert editor.regions[0] == wanted
    editor.field("regions[0].weight").press("ArrowUp")
    assert editor.regions[0]["weight"] == 1.6
    editor.field("regions[0].weight").fill("much")
    editor.find(".rg-messages .rg-problem").filter(has_text="weight").wait_for()
    assert editor.field("regions[0].weight").get_attribute("aria-invalid") == "true"


def test_tokens_are_counted_by_the_host_without_the_tags(editor):
    free(editor, [{**THREE[0], "prompt": "a red circle, <lora:x:0.5>"}, {**THREE[1], "prompt": ""}])
    counts = editor.find(".rg-tokens")
    editor.page.wait_for_function("node => node.textContent", arg=counts.first.element_handle())
    asked = editor.page.request.post(f"{editor.url}/regional/v1/tokens", data={"texts": ["a red circle, "]}).json()["counts"][0]
    assert counts.all_inner_texts() == [f"{asked['tokens']}/{asked['limit']}", ""] and asked["tokens"] == 4


def test_what_was_hardly_meant_stands_in_the_card(editor):
    editor.resize(512, 512)
    free(
        editor,
        [
            {"box": [0, 0, 1, 1], "prompt": "a", "priority": 2},
            {"box": [0.2, 0.2, 0.6, 0.6], "prompt": "b"},
            {"box": [0, 0, 0.1, 0.1], "priority": 3},
        ],
        overlap="over",
    )
    warnings = editor.find(".rg-card-warning")
    editor.checked()
    assert warnings.nth(1).inner_text() == "", "the list shows the highest priority first"
    assert "covered" in warnings.nth(2).inner_text()
    assert "has no prompt" in warnings.nth(0).inner_text() and "coarsest attention grid" in warnings.nth(0).inner_text()


def test_the_ratio_string_makes_the_cells(editor):
    editor.load({"version": 4, "enabled": True, "regions": [{"prompt": "a"}, {"prompt": "b"}], "grid": {"ratios": "1,1"}})
    editor.field("grid.ratios").fill("1,1,1;2,1")
    assert prompts(editor) == ["a", "b", ""] and editor.find(".rg-ratios .rg-label").inner_text() == "Sizes (3 cells)"
    top = editor.page.evaluate("() => { const p = Regional.panels.txt2img; return p.stage.boundsOf(p.store.get(), 2)[1]; }")
    assert top == pytest.approx(1 / 3, abs=1e-4)
    editor.field("grid.direction").select_option("rows")
    assert editor.settings["grid"] == {"ratios": "1,1,1;2,1", "direction": "rows"}
    editor.load({"version": 4, "enabled": True, "regions": [{"prompt": "a"}, {"prompt": "b"}], "grid": {"ratios": "1,,"}})
    editor.find(".rg-messages .rg-problem").filter(has_text="ratios").first.wait_for()
    assert editor.field("grid.ratios").input_value() == "1,,"


def test_shapes_are_mirrored_and_aligned(editor):
    free(editor, [{"polygon": [[0.1, 0.2], [0.3, 0.2], [0.3, 0.4]]}, {"ellipse": [0.5, 0.5, 0.7, 0.9]}])
    editor.keys("Control+a", "h", "j")
    assert editor.regions[0]["polygon"] == [pytest.approx(point) for point in ([0.9, 0.8], [0.7, 0.8], [0.7, 0.6])]
    assert editor.regions[1]["ellipse"] == pytest.approx([0.3, 0.1, 0.5, 0.5])
    editor.act("mirrorX")
    editor.find("select[aria-label=Align]").select_option("middle")
    middles = (sum(p[1] for p in editor.regions[0]["polygon"][::2]) / 2, sum(editor.regions[1]["ellipse"][1::2]) / 2)
    assert middles[0] == pytest.approx(middles[1])
    editor.page.evaluate("() => { const p = Regional.panels.txt2img; p.select([p.store.get().regions[1]._id]); }")
    editor.find("select[aria-label=Align]").select_option("left")
    assert editor.regions[1]["ellipse"][0] == 0


@pytest.mark.parametrize(("kind", "pressure"), [("pen", 1.0), ("pen", 0.25), ("mouse", 0.5)])
def test_a_pens_pressure_is_the_width_of_its_stroke(editor, kind, pressure):
    editor.resize(512, 512)
    editor.tool("brush")
    editor.page.evaluate("() => { Regional.panels.txt2img.stage.brush = {size: 0.2, softness: 0}; }")
    points = [editor.at(x, 0.5) for x in (0.3, 0.5, 0.7)]
    editor.page.evaluate(
        """([points, kind, pressure]) => {
            const {canvas} = Regional.panels.txt2img.stage, send = (name, [x, y]) => canvas.dispatchEvent(new PointerEvent(name,
                {pointerId: 7, pointerType: kind, pressure, clientX: x, clientY: y, bubbles: true, isPrimary: true}));
            canvas.setPointerCapture = () => {};
            send("pointerdown", points[0]);
            points.forEach((point) => send("pointermove", point));
            send("pointerup", points[2]);
            delete canvas.setPointerCapture;
        }""",
        [points, kind, pressure],
    )
    width = (mask_of(editor.regions[0])[:, 256] > 128).sum() / 512
    assert width == pytest.approx(0.2 * (pressure if kind == "pen" else 1), abs=0.012)
