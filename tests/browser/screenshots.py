"""The pictures of docs/editor.md and the README's page, made by doing what they say: ``python tests/browser/screenshots.py [folder]``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]


def shoot(take, height: int) -> None:
    """``take(page, url)`` on the page of a host of its own."""
    from conftest import browser_path
    from playwright.sync_api import sync_playwright

    from lib_regional.standalone.server.app import serve

    with tempfile.TemporaryDirectory() as output, serve(nowebui=False, output=Path(output)) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(playwright), args=["--no-sandbox"])
        take(browser.new_page(viewport={"width": 1440, "height": height}), served.url)
        browser.close()


def take_all(page, url: str, folder: Path) -> None:
    """The steps, one after the other."""
    from editor import Editor

    editor = Editor(page, url)
    panel = page.locator("#regional_txt2img")
    start = time.monotonic()
    panel.screenshot(path=folder / "editor_start.png")
    two_things(editor, page, folder, start)
    words(editor, page, folder)
    other_layout(editor, panel, folder)
    drawn(editor, panel, folder)
    imported(editor, panel, folder)


def two_things(editor, page, folder: Path, start: float) -> None:
    editor.field("regions[0].prompt").fill("a red circle on grass")
    editor.field("regions[1].prompt").fill("a blue square on grass")
    editor.field("enabled").check()
    page.locator("#txt2img_prompt textarea").fill("grass")
    page.locator("#txt2img_seed input").fill("3")
    generate(page)
    print(f"from the open panel to the picture: {time.monotonic() - start:.0f} s")
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=folder / "editor_two.png")
    page.screenshot(path=folder / "page.png", full_page=True)
    strip(editor, page, folder)


def strip(editor, page, folder: Path) -> None:
    """Region 2 made again, and the two pictures with their scores."""
    page.wait_for_selector(".rg-strip-tile")
    editor.find("[data-action=again]").nth(1).click()
    page.wait_for_function("() => document.querySelectorAll('.rg-strip-tile').length === 2", timeout=120000)
    editor.find(".rg-strip-tile").nth(1).click()
    page.wait_for_timeout(800)
    editor.find(".rg-side").screenshot(path=folder / "editor_strip.png")
    editor.find(".rg-strip-tile").nth(1).click()


def generate(page) -> None:
    page.click("#txt2img_generate")
    page.wait_for_selector("#html_info_txt2img .infotext", timeout=120000)
    page.wait_for_timeout(1500)


def words(editor, page, folder: Path) -> None:
    """Where the words of each region were looked at."""
    background = editor.find("[data-action=background]")
    editor.keys("Escape", "Escape")
    background.select_option("words")
    page.click("#txt2img_generate")
    page.wait_for_function("() => (Regional.panels.txt2img.stage.background.tints || {}).size === 2", timeout=120000)
    page.wait_for_timeout(500)
    editor.find(".rg-figure").first.screenshot(path=folder / "editor_words.png")
    background.select_option("none")


def other_layout(editor, panel, folder: Path) -> None:
    editor.act("drawer-presets")
    editor.find("[data-preset='Sky over a couple']").click()
    editor.drag((0.5, 0.7), (0.35, 0.7))
    editor.page.wait_for_timeout(600)
    panel.screenshot(path=folder / "editor_layouts.png")
    editor.act("drawer-presets")


def drawn(editor, panel, folder: Path) -> None:
    editor.load({"version": 4, "enabled": True, "regions": []})
    editor.draw_box((0.08, 0.12), (0.42, 0.6))
    editor.field("regions[0].prompt").fill("a red circle on grass")
    editor.tool("ellipse")
    editor.drag((0.55, 0.15), (0.92, 0.55))
    editor.field("regions[1].prompt").fill("a yellow ring on grass")
    editor.keys("Escape", "Escape")
    editor.tool("brush")
    editor.drag((0.12, 0.82), (0.4, 0.74), (0.66, 0.84), (0.88, 0.78), steps=14)
    editor.field("regions[2].prompt").fill("brick")
    editor.page.wait_for_timeout(900)
    panel.screenshot(path=folder / "editor_drawn.png")
    menu(editor, folder)
    editor.find("[data-action=background]").select_option("map:8")
    editor.page.wait_for_timeout(1500)
    editor.find(".rg-figure").first.screenshot(path=folder / "editor_weights.png")
    editor.find("[data-action=background]").select_option("none")


def menu(editor, folder: Path) -> None:
    """The menu over the canvas."""
    editor.click(0.25, 0.4, button="right")
    editor.page.locator(".rg-menu").wait_for()
    side = editor.find(".rg-side").bounding_box()
    editor.page.screenshot(path=folder / "editor_menu.png", clip={**side, "width": side["width"] + 160, "height": side["height"] + 60})
    editor.page.keyboard.press("Escape")


def imported(editor, panel, folder: Path) -> None:
    editor.act("drawer-import")
    editor.find("[data-action=import-text]").fill("best quality ADDCOMM a park ADDBASE a red circle ADDCOL a blue square ADDROW grass")
    editor.find("[data-action=import-ratios]").fill("2,1,1;1,1")
    editor.act("import-go")
    editor.find("[data-action=import-report] .rg-taken").first.wait_for()
    editor.page.wait_for_timeout(600)
    panel.screenshot(path=folder / "editor_import.png")


def folder_asked() -> Path:
    """Where the pictures go."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"


def phone(page, url: str, folder: Path) -> None:
    """Two prompts on a phone, and their picture."""
    from editor import Editor

    phone = page.context.browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2)
    editor = Editor(phone.new_page(), url)
    editor.field("regions[0].prompt").fill("a red circle")
    editor.find(".rg-swatch").nth(1).tap()
    editor.field("regions[1].prompt").fill("a blue square")
    editor.page.locator("#txt2img_seed input").fill("3")
    editor.act("run")
    editor.page.wait_for_selector("#html_info_txt2img .infotext", state="attached", timeout=120000)
    editor.page.wait_for_timeout(1500)
    editor.page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0); }")
    editor.page.screenshot(path=folder / "editor_phone.png")


def both(page, url: str) -> None:
    take_all(page, url, folder_asked())
    phone(page, url, folder_asked())


if __name__ == "__main__":
    shoot(both, 1180)
