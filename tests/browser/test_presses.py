"""What the server answers while one types or holds a button: nothing old is shown, and no press is lost because its aim has moved."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

SUMMARY = ".rg-region details.rg-more > summary"
NO_PROMPT = "has no prompt"


@pytest.fixture
def late_checks(editor):
    """The page gets the answers of the server's checks when `answer` lets it."""
    editor.checked()
    editor.page.evaluate(
        "() => { window.held = []; window.quick = window.fetch; window.fetch = async (...args) => {"
        " const answer = await window.quick(...args);"
        " if (window.held && String(args[0]).includes('/validate')) await new Promise((go) => window.held.push(go));"
        " return answer; }; }"
    )
    yield editor
    editor.page.evaluate("() => { window.fetch = window.quick; }")


def is_held(editor) -> bool:
    return editor.page.evaluate("() => window.held.length > 0")


def answer(editor) -> None:
    """Let the answers come, and all later ones at once."""
    editor.page.evaluate("() => { window.held.forEach((go) => go()); window.held = null; }")


def middle(editor, selector: str) -> tuple[float, float]:
    (box,) = editor.boxes(selector)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def record_warnings(editor) -> None:
    """Keep every text that the card's warning has from now on."""
    editor.page.evaluate(
        "() => { window.warned = []; const panel = document.querySelector('#regional_txt2img_panel');"
        " new MutationObserver(() => panel.querySelectorAll('.rg-card-warning').forEach((node) =>"
        " node.textContent && window.warned.push(node.textContent)))"
        ".observe(panel, {childList: true, subtree: true, characterData: true}); }"
    )


def test_an_answer_to_older_settings_is_not_shown(late_checks):
    editor = late_checks
    record_warnings(editor)
    editor.draw_box((0.1, 0.1), (0.9, 0.9))
    editor.soon(lambda: is_held(editor))  # the check of a region without a prompt
    editor.field("regions[0].prompt").fill("stripes")
    answer(editor)
    editor.checked()
    assert not [text for text in editor.page.evaluate("window.warned") if NO_PROMPT in text]
    editor.field("regions[0].prompt").fill("")
    editor.page.wait_for_function(f"() => window.warned.some((text) => text.includes('{NO_PROMPT}'))")


def test_a_press_is_not_lost_where_an_answer_comes_between(late_checks):
    editor = late_checks
    editor.draw_box((0.1, 0.1), (0.9, 0.9))
    before = editor.boxes(SUMMARY)
    editor.page.mouse.move(*middle(editor, SUMMARY))
    record_warnings(editor)
    editor.page.mouse.down()
    editor.soon(lambda: is_held(editor))
    answer(editor)
    editor.checked()
    assert not editor.page.evaluate("window.warned") and editor.boxes(SUMMARY) == before
    editor.page.mouse.up()
    editor.find(".rg-region details.rg-more[open]").wait_for()
    editor.page.wait_for_function(f"() => window.warned.some((text) => text.includes('{NO_PROMPT}'))")


def test_a_button_let_go_outside_of_the_window_holds_nothing_back(editor):
    editor.draw_box((0.1, 0.1), (0.9, 0.9))
    editor.field("regions[0].prompt").fill("stripes")
    editor.checked()
    editor.page.evaluate("() => window.dispatchEvent(new PointerEvent('pointerdown', {pointerId: 77, buttons: 1}))")
    editor.field("regions[0].prompt").fill("")
    editor.checked()
    assert NO_PROMPT not in editor.find(".rg-card-warning").inner_text()
    editor.page.evaluate("() => window.dispatchEvent(new PointerEvent('pointermove', {pointerId: 77, buttons: 0}))")
    editor.page.wait_for_function(f"() => document.querySelector('.rg-card-warning').textContent.includes('{NO_PROMPT}')")
