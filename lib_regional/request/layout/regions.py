"""Regions and layouts: shapes, texts, weights and step ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..collage.pictures import FITS, PictureText
from ..detail.fields import OwnDetail
from ..errors import Problem, SettingsError, raise_any, shown
from ..fields import Choice, Colour, Field, Flag, Number, Span, Text, declarations, declared, settle, to_plain
from ..references.fields import Reference, ReferenceField
from .shapes import SHAPE_TYPES, Shape

OVERLAPS = ("blend", "over")
MAX_REGIONS = 256


@dataclass(frozen=True)
class RegionSettings:
    """A region as a request describes it; the shape may come from a grid.

    Each field is declared here and nowhere else: schema, axes, the panel's inputs and the table in docs/api.md are made from it.
    """

    shape: Shape | None = None
    prompt: str = declared(Text("What to draw here, in the host's own prompt syntax.", ""), "Prompt", "Prompt of region (n:text)")
    negative: str = declared(
        Text("What to avoid here, after the negative prompt of the whole picture.", ""),
        "Negative prompt",
        "Negative prompt of region (n:text)",
    )
    name: str = declared(Text("A name to find the region again.", "", longest=200), "Name")
    group: str = declared(
        Text("Name of the group to which the region belongs in the editor; it changes no picture.", "", longest=80), "Group"
    )
    colour: str | None = declared(
        Colour("Colour (#rrggbb) of the region in the editor and on weight maps; null for that of its number.", None), "Colour"
    )
    weight: float = declared(
        Number("Strength against other regions at the same place.", 1.0, high=1000.0), "Weight", "Weight of region (n:0.5)"
    )
    base_share: float = declared(
        Number("Share of the base prompt inside the region: 0 is the region alone, 1 the base alone.", 0.0),
        "Base share",
        "Base share (0.2 or region:0.2)",
    )
    feather: float = declared(
        Number("Width of the soft border as a share of the picture's shorter side.", 0.05, high=0.5), "Feather", "Feather (0.05 or n:0.05)"
    )
    priority: int = declared(
        Number('With overlap "over" a higher one covers a lower one.', 0, low=-1000, high=1000, whole=True),
        "Priority",
        "Priority of region (n:1)",
    )
    steps: tuple[float, float] = declared(
        Span("The region acts from the first to the second, as fractions of the sampling steps.", (0.0, 1.0)),
        "Steps",
        "Step range (0-0.5 or n:0-0.5)",
    )
    cfg_scale: float | None = declared(
        Number("CFG scale of the region alone; null is the picture's.", None, high=100.0, optional=True),
        "CFG scale",
        "CFG scale of region (7, n:7 or none)",
    )
    seed: int | None = declared(
        Number("Seed of the region's part of the first noise; null is the picture's.", None, high=2**32 - 1, whole=True, optional=True),
        "Seed",
        "Seed of region (5, n:5 or none)",
    )
    detail: Mapping[str, Any] | bool | None = declared(
        OwnDetail(
            "This region made again in detail once the picture is made: true, false, or an object with those of the options of detail "
            "that are its own; null as options.detail has it.",
            None,
        ),
        "Detail pass",
    )
    picture: str | None = declared(
        PictureText("A picture (data URL) that is laid over the canvas inside the region's mask, by its own alpha; null for none.", None),
        "Picture",
    )
    fit: str = declared(
        Choice(
            "How the picture fits the box around the mask: contain shows all of it, cover fills the box, stretch distorts it.",
            "contain",
            FITS,
        ),
        "Fit of the picture",
    )
    denoise: float | None = declared(
        Number("Denoising strength inside the region, 0 keeps its pixels; null as options.collage has it.", None, optional=True),
        "Denoising strength",
        "Denoising strength of region (0.5, n:0.5 or none)",
    )
    reference: Reference | None = declared(
        ReferenceField(
            "A picture that acts as a prompt inside the region, by an IP-Adapter: an object with image (data URL), weight (1), "
            "steps ([0, 1]) and model (null: the first that fits); null for none.",
            None,
        ),
        "Reference picture",
    )
    controlnet: int | None = declared(
        Number(
            "Number of the ControlNet unit, from 0, that acts inside this region alone, with its own weight and steps; null for none.",
            None,
            high=99,
            whole=True,
            optional=True,
        ),
        "ControlNet unit",
    )
    enabled: bool = declared(Flag("A region that is off leaves its place to the base.", True), "Enabled")

    def __post_init__(self) -> None:
        problems = settle(self, REGION_FIELDS)
        shape: object = self.shape
        if shape is not None and not isinstance(shape, SHAPE_TYPES):
            problems.append(Problem("shape", shape, f"one of {', '.join(kind.__name__ for kind in SHAPE_TYPES)}"))
        raise_any(problems)

    def label(self, index: int) -> str:
        """``Region 3 ("red hat")`` for ``index`` 2; the quoted part is the name, else the beginning of the prompt."""
        return region_label(index, self.name or self.prompt)

    def same_picture(self, other: RegionSettings) -> bool:
        """Whether both make the same picture: name, group and colour are for the editor alone."""
        mine, theirs = (replace(region, name="", group="", colour=None) for region in (self, other))
        return mine == theirs

    def never_acts(self, steps: int) -> bool:
        """Whether none of so many steps begins in its range ``[from, to)``."""
        return not any(self.steps[0] <= index / steps < self.steps[1] for index in range(steps))

    def refers(self, progress: float) -> bool:
        """Whether its reference acts at this share of the steps."""
        return self.reference is not None and self.reference.acts(progress)

    def fields_json(self) -> dict[str, Any]:
        """The fields that differ from their defaults, and the shape, as plain JSON."""
        shape = self.shape.to_json() if self.shape else {}
        changed = {name: getattr(self, name) for name, kind in REGION_FIELDS.items() if getattr(self, name) != kind.default}
        return {**shape, **{name: to_plain(value) for name, value in changed.items()}}


REGION_FIELDS: Mapping[str, Field] = declarations(RegionSettings)
"""Name of a region's field -> what it accepts."""


@dataclass(frozen=True)
class Region(RegionSettings):
    """A region with its shape."""

    shape: Shape = field()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shape:
            raise SettingsError((Problem("shape", None, f"one of {', '.join(kind.__name__ for kind in SHAPE_TYPES)}"),))


def unreached(regions: Sequence[RegionSettings], steps: int) -> Iterator[str]:
    """A sentence for each region that is on and acts in none of so many steps."""
    for at, region in enumerate(regions):
        if region.enabled and region.never_acts(steps):
            start, end = region.steps
            yield f"{region.label(at)} never acts: none of {steps} steps begins in its range, {start:g} to {end:g}."


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
