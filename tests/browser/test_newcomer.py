"""The way of somebody new: a first picture in two clicks, and what the panel does meanwhile."""

from __future__ import annotations

import pytest

OFF_NOTE = ".rg-off-note"


@pytest.fixture(scope="module")
def page(browser, url):
    """One page of an ordinary size for the whole module."""
    from editor import Editor

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = Editor(context.new_page(), url)
    yield opened
    assert not opened.faults, opened.faults
    context.close()


def in_view(page, selector: str) -> bool:
    box = page.find(selector).first.bounding_box()
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 900


def test_two_prompts_a_background_and_a_picture_in_two_clicks_without_scrolling(page):
    page.renew()
    keyboard = page.page.keyboard
    for wanted in ("[data-action=background-prompt]", "[data-field='regions[0].prompt']", "[data-field='regions[1].prompt']"):
        assert in_view(page, wanted), wanted
    page.page.locator("#txt2img_steps input[type=number]").first.evaluate(
        "box => { box.value = '2'; box.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.field("regions[0].prompt").click()
    keyboard.type("a red circle")
    keyboard.press("PageDown")
    keyboard.type("a blue square")
    keyboard.press("PageUp")
    keyboard.press("PageUp")
    keyboard.type("grass")
    assert page.page.evaluate("() => window.scrollY") == 0
    assert page.page.locator("#txt2img_prompt textarea").input_value() == "grass"
    assert page.settings["enabled"] is True and page.settings["base"] == {"joined": True}
    page.page.wait_for_function("() => Regional.panels.txt2img.stage.background.kind === 'result'")
    before = page.page.locator("#html_info_txt2img").inner_text()
    page.page.click("#txt2img_generate")
    page.page.wait_for_function("before => document.querySelector('#html_info_txt2img').innerText !== before", arg=before, timeout=60000)
    page.page.wait_for_function("() => Regional.panels.txt2img.stage.background.image !== null")
    assert '"joined' in page.page.locator("#html_info_txt2img").inner_text().replace("\\", "")


@pytest.mark.parametrize("width", [1280, 1400, 1920])
def test_nothing_wraps_and_nothing_stands_empty(page, width):
    page.page.set_viewport_size({"width": width, "height": 900})
    page.renew()
    tops = [box["y"] for box in page.boxes(*(f"[data-action={name}]" for name in ("drawer-presets", "drawer-edit", "reset")))]
    assert max(tops) - min(tops) < 4, "the drawers' buttons, and Reset, are one line"
    canvas, cards = page.boxes(".rg-side", ".rg-main")
    beside = cards["x"] > canvas["x"] + 100
    assert not beside or cards["height"] - canvas["height"] < 24, "no empty area below the canvas"
    page.page.set_viewport_size({"width": 1440, "height": 900})


def test_by_keys_alone_from_the_pages_start(page):
    page.renew()
    page.page.evaluate("() => document.activeElement.blur()")
    keyboard = page.page.keyboard
    keyboard.press("Alt+r")
    keyboard.type("a")
    keyboard.press("PageDown")
    keyboard.type("b")
    keyboard.press("PageUp")
    keyboard.press("PageUp")
    keyboard.type("c")
    assert [region["prompt"] for region in page.regions] == ["a", "b"]
    assert page.page.locator("#txt2img_prompt textarea").input_value() == "c", "and Ctrl+Enter makes the picture: eight keys and the words"


def test_the_key_opens_a_folded_panel_and_its_words_go_into_the_first_prompt(page):
    page.renew()
    page.page.locator("#regional_txt2img .label-wrap").click()
    page.canvas.wait_for(state="hidden")
    page.page.keyboard.press("Alt+r")
    page.page.evaluate("async () => { for (let i = 0; i < 4; i++) await new Promise((go) => requestAnimationFrame(go)); }")
    page.page.keyboard.type("a red circle")
    assert page.canvas.is_visible() and page.regions[0]["prompt"] == "a red circle"


def test_editing_switches_on_undo_takes_it_back_and_off_is_seen(page):
    page.renew()
    assert page.page.locator(OFF_NOTE).count() == 0
    page.field("regions[0].prompt").fill("a red circle")
    assert page.settings["enabled"] is True
    page.act("undo")
    assert page.settings["enabled"] is False
    page.act("redo")
    page.field("enabled").uncheck()
    page.field("regions[1].prompt").fill("a blue square")
    assert page.settings["enabled"] is False, "switched off by hand it stays off"
    assert page.page.locator("#txt2img_actions_column .rg-off-note").is_visible()
    page.page.locator(f"{OFF_NOTE} button").click()
    assert page.settings["enabled"] is True and page.page.locator(OFF_NOTE).count() == 0
    page.renew()
    page.find("summary:text-is('Options')").click()
    page.find("[data-action=switches-on]").uncheck()
    page.field("regions[0].prompt").fill("a red circle")
    assert page.settings["enabled"] is False
    page.find("[data-action=switches-on]").check()


def test_the_background_row_says_how_the_main_prompt_acts(page):
    page.renew()
    mode, share = page.find("[data-action=background-mode]"), page.find("[data-action=background-share] input")
    assert mode.input_value() == "joined" and not share.is_visible()
    mode.select_option("shared")
    share.fill("35")
    page.act("add")
    assert [region["base_share"] for region in page.regions] == [0.35] * 3 and "base" not in page.settings
    mode.select_option("apart")
    assert all("base_share" not in region for region in page.regions)
    page.field("base.prompt").evaluate("node => node.closest('details').open = true")
    page.field("base.prompt").fill("night")
    assert page.find("[data-action=background-prompt]").input_value() == "night"
    page.act("background-main")
    assert page.settings.get("base", {}).get("prompt") is None


def test_box_stays_until_escape_and_the_new_prompt_has_the_focus(page):
    page.renew()
    page.tool("box")
    page.drag((0.1, 0.1), (0.4, 0.4))
    page.page.keyboard.type("a red circle")
    page.drag((0.6, 0.6), (0.9, 0.9))
    page.page.keyboard.type("a blue square")
    assert [region["prompt"] for region in page.regions] == ["a red circle", "a blue square"]
    assert "took the place" not in page.messages, "a message goes with the next change"
    page.page.keyboard.press("Escape")
    assert page.page.evaluate("() => Regional.panels.txt2img.stage.tool") == "select"
    page.drag((0.45, 0.05), (0.55, 0.2))
    page.soon(lambda: "Box (R)" in page.messages)
    remove = page.find(".rg-head button[aria-label='Remove region 2']")
    remove.click()
    assert page.page.evaluate("() => document.activeElement.closest('.rg-regions') !== null")
    page.page.keyboard.press("Control+z")
    assert len(page.regions) == 2


def test_a_malformed_ratio_keeps_the_grid_and_says_so_at_its_field(page):
    page.renew()
    page.field("grid.ratios").fill("1,3")
    page.field("grid.ratios").fill("1,,")
    assert page.settings["grid"]["ratios"] == "1,3" and page.field("grid.ratios").input_value() == "1,,"
    assert "not a size above 0" in page.find(".rg-field-fault").inner_text()
    page.field("grid.ratios").fill("1,2")
    assert page.settings["grid"]["ratios"] == "1,2" and not page.find(".rg-field-fault").is_visible()


def test_many_regions_are_lines_that_can_be_searched_and_switched(page):
    page.renew()
    page.load({"version": 4, "enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": f"thing {n}"} for n in range(52)]})
    cards = page.find(".rg-region")
    assert cards.nth(3).bounding_box()["height"] < 45
    cards.nth(3).locator(".rg-swatch").click()
    assert page.field("regions[3].prompt").is_visible() and not page.field("regions[4].prompt").is_visible()
    page.find("[data-action=search]").fill("thing 51")
    assert [card.get_attribute("data-field") for card in cards.all() if card.is_visible()] == ["regions[51]"]
    page.find("[data-action=search]").fill("")
    page.act("all-off")
    assert not any(region.get("enabled", True) for region in page.regions)
    drawn = page.page.evaluate(
        "() => { const {cards} = Regional.panels.txt2img.list; let count = 0;"
        " for (const card of cards.values()) { const {update} = card; card.update = (...all) => { count++; update(...all); }; }"
        " const box = document.querySelector(\"#regional_txt2img_panel [data-field='regions[3].prompt']\");"
        " box.value += 'x'; box.dispatchEvent(new Event('input', {bubbles: true})); return count; }"
    )
    assert drawn == 1, "a key draws the card that it was typed into"
    assert page.regions[3]["prompt"] == "thing 3x"


def test_a_reload_keeps_the_main_prompt(page):
    page.renew()
    page.page.locator("#txt2img_prompt textarea").fill("sand at night")
    page.page.reload()
    page.unfold()
    page.page.wait_for_function("() => document.querySelector('#txt2img_prompt textarea').value === 'sand at night'")
    page.soon(page.find("[data-action=background-prompt]").input_value, "sand at night")


def test_a_host_that_keeps_no_prompts_gets_the_background_back_where_the_panel_is_on(page):
    """The page of the tests keeps its prompts itself, the WebUIs do not."""
    main = page.page.locator("#txt2img_prompt textarea")
    for on in (True, False):
        page.renew()
        page.find("[data-action=background-prompt]").fill("sand at night")
        page.field("regions[0].prompt").fill("a red circle")
        page.field("enabled").set_checked(on)
        page.page.add_init_script("for (const name of ['txt2img_prompt', 'txt2img_neg_prompt']) sessionStorage.removeItem(`page_${name}`);")
        page.page.reload()
        page.unfold()
        assert page.regions[0]["prompt"] == "a red circle"
        page.soon(lambda: main.input_value() == page.find("[data-action=background-prompt]").input_value())
        assert (main.input_value() == page.find("[data-action=background-prompt]").input_value() == "sand at night") is on
