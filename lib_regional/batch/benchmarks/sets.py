"""The sets of layouts: 7Bench, COCO, and the project's own, which the small model can draw and an analytic evaluator can judge."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...request.errors import RegionalError, SettingsError
from ..layouts.benchmarks import SIDE_7BENCH, read_7bench
from ..layouts.boxes import BoxLayout, Part
from ..layouts.coco import FEWEST, MOST, SMALLEST, Choice, read_coco
from ..layouts.formats import Layouts, read_layouts

NAMES = ("7bench", "coco", "own")
OWN_SEED = 20261
SHAPES = ("circle", "square", "triangle", "diamond", "ring", "cross")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")
BACKGROUNDS = ("sky", "grass", "brick", "sand", "night", "snow")
OWN_SAMPLING: Mapping[str, Any] = {"steps": 20, "cfg_scale": 5.0, "sampler_name": "Euler a"}
_CELLS = {
    "2 columns": ((0, 0, 0.5, 1), (0.5, 0, 1, 1)),
    "2 rows": ((0, 0, 1, 0.5), (0, 0.5, 1, 1)),
    "quadrants": ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)),
}
OWN_COUNTS = {"2 columns": 6, "2 rows": 4, "quadrants": 4, "boxes": 4}
"""Layouts of each kind."""


@dataclass(frozen=True)
class Layoutset:
    """A set: its layouts, the size of its pictures, and the sampling that is its own."""

    name: str
    layouts: tuple[BoxLayout, ...]
    size: tuple[int, int]
    sampling: Mapping[str, Any]


def read_set(name: str, data: Path | None, captions: Path | None, limit: int, keep_going: bool) -> Layoutset:
    """A set of `NAMES`. Raises `RegionalError` where its file is missing or wrong."""
    if name == "own":
        return Layoutset(name, own_layouts()[: limit or None], (128, 128), OWN_SAMPLING)
    if data is None:
        raise RegionalError(f"--data must be the file of {name}: {'7bench.csv' if name == '7bench' else 'instances_val2017.json'}.")
    if name == "coco":
        found = read_coco(data, captions, Choice(SMALLEST, FEWEST, MOST))
    else:
        found = read_layouts(data, "7bench")
    return Layoutset(name, tuple(_good(found, keep_going))[: limit or None], (512, 512), {})


def _good(layouts: Layouts, keep_going: bool) -> list[BoxLayout]:
    problems: list[Any] = []
    found = []
    for number, layout in layouts:
        if isinstance(layout, SettingsError):
            problems += [replace(problem, where=f"Row {number}", text=problem.message) for problem in layout.problems]
        else:
            found.append(layout)
    if problems and not keep_going:
        raise SettingsError(problems[:20])
    if not found:
        raise RegionalError("The file has no layouts.")
    return found


# ---------------------------------------------------------------- the own set


def own_layouts() -> tuple[BoxLayout, ...]:
    """The own set, the same in every run: 18 layouts, read back from the table in 7Bench's form."""
    rows = csv.DictReader(io.StringIO(own_table()))
    return tuple(_with_background(read_7bench({name: cell for name, cell in row.items() if cell}, 0), row["background"]) for row in rows)


def _with_background(layout: BoxLayout, background: str) -> BoxLayout:
    """Every region's text with the background, which the small model needs; the label stays the object's."""
    parts = tuple(Part(f"a {part.label} on {background}", part.box, part.label) for part in layout.parts)
    return replace(layout, parts=parts, extra={**layout.extra, "background": background})


def own_table() -> str:
    """The own set as a table with 7Bench's columns, and the background in one more."""
    rng, out = random.Random(OWN_SEED), io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "category", "prompt", *(f"{name}{at}" for at in range(1, 5) for name in ("obj", "bbox")), "background"])
    number = 0
    for kind, count in OWN_COUNTS.items():
        for _ in range(count):
            boxes = _CELLS[kind] if kind in _CELLS else _two_boxes(rng)
            objects = [f"{colour} {rng.choice(SHAPES)}" for colour in rng.sample(COLOURS, len(boxes))]
            background = rng.choice(BACKGROUNDS)
            prompt = " and ".join(f"a {name}" for name in objects) + f" on {background}"
            cells = [cell for name, box in zip(objects, boxes, strict=True) for cell in (name, _corners(box))]
            writer.writerow([f"{number:03d}", kind, prompt, *cells, *[""] * (8 - len(cells)), background])
            number += 1
    return out.getvalue()


def _two_boxes(rng: random.Random) -> tuple[tuple[float, float, float, float], ...]:
    """A box in each half, at different heights."""
    first, second = (round(rng.uniform(0, 0.45), 3) for _ in "ab")
    return (0.0, first, 0.48, first + 0.55), (0.52, second, 1.0, second + 0.55)


def _corners(box: tuple[float, ...]) -> str:
    return ",".join(f"{edge * SIDE_7BENCH:.0f}" for edge in box)


def table_of(layoutset: Layoutset) -> str:
    """The layouts as a table in 7Bench's form, for its evaluator."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "category", "prompt", *(f"{name}{at}" for at in range(1, 5) for name in ("obj", "bbox"))])
    for layout in layoutset.layouts:
        cells = [cell for part in layout.parts for cell in (part.label, _corners(part.box))]
        writer.writerow([layout.name, layout.extra.get("category", ""), layout.prompt, *cells, *[""] * (8 - len(cells))])
    return out.getvalue()
