"""Which parts of the canvas are kept apart from each other at a step, in which layers, and how far they see across a border.

There are three spans of steps. In the first steps of a picture every region with a text of its own, or with a reference picture that acts,
may be a part by itself (``isolate_until``): objects form then, each from noise that no other region has a say in. For some steps more its
norms and convolutions may stay so (``local_until``), while self-attention makes one picture of the regions. Until ``separate_until`` the
parts are the sets of LoRAs: regions with one set, or with none, are one part.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ...engine.calls import ModelCall, StepInfo
from ...engine.plan import Plan
from ...request.layout.windows import Grid
from ...request.prompt.lora_tags import LoraTag
from ...request.prompt.region_prompts import ImageTexts
from ...tensors.masks.pyramid import Pyramid
from ..common.contexts import region_loras, region_text

LEVELS = ("nothing", "attention", "norms", "all")
"""Each keeps apart what the one before does, and more: self-attention, group norms, convolutions."""


@dataclass(frozen=True)
class Span:
    """Steps before the share ``until`` of a pass. ``level``: index into `LEVELS`; ``border``: how far self-attention sees across a border,
    as a share of the shorter side; ``regions``: whether every region is a part, and not every set of LoRAs."""

    until: float = 0.0
    level: int = 0
    border: float = 0.0
    regions: bool = False


Kind = Literal["attention", "layers"]
"""Self-attention; norms and convolutions."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Spans:
    """Those of one generation. ``regions`` comes first, then ``local``, for norms and convolutions; both hold in the first pass alone."""

    regions: Span
    loras: Span
    local: Span = Span()

    @property
    def level(self) -> int:
        """The highest level at any step; 0 where nothing is ever kept apart."""
        return max(span.level if span.until > 0 else 0 for span in (self.regions, self.local, self.loras))

    def at(self, step: StepInfo, kind: Kind) -> Span | None:
        """What holds for a kind of layers at a step."""
        if not step.hires and step.progress < self.regions.until:
            return self.regions
        if not step.hires and kind == "layers" and step.progress < self.local.until:
            return self.local
        return self.loras if step.progress < self.loras.until else None


def spans_of(
    plan: Plan,
    separate: str,
    separate_until: float,
    border: float,
    isolate_until: float = 0.0,
    local_until: float = 0.0,
    deepest: str = LEVELS[-1],
) -> Spans:
    """What ``options.attention_couple`` asks for, without what has nothing to do in these texts.

    ``separate`` is one of `LEVELS`; all else are shares of a pass's steps, ``border`` of the picture's shorter side. ``deepest``: the level
    that keeps regions apart entirely in this network.
    """
    regions = Span(isolate_until, LEVELS.index(deepest), regions=True)
    local = replace(regions, until=local_until)
    loras = Span(separate_until, LEVELS.index(separate), border)
    texts = [texts for part in (plan.first, plan.hires) if part is not None for texts in part.texts]
    every = [(one, region) for one in texts for region in range(len(plan.layout.regions))]
    if not any(region in plan.references or _has_text(one, region) for one, region in every):
        regions, local = (replace(span, until=0.0) for span in (regions, local))
    if not loras.level or not any(_acting(one, region) for one, region in every):
        loras = replace(loras, until=0.0)
    return Spans(regions, loras, local)


def labels_of(plan: Plan, pyramid: Pyramid, span: Span, model: ModelCall, image: int, grid: Grid) -> Tensor:
    """Labels (h, w) of one image on ``grid``: 0 is the base, the others number the parts, each cell that with the largest share of it.

    Sets of LoRAs are numbered alike whatever the order of the regions. On grids finer than the latent, on which a ControlNet reads its
    picture, places have the label of their cell.
    """
    latent = model.latent
    if grid[0] > latent[0] or grid[1] > latent[1]:
        cells = labels_of(plan, pyramid, span, model, image, latent)
        rows, columns = (torch.arange(size) * of // size for size, of in zip(grid, latent, strict=True))
        return cells[rows[:, None], columns]
    active, texts = plan.active(model.step), plan.pass_of(model.step).texts[image]
    referenced = plan.referenced(model.step)
    share = pyramid.at(active, latent, grid, texts.weights, model.tile, image).share
    base: Tensor = (1 - share.sum(0)).clamp_min(0)
    parts: dict[Hashable, Tensor] = {}
    for region in active:
        key = _part_of(texts, region, span, referenced)
        if key is None:
            base = base + share[region]
        else:
            parts[key] = parts[key] + share[region] if key in parts else share[region]
    return torch.stack([base, *(parts[key] for key in sorted(parts, key=str))]).argmax(0)


def _part_of(texts: ImageTexts, region: int, span: Span, referenced: tuple[int, ...]) -> Hashable | None:
    """What names the part that a region belongs to; None for the base's. ``referenced``: regions whose reference picture acts."""
    if not span.regions:
        return _acting(texts, region)
    return region if region in referenced or _has_text(texts, region) else None


def _has_text(texts: ImageTexts, region: int) -> bool:
    return region_text(texts, region, "cond") is not None


def _acting(texts: ImageTexts, region: int) -> tuple[LoraTag, ...]:
    """The LoRAs of a region that do anything, in an order of their own."""
    return tuple(sorted((lora for lora in region_loras(texts, region) if lora.te or lora.unet), key=str))
