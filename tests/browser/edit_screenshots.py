"""The pictures of docs/mrgd.md, made by doing what it says: ``python tests/browser/edit_screenshots.py [folder]``."""

from __future__ import annotations

from pathlib import Path

SEED = 11
REGIONS = [{"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square on grass"}]
LAYOUT = {"version": 4, "enabled": True, "method": "mrgd", "base": {"prompt": "grass"}, "regions": REGIONS}


def take_all(page, url: str, folder: Path) -> None:
    """The steps of an edit."""
    from editor import Editor
    from test_edit import choose_sampler, lock

    editor = Editor(page, url)
    panel = page.locator("#regional_txt2img")
    editor.load(LAYOUT)
    editor.resize(128, 128)
    choose_sampler(editor, "DDIM")
    page.locator("#txt2img_seed input").first.fill(str(SEED))
    editor.generate(20)
    editor.act("drawer-edit")
    lock(editor)
    page.wait_for_timeout(1500)
    panel.screenshot(path=folder / "edit_locked.png")
    editor.field("regions[1].prompt").fill("a green square on grass")
    editor.find("[data-kind=reworded]").wait_for()
    page.wait_for_timeout(500)
    editor.find(".rg-edit").screenshot(path=folder / "edit_changes.png")
    editor.field("options.mrgd.lock").check()
    editor.generate(20)
    editor.find("[data-view=difference]").wait_for()
    page.wait_for_timeout(1500)
    editor.find(".rg-edit").screenshot(path=folder / "edit_result.png")


if __name__ == "__main__":
    from screenshots import folder_asked, shoot

    shoot(lambda page, url: take_all(page, url, folder_asked()), 1500)
