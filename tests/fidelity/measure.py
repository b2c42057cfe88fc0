"""From pictures to figures: judge every picture with the analytic evaluator and add up per kind and method."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from suite import SAMPLING, Case, payload

from lib_regional.request.settings import Settings
from lib_regional.standalone.train.measures.evaluate import Border, Judgement, Wanted, judge
from lib_regional.tensors.masks.weight_maps import shape_mask

Picture = np.ndarray
Make = Callable[[dict[str, Any]], Picture]


@dataclass(frozen=True)
class Place:
    """How one region came out; see `lib_regional.standalone.train.measures.evaluate.RegionResult`."""

    right: bool
    colour: bool
    missing: bool
    leak: int
    extra: int


@dataclass(frozen=True)
class Marks:
    """What is kept of a judgement: its places, objects across borders, and the seams' ratios."""

    places: tuple[Place, ...]
    straddling: int
    seams: tuple[float, ...]

    @property
    def all_right(self) -> bool:
        """Whether every region is right."""
        return all(place.right for place in self.places)


@dataclass(frozen=True)
class Result:
    """One case by one method."""

    case: Case
    method: str
    picture: Picture
    judgement: Judgement

    @property
    def marks(self) -> Marks:
        """What is kept of the judgement."""
        regions, judged = self.judgement.regions, self.judgement
        places = tuple(Place(r.right, r.colour_right, r.missing, r.leak, r.extra) for r in regions)
        return Marks(places, judged.straddling, tuple(seam for seam in judged.seams if math.isfinite(seam)))


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


def run(cases: Iterable[Case], method: str, make: Make, sampling: dict[str, Any] = SAMPLING) -> list[Result]:
    """Make and judge every case."""
    return [assess(case, method, make(payload(case, method, sampling))) for case in cases]


def figures(pictures: Sequence[Marks]) -> Figures:
    """Shares over all regions of ``pictures``."""
    places = [place for marks in pictures for place in marks.places]
    seams = [seam for marks in pictures for seam in marks.seams]

    def share(hits: Iterable[bool]) -> float:
        return sum(map(bool, hits)) / max(1, len(places))

    return Figures(
        pictures=len(pictures),
        places=len(places),
        placed=share(place.right for place in places),
        complete=sum(marks.all_right for marks in pictures) / max(1, len(pictures)),
        colour=share(place.colour for place in places),
        missing=share(place.missing for place in places),
        leak=share(place.leak > 0 for place in places),
        extra=share(place.extra > 0 for place in places),
        straddling=sum(marks.straddling > 0 for marks in pictures) / max(1, len(pictures)),
        seam=statistics.median(seams) if seams else math.nan,
    )
