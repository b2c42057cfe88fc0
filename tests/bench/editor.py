"""What the region editor costs in a browser: ``python tests/bench/editor.py [part of a figure's name]``. Figures for docs/editor.md.

Scripting time is Chromium's own (`Performance.getMetrics`), drawing included, in processor time of the page's thread: it does not count
what the machine does beside it. tests/browser/test_limits.py holds it below bounds. Another host is taken with REGIONAL_EDITOR_URL=http://….
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]


def main() -> None:
    """Print the table."""
    from conftest import browser_path
    from editor import Editor
    from playwright.sync_api import sync_playwright

    with host() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(playwright), args=["--no-sandbox"])
        editor = Editor(browser.new_page(viewport={"width": 1500, "height": 1300}), url)
        print(f"Gradio {editor.page.evaluate('gradio_config.version')}, Chromium {browser.version}\n")
        print("| | |\n|---|---|")
        for name, figure in figures(editor, " ".join(sys.argv[1:])):
            print(f"| {name} | {figure} |", flush=True)
        browser.close()


@contextmanager
def host() -> Iterator[str]:
    """Address of the host."""
    from lib_regional.standalone.server.app import serve

    if given := os.environ.get("REGIONAL_EDITOR_URL"):
        yield given
        return
    with tempfile.TemporaryDirectory() as output, serve(nowebui=False, output=Path(output)) as served:
        yield served.url


def figures(editor, asked: str = "") -> Iterator[tuple[str, str]]:
    """(what, how much), one after the other; with ``asked`` those alone whose name has it."""
    from timing import many, time_start

    tools = ("select", "box", "polygon", "brush", "eraser")
    every: dict[str, Callable[[], str]] = {
        "start of the panel, median of 9": lambda: f"{median_of(9, lambda: time_start(editor)):.0f} ms",
        **{
            f"scripting per pointer move, 50 regions, {tool}": lambda tool=tool: (
                f"{median_of(3, lambda: moves(editor, tool, many(50))):.2f} ms"
            )
            for tool in tools
        },
        **{
            f"scripting per letter typed into a prompt, {count} regions": lambda count=count: (
                f"{median_of(3, lambda: letters(editor, many(count))):.2f} ms"
            )
            for count in (2, 12, 32, 52)
        },
        "scripting per pointer move, brush on 4096 × 4096": lambda: f"{median_of(3, lambda: large(editor)):.2f} ms",
        "uploads of a generation from an idle editor, 50 regions": lambda: str(uploads(editor, many(50))),
    }
    for name, measure in every.items():
        if asked in name:
            yield name, measure()


def letters(editor, layout: dict) -> float:
    """Milliseconds of scripting per letter that is typed into a prompt."""
    from timing import time_letters

    editor.renew()
    editor.load(layout)
    editor.page.wait_for_timeout(600)
    return time_letters(editor)


def large(editor) -> float:
    """Milliseconds of scripting per move of the brush on a picture of 4096 × 4096 pixels."""
    from timing import time_moves

    editor.renew()
    editor.page.evaluate("Regional.panels.txt2img.size = () => ({width: 4096, height: 4096})")
    editor.tool("brush")
    spent = time_moves(editor)
    editor.page.evaluate("delete Regional.panels.txt2img.size")
    return spent


def uploads(editor, layout: dict) -> int:
    """Uploads while a picture is made."""
    from test_panel import generate

    editor.renew()
    editor.load(layout)
    seen: list[str] = []
    editor.page.on("request", lambda request: seen.append(request.url) if re.search("upload", request.url) else None)
    generate(editor)
    return len(seen)


def moves(editor, tool: str, layout: dict) -> float:
    """Milliseconds of scripting per move with a tool, over a layout."""
    from timing import time_moves

    editor.renew()
    editor.resize(1024, 1024)
    editor.load(layout)
    editor.page.wait_for_timeout(600)
    editor.click(0.35, 0.35)
    editor.tool(tool)
    return time_moves(editor)


def median_of(times: int, measure: Callable[[], float]) -> float:
    """The median of some measurements."""
    return statistics.median(measure() for _ in range(times))


if __name__ == "__main__":
    main()
