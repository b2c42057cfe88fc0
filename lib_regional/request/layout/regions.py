"""Regions and layouts: what is where, with which strength, and for which steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Problem, SettingsError, raise_any, shown
from ..fields import Choice, Field, Flag, Number, Span, Text, settle, to_plain
from .shapes import Box, Ellipse, MaskImage, Polygon, Shape

OVERLAPS = ("blend", "over")
MAX_REGIONS = 256

REGION_FIELDS: Mapping[str, Field] = {
    "prompt": Text("What to draw here, in the host's own prompt syntax.", ""),
    "negative": Text("What to avoid here, after the negative prompt of the whole picture.", ""),
    "name": Text("A name to find the region again.", "", longest=200),
    "weight": Number("Strength against other regions at the same place.", 1.0, high=1000.0),
    "base_share": Number("Share of the base prompt inside the region: 0 is the region alone, 1 the base alone.", 0.0),
    "feather": Number("Width of the soft border as a share of the picture's shorter side.", 0.05, high=0.5),
    "priority": Number('With overlap "over" a higher one covers a lower one.', 0, low=-1000, high=1000, whole=True),
    "steps": Span("The region acts from the first to the second, as fractions of the sampling steps.", (0.0, 1.0)),
    "cfg_scale": Number("CFG scale of the region alone; null is the picture's.", None, high=100.0, optional=True),
    "seed": Number(
        "Seed of the region's part of the first noise; null leaves it to the picture's.", None, high=2**32 - 1, whole=True, optional=True
    ),
    "enabled": Flag("A region that is off leaves its place to the base.", True),
}


@dataclass(frozen=True)
class RegionSettings:
    """A region as a request describes it; the shape may come from a grid. See REGION_FIELDS for the meaning of each field."""

    shape: Shape | None = None
    prompt: str = ""
    negative: str = ""
    name: str = ""
    weight: float = 1.0
    base_share: float = 0.0
    feather: float = 0.05
    priority: int = 0
    steps: tuple[float, float] = (0.0, 1.0)
    cfg_scale: float | None = None
    seed: int | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        problems = settle(self, REGION_FIELDS)
        shape: object = self.shape
        if shape is not None and not isinstance(shape, (Box, Ellipse, Polygon, MaskImage)):
            problems.append(Problem("shape", shape, "a Box, Ellipse, Polygon or MaskImage"))
        raise_any(problems)

    def label(self, index: int) -> str:
        """``Region 3 ("red hat")`` for ``index`` 2; the quoted part is the name, else the beginning of the prompt."""
        return region_label(index, self.name or self.prompt)

    def fields_json(self) -> dict[str, Any]:
        """The fields that differ from their defaults, and the shape, as plain JSON."""
        shape = self.shape.to_json() if self.shape else {}
        changed = {name: getattr(self, name) for name, kind in REGION_FIELDS.items() if getattr(self, name) != kind.default}
        return {**shape, **{name: to_plain(value) for name, value in changed.items()}}


@dataclass(frozen=True)
class Region(RegionSettings):
    """A region with its place."""

    shape: Shape = field()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shape:
            raise SettingsError((Problem("shape", None, "a Box, Ellipse, Polygon or MaskImage"),))


def region_label(index: int, text: object = "") -> str:
    """How errors and messages call region ``index`` (from 0): its number from 1, and a short quotation of ``text``."""
    words = " ".join(text.split()) if isinstance(text, str) else ""
    short = words if len(words) <= 24 else words[:23].rstrip() + "…"
    return f"Region {index + 1} ({shown(short)})" if short else f"Region {index + 1}"


@dataclass(frozen=True)
class Layout:
    """Regions in order, every one with a shape, and the rule where they overlap: ``blend`` shares by weight, ``over`` by priority."""

    regions: tuple[Region, ...]
    overlap: str = "blend"

    def __post_init__(self) -> None:
        problems = settle(self, {"overlap": Choice("", choices=OVERLAPS)})
        object.__setattr__(self, "regions", tuple(self.regions))
        regions: tuple[object, ...] = self.regions
        wrong = [(at, region) for at, region in enumerate(regions) if not isinstance(region, Region)]
        raise_any([*problems, *(Problem(f"regions[{at}]", region, "a Region with a shape") for at, region in wrong)])
