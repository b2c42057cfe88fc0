"""From pictures to figures: judge every picture with the analytic evaluator and add up per kind and method."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from suite import Case, payload

from lib_regional.request.settings import Settings
from lib_regional.standalone.train.measures.evaluate import Border, Judgement, Wanted, judge
from lib_regional.tensors.masks.weight_maps import shape_mask

Picture = np.ndarray
Make = Callable[[dict[str, Any]], Picture]


@dataclass(frozen=True)
class Result:
    """One case by one method."""

    case: Case
    method: str
    picture: Picture
    judgement: Judgement


@dataclass(frozen=True)
class Figures:
    """Shares in [0, 1] over ``places`` regions of ``pictures`` pictures; ``seam`` is a median ratio (1: no seam)."""

    pictures: int
    places: int
    placed: float
    complete: float
    colour: float
    missing: float
    leak: float
    extra: float
    straddling: float
    seam: float

    @property
    def error(self) -> float:
        """Standard error of ``placed``."""
        return math.sqrt(self.placed * (1 - self.placed) / max(1, self.places))


def areas(case: Case) -> list[np.ndarray]:
    """Masks (H, W) bool of the places of a case, drawn by the project's own masks without feather."""
    settings = Settings.parse({"enabled": True, "regions": [{**w.shape, "prompt": w.text} for w in case.wishes]})
    return [shape_mask(r.shape, case.size[1], case.size[0]).numpy() > 0.5 for r in settings.layout().regions]


def borders(case: Case) -> list[Border]:
    """Inner straight borders between the boxes of a case."""
    found = set()
    for wish in case.wishes:
        for value, axis in zip(wish.shape.get("box", ()), (1, 0, 1, 0), strict=False):
            if 0 < value < 1:
                found.add((axis, value))
    return [Border(*one) for one in sorted(found)]


def assess(case: Case, method: str, picture: Picture) -> Result:
    """Judge one picture."""
    wanted = [Wanted(area, wish.colour, wish.form) for area, wish in zip(areas(case), case.wishes, strict=True)]
    return Result(case, method, picture, judge(picture, wanted, borders(case)))


def run(cases: Iterable[Case], method: str, make: Make, workers: int = 1, progress: Callable[[], None] = lambda: None) -> list[Result]:
    """Make and judge every case."""

    def one(case: Case) -> Result:
        result = assess(case, method, make(payload(case, method)))
        progress()
        return result

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, cases))


def figures(results: list[Result]) -> Figures:
    """Shares over all regions of ``results``."""
    regions = [r for result in results for r in result.judgement.regions]
    seams = [s for result in results for s in result.judgement.seams if math.isfinite(s)]

    def share(hits: Iterable[bool]) -> float:
        return sum(map(bool, hits)) / max(1, len(regions))

    return Figures(
        pictures=len(results),
        places=len(regions),
        placed=share(r.right for r in regions),
        complete=sum(result.judgement.all_right for result in results) / max(1, len(results)),
        colour=share(r.colour_right for r in regions),
        missing=share(r.missing for r in regions),
        leak=share(r.leak > 0 for r in regions),
        extra=share(r.extra > 0 for r in regions),
        straddling=sum(result.judgement.straddling > 0 for result in results) / max(1, len(results)),
        seam=statistics.median(seams) if seams else math.nan,
    )
