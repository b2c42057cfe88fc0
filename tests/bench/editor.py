"""What the region editor costs in a browser: ``python tests/bench/editor.py``. Figures for docs/editor.md.

Scripting time is Chromium's own (`Performance.getMetrics`), drawing included; it does not count what the machine does beside it.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

START = (
    "() => { const mount = document.querySelector('#regional_txt2img_panel'); mount.replaceChildren();"
    " const begun = performance.now(); Regional.attach(); mount.getBoundingClientRect(); return performance.now() - begun; }"
)


def main() -> None:
    """Print the table."""
    import gradio
    from conftest import browser_path
    from editor import Editor
    from playwright.sync_api import sync_playwright

    from lib_regional.standalone.app import serve

    with tempfile.TemporaryDirectory() as output, serve(nowebui=False, output=Path(output)) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(playwright), args=["--no-sandbox"])
        editor = Editor(browser.new_page(viewport={"width": 1500, "height": 1300}), served.url)
        print(f"Gradio {gradio.__version__}, Chromium {browser.version}\n")
        print("| | |\n|---|---|")
        for name, figure in figures(editor):
            print(f"| {name} | {figure} |", flush=True)
        browser.close()


def figures(editor) -> Iterator[tuple[str, str]]:
    """(what, how much), one after the other."""
    from test_limits import many, time_moves
    from test_panel import generate

    yield "start of the panel, median of 9", f"{statistics.median(editor.page.evaluate(START) for _ in range(9)):.0f} ms"
    for tool in ("select", "box", "polygon", "brush", "eraser"):
        yield f"scripting per pointer move, 50 regions, {tool}", f"{median_of(3, lambda tool=tool: moves(editor, tool, many(50))):.2f} ms"
    editor.renew()
    editor.page.evaluate("Regional.panels.txt2img.size = () => ({width: 4096, height: 4096})")
    editor.tool("brush")
    yield "scripting per pointer move, brush on 4096 × 4096", f"{median_of(3, lambda: time_moves(editor)):.2f} ms"
    editor.page.evaluate("delete Regional.panels.txt2img.size")
    editor.renew()
    editor.load(many(50))
    uploads: list[str] = []
    editor.page.on("request", lambda request: uploads.append(request.url) if re.search("upload", request.url) else None)
    generate(editor)
    yield "uploads of a generation from an idle editor, 50 regions", str(len(uploads))


def moves(editor, tool: str, layout: dict) -> float:
    """Milliseconds of scripting per move with a tool, over a layout."""
    from test_limits import time_moves

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
