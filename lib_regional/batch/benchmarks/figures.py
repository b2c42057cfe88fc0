"""From pictures to figures: how many phrases are in their boxes, and how well the boxes fit."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..keeping.store import Entry
from ..layouts.boxes import Box, BoxLayout
from .detectors import Analytic, Detector, Picture

HIT = 0.5
"""A phrase is in its box from this intersection over union on."""
INSIDE = 0.7
"""… or inside of it with this share of the area where it is found; what `train.measures.evaluate` asks of an object."""


@dataclass(frozen=True)
class Seen:
    """One phrase of one picture: the best IoU (0: not found), whether it is inside its box, its region's score, and by analysis whether the
    object is right (None where that is not asked)."""

    method: str
    layout: str
    category: str
    seed: int
    phrase: str
    box: Box
    score: float | None = None
    iou: float | None = None
    inside: bool | None = None
    placed: bool | None = None


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    both = overlap(one, other)
    return both / (area(one) + area(other) - both) if both else 0.0


def area(box: Box) -> float:
    """Of a box in the unit square."""
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(one: Box, other: Box) -> float:
    """The area of the intersection."""
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def judged(method: str, layout: BoxLayout, seed: int, entry: Entry, folder: Path, detector: Detector | None) -> Iterator[Seen]:
    """The phrases of one picture."""
    scores = list((entry.scores[0] or {}).get("regions", ())) if entry.scores else []
    base = Seen(method, layout.name, str(layout.extra.get("category", "all")), seed, "", (0, 0, 0, 0))
    picture = read_picture(folder / entry.files[0]) if detector is not None else None
    labels = [part.label or part.text for part in layout.parts]
    found = detector(picture, labels) if detector is not None and picture is not None else None
    right = _placed(layout, picture) if isinstance(detector, Analytic) and picture is not None else None
    for at, part in enumerate(layout.parts):
        seen = replace(base, phrase=labels[at], box=part.box, score=scores[at] if at < len(scores) else None)
        if found is not None:
            best = max((iou(box, part.box) for box in found[at]), default=0.0)
            within = any(overlap(box, part.box) >= INSIDE * area(box) for box in found[at])
            seen = replace(seen, iou=best, inside=within)
        yield replace(seen, placed=right[at]) if right is not None else seen


def read_picture(path: Path) -> Picture:
    """(H, W, 3)"""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _placed(layout: BoxLayout, picture: Picture) -> list[bool]:
    """By the analytic evaluator: the right object, clear, in its region."""
    from ...standalone.train.measures.evaluate import Wanted, judge

    wanted = [Wanted(part.box, *part.label.split()[-2:]) for part in layout.parts]
    return [region.right for region in judge(picture, wanted).regions]


COLUMNS: Mapping[str, str] = {
    "score": "score", "iou": "mIoU", "hit": f"IoU ≥ {HIT}", "inside": "inside its box", "placed": "placed", "complete": "all placed",
}  # fmt: skip


def summed(seen: Sequence[Seen]) -> dict[str, float | None]:
    """Means over phrases; ``complete`` over pictures."""
    pictures: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for one in seen:
        if one.placed is not None:
            pictures[one.layout, one.seed].append(one.placed)
    hits = [one.iou >= HIT for one in seen if one.iou is not None]
    return {
        "score": _mean(one.score for one in seen),
        "iou": _mean(one.iou for one in seen),
        "hit": _mean(hits),
        "inside": _mean(one.inside for one in seen),
        "placed": _mean(one.placed for one in seen),
        "complete": _mean(all(rights) for rights in pictures.values()),
    }


def _mean(values: Iterable[float | bool | None]) -> float | None:
    found = [float(value) for value in values if value is not None]
    return statistics.fmean(found) if found else None


def table(seen: Sequence[Seen]) -> str:
    """Markdown: a row for each category and method, and for all categories together."""
    means = summed(seen)
    columns = [name for name in COLUMNS if means[name] is not None]
    heads = ["layouts", "method", "pictures", "phrases", *(COLUMNS[name] for name in columns)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    categories = list(dict.fromkeys(one.category for one in seen))
    for category in [*categories, "all"] if len(categories) > 1 else categories:
        for method in dict.fromkeys(one.method for one in seen):
            part = [one for one in seen if one.method == method and category in ("all", one.category)]
            if not part:
                continue
            sums, pictures = summed(part), len({(one.layout, one.seed) for one in part})
            cells = [_cell(name, sums[name]) for name in columns]
            lines.append(f"| {category} | {method} | {pictures} | {len(part)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if name in ("score", "iou") else f"{value:.0%}"


def as_csv(seen: Sequence[Seen]) -> str:
    """Every phrase of every picture."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(Seen.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    for one in seen:
        writer.writerow({**asdict(one), "box": json.dumps(one.box)})
    return out.getvalue()
