"""The panel on a phone: canvas, Generate and the result on one screen, cards as lines, fingers that scroll."""

from __future__ import annotations

import pytest

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TWO = {
    "version": 4, "enabled": True, "method": "attention_couple", "grid": {"ratios": "1,1", "direction": "columns"},
    "regions": [{"prompt": "a red circle"}, {"prompt": "a blue square"}],
}  # fmt: skip
SEEN = "node => { const {top, bottom} = node.getBoundingClientRect(); return [top, bottom]; }"


@pytest.fixture
def phone(open_editor):
    return open_editor(**PHONE)


def test_canvas_generate_and_result_stand_on_the_first_screen(phone):
    phone.load(TWO)
    phone.resize(64, 64)
    phone.page.locator("#txt2img_steps input[type=number]").fill("2")
    phone.page.evaluate("() => window.scrollTo(0, 0)")
    (top, _), (_, bottom) = phone.canvas.evaluate(SEEN), phone.find("[data-action=run]").evaluate(SEEN)
    assert top > 0 and bottom <= 844
    phone.find("[data-action=run]").tap()
    phone.page.wait_for_function("() => Regional.panels.txt2img.stage.background.image !== null", timeout=120000)
    assert phone.page.evaluate("() => [window.scrollY, document.documentElement.scrollWidth]") == [0, 390]


def test_what_is_seen_first_comes_first_on_the_page(phone):
    order = """() => [".rg-canvas", "[data-action=run]", "[data-action=background]", ".rg-cards", "[data-field=method]"]
        .map((name) => document.querySelector(`#regional_txt2img_panel ${name}`))
        .every((node, i, all) => !i || Boolean(all[i - 1].compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING))"""
    assert phone.page.evaluate(order)
    phone.page.set_viewport_size({"width": 1500, "height": 1300})
    phone.page.wait_for_function("() => !Regional.panels.txt2img.isNarrow")
    phone.soon(lambda: phone.page.evaluate(order), False)
    assert phone.field("method").is_visible()


def test_one_card_is_open_and_the_others_are_lines(phone):
    phone.load(TWO)
    assert phone.field("regions[1].prompt").is_visible(), "without a chosen region all can be typed into"
    phone.field("regions[0].prompt").tap()
    assert phone.field("regions[0].prompt").is_visible() and not phone.field("regions[1].prompt").is_visible()
    second = phone.find(".rg-region").nth(1)
    assert second.bounding_box()["height"] < 100
    assert phone.field("regions[1].name").get_attribute("placeholder") == "a blue square"
    second.locator(".rg-swatch").tap()
    assert phone.field("regions[1].prompt").is_visible() and not phone.field("regions[0].prompt").is_visible()


def test_two_fingers_scroll_while_a_drawing_tool_is_chosen(phone):
    phone.load(TWO)
    phone.tool("box")
    x, y = phone.at(0.5, 0.9)
    client = phone.page.context.new_cdp_session(phone.page)

    def touch(kind, *places):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x + dx, "y": y + dy} for dx, dy in places]})

    before = phone.page.evaluate("() => window.scrollY")
    touch("touchStart", (-30, 0), (30, 0))
    for up in range(10, 101, 10):
        touch("touchMove", (-30, -up), (30, -up))
    touch("touchEnd")
    phone.soon(lambda: abs(phone.page.evaluate("() => window.scrollY") - before - 100) <= 12)
    assert phone.page.evaluate("Regional.panels.txt2img.stage.view.zoom") == 1 and phone.settings["grid"]["ratios"] == "1,1"
