"""axe-core finds nothing on the whole page, with every part of the panel open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from editor import SLOWED

from tests.javascript import install_tools

ROOT = Path(__file__).resolve().parents[2]
OURS = "[id^=regional_], .rg, .rg-menu, dialog[class^=rg-]"
"""What counts on another host's page, whose own parts are not ours to mend."""
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TWO = {
    "version": 4, "enabled": True, "overlap": "over",
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a <lora:none:1>"}, {"words": {"text": "hat"}}, {"box": [0.5, 0, 1, 1], "weight": -1}],
}  # fmt: skip


@pytest.fixture(scope="module")
def axe() -> str:
    missing = install_tools()
    if missing:
        pytest.skip(f"axe-core is not there: {missing}")
    return AXE.read_text(encoding="utf-8")


def violations(editor, axe: str) -> list[str]:
    editor.slow(1)  # axe looks for many seconds on a slow page, and nothing happens meanwhile
    if not editor.page.evaluate("() => 'axe' in window"):
        editor.page.evaluate(axe)
    found = editor.page.evaluate(
        """async (ours) => {
            const {violations} = await axe.run(document, {resultTypes: ['violations'], elementRef: true});
            const wanted = (node) => !ours || node.element?.closest(ours);
            return violations.flatMap(({id, nodes}) => nodes.filter(wanted).map(({html}) => `${id}: ${html.slice(0, 150)}`));
        }""",
        OURS if os.environ.get("REGIONAL_EDITOR_URL") else "",
    )
    editor.slow(SLOWED)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_has_no_violations(open_editor, axe, theme):
    editor = open_editor(color_scheme=theme)
    assert violations(editor, axe) == [], "as it opens"
    editor.load(TWO)
    editor.find(".rg-messages .rg-problem").wait_for()
    for drawer in ("presets", "import", "masks", "edit"):
        editor.drawer(drawer)
        for summary in editor.find(".rg-more > summary").all():
            if summary.is_visible() and not summary.evaluate("node => node.parentElement.open"):
                summary.click()
        assert violations(editor, axe) == [], drawer
    editor.click(0.25, 0.5, button="right")
    editor.page.locator(".rg-menu").wait_for()
    assert violations(editor, axe) == [], "menu"
    editor.page.keyboard.press("Escape")
    editor.keys("?")
    editor.page.locator("dialog.rg-keys").wait_for()
    assert violations(editor, axe) == [], "keys"
    editor.page.keyboard.press("Escape")
    editor.find("[data-action=add-lora]").first.click()
    editor.page.locator("dialog.rg-picker .rg-tile").first.wait_for()
    editor.page.locator("dialog.rg-picker [role=status]:not(:empty)").wait_for()
    assert violations(editor, axe) == [], "picker of LoRAs"
    editor.page.locator("dialog.rg-picker [data-kind=embeddings]").click()
    assert violations(editor, axe) == [], "picker of embeddings"


def test_the_panel_is_a_landmark_of_its_own(open_editor, axe):
    """The WebUIs' pages have no main part, so that all that stands outside of a landmark is a violation there."""
    editor = open_editor()
    editor.page.evaluate("() => document.querySelectorAll('[role=main], main').forEach((node) => node.setAttribute('role', 'none'))")
    editor.load(TWO)
    x, y = editor.at(0.25, 0.5)
    editor.page.mouse.click(x, y, button="right")
    menu = editor.page.locator(".rg-menu")
    menu.wait_for()
    found = violations(editor, axe)
    assert any(one.startswith("region: ") for one in found), "the page around it"
    assert [one for one in found if "rg-" in one or "data-action" in one or "data-field" in one] == []
    place = menu.bounding_box()
    assert abs(place["x"] - x) <= 2 and abs(place["y"] - y) <= 2


@pytest.mark.parametrize("tab", ["img2img", "PNG Info"])
def test_the_other_tabs_have_none(open_editor, axe, tab):
    editor = open_editor()
    editor.show(tab)
    editor.soon(lambda: violations(editor, axe), [])
