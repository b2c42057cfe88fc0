"""The pictures of docs/mrgd.md, made by doing what it says: ``python tests/browser/edit_screenshots.py [folder]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

SEED = 11
REGIONS = [{"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square on grass"}]
LAYOUT = {"version": 1, "enabled": True, "method": "mrgd", "base": {"prompt": "grass"}, "regions": REGIONS}


def main(folder: Path) -> None:
    """Write every picture into ``folder``."""
    from conftest import browser_path
    from playwright.sync_api import sync_playwright

    from lib_regional.standalone.app import serve

    with tempfile.TemporaryDirectory() as output, serve(nowebui=False, output=Path(output)) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(playwright), args=["--no-sandbox"])
        take_all(browser.new_page(viewport={"width": 1440, "height": 1500}), served.url, folder)
        browser.close()


def take_all(page, url: str, folder: Path) -> None:
    """The steps of an edit."""
    from editor import Editor
    from test_edit import choose_sampler, generate

    editor = Editor(page, url)
    panel = page.locator("#regional_txt2img")
    editor.load(LAYOUT)
    editor.resize(128, 128)
    choose_sampler(editor, "DDIM")
    page.locator("#txt2img_seed input").first.fill(str(SEED))
    generate(editor, 20)
    editor.act("drawer-edit")
    editor.act("edit-lock")
    page.wait_for_timeout(1500)
    panel.screenshot(path=folder / "edit_locked.png")
    editor.field("regions[1].prompt").fill("a green square on grass")
    editor.find("[data-kind=reworded]").wait_for()
    page.wait_for_timeout(500)
    editor.find(".rg-edit").screenshot(path=folder / "edit_changes.png")
    editor.field("options.mrgd.lock").check()
    generate(editor, 20)
    editor.find("[data-view=difference]").wait_for()
    page.wait_for_timeout(1500)
    editor.find(".rg-edit").screenshot(path=folder / "edit_result.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
