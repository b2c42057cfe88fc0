"""The detail passes of a generation: which regions have one, in which order, and in what size they are sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fields import DETAIL_FIELDS

if TYPE_CHECKING:
    from ..layout.regions import RegionSettings
    from ..settings import Settings

GROWTH = 0.04
"""Share of a region's shorter side by which what is made anew reaches beyond the region."""


@dataclass(frozen=True)
class Detail:
    """The detail pass of one region; see `DETAIL_FIELDS`."""

    denoise: float
    steps: int | None
    scale: float | None
    margin: int
    mask_feather: float


def details_of(settings: Settings) -> list[tuple[int, Detail]]:
    """(region, its pass) of the regions that have one, in the order in which they are made: those of higher priority last.

    A region without any text has a pass only where its own ``detail`` asks for one.
    """
    owner = "sequential" if settings.method == "sequential" else "detail"
    option = settings.option_of(owner)
    every = owner == "sequential" or option("enabled")
    found = [(at, region) for at, region in enumerate(settings.filled_regions()) if region.enabled and _wanted(settings, region, every)]
    shared = {name: option(name) for name in DETAIL_FIELDS}
    made = [(at, Detail(**{**shared, **(region.detail if isinstance(region.detail, Mapping) else {})})) for at, region in found]
    return sorted(made, key=lambda one: settings.filled_regions()[one[0]].priority)


def _wanted(settings: Settings, region: RegionSettings, every: bool) -> bool:
    if region.detail is None:
        return every and bool(region.prompt.strip() or settings.text_from != "regions")
    return region.detail is not False


def working_size(size: tuple[int, int], trained: int, scale: float | None, multiple: int = 8) -> tuple[int, int]:
    """(width, height) in which a cut-out of ``size`` is sampled: enlarged to the pixels of a ``trained`` square, or by ``scale``.

    Both sides are multiples of ``multiple``, at least 64 pixels. Without ``scale`` a cut-out is never made smaller.
    """
    width, height = size
    factor = max(1.0, trained / math.sqrt(width * height)) if scale is None else scale
    wide, high = (max(64, -(-round(side * factor) // multiple) * multiple) for side in (width, height))
    return wide, high
