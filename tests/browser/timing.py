"""Scripting time of the panel in Chromium, in processor time of the page's thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from editor import SLOWED

START = (
    "() => new Promise((done) => setTimeout(() => { const mount = document.querySelector('#regional_txt2img_panel');"
    " mount.replaceChildren(); Regional.attach(); mount.getBoundingClientRect(); done(); }))"
)
"""A new panel, in a task of the page: what the protocol evaluates is not counted as its scripting."""


def many(count: int) -> dict[str, Any]:
    """A layout of ``count`` boxes and ellipses that overlap."""
    boxes = [[(i % 10) / 10, (i // 10) / 6, (i % 10 + 1.4) / 11.4, (i // 10 + 1.4) / 7.4] for i in range(count)]
    shapes = [{"box": box} if i % 3 else {"ellipse": box} for i, box in enumerate(boxes)]
    return {
        "version": 4,
        "enabled": True,
        "regions": [{**shape, "prompt": f"thing number {i}", "name": f"n{i}"} for i, shape in enumerate(shapes)],
    }


class Stopwatch:
    """Milliseconds that the scripts of a page have run."""

    def __init__(self, client: Any) -> None:
        self.client, self.spent = client, 0.0

    def read(self) -> float:
        metrics = self.client.send("Performance.getMetrics")["metrics"]
        return 1000 * next(each["value"] for each in metrics if each["name"] == "ScriptDuration")


@contextmanager
def scripting(editor: Any) -> Iterator[Stopwatch]:
    """Times the scripts of what runs inside, at the full speed of this machine."""
    editor.slow(1)
    client = editor.page.context.new_cdp_session(editor.page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})
    watch = Stopwatch(client)
    begun = watch.read()
    try:
        yield watch
    finally:
        watch.spent = watch.read() - begun
        client.detach()
        editor.slow(SLOWED)


def time_moves(editor: Any, *, settle: int = 40, moves: int = 80) -> float:
    """Scripting milliseconds per pointer move, drawing included, while the pointer is held down."""
    editor.page.mouse.move(*editor.at(0.35, 0.35))
    editor.page.mouse.down()
    for i in range(settle):
        editor.page.mouse.move(*editor.at_cached(0.35 + i / 400, 0.35))
    with scripting(editor) as watch:
        for i in range(moves):
            editor.page.mouse.move(*editor.at_cached(0.5 - i / 500, 0.35 + i / 600))
    editor.page.mouse.up()
    return watch.spent / moves


def time_letters(editor: Any, *, settle: int = 10, letters: int = 40) -> float:
    """Scripting milliseconds per letter typed into the second region's prompt, drawing and the checks between the letters included."""
    editor.field("regions[1].prompt").focus()
    editor.page.keyboard.type("a" * settle)
    with scripting(editor) as watch:
        editor.page.keyboard.type("one more word " * (letters // 14 + 1), delay=120)
    return watch.spent / (14 * (letters // 14 + 1))


def time_start(editor: Any) -> float:
    """Scripting milliseconds of a new panel, layout included."""
    with scripting(editor) as watch:
        editor.page.evaluate(START)
    return watch.spent
