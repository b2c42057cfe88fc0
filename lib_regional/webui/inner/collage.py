"""The collage that is refined: over the picture of img2img, over one that txt2img makes first, or over a colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...engine.capabilities import encoder_of
from ...engine.collage import Collage
from ...engine.plan import Plan
from ...engine.ports import Host
from ...methods import prepare
from ...request.collage.options import base_is_made, highest_strength
from ...request.errors import settings_error
from ...request.layout.regions import Layout
from ...sources.collage import WITHIN, laid, region_pictures
from . import host as inner
from .earlier import EarlierRun
from .given import given_pictures


class Composition:
    """A base picture (B or 1, 3, H, W) in 0..1 under the regions' pictures, at any size; ``base`` is None until it is made."""

    def __init__(self, layout: Layout, pictures: dict[int, Image.Image], base: Tensor | None = None) -> None:
        self._layout = layout
        self._pictures = pictures
        self.base = base

    @property
    def changes(self) -> bool:
        """Whether anything is laid over the base."""
        return bool(self._pictures)

    def at(self, height: int, width: int) -> Tensor:
        """(B or 1, 3, height, width) in 0..1: the base scaled, each region's picture fitted at this size."""
        assert self.base is not None
        base = self.base
        if base.shape[-2:] != (height, width):
            base = F.interpolate(base, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
        return laid(base, self._layout, self._pictures)


def with_collage(plan: Plan, host: Host, p: Any, first: bool) -> tuple[Plan, EarlierRun | None]:
    """The plan with its collage, and the run that makes the picture below it where txt2img has to.

    Raises `RegionalError` for pictures that cannot be used, and on hosts that cannot encode them, before anything is sampled.
    """
    composition, encode = Composition(plan.layout, region_pictures(plan.layout)), encoder_of(host)

    def encoded(pictures: Tensor) -> Tensor:
        with torch.no_grad(), inner.seeded(int(p.seeds[0])):
            return encode(pictures.to(inner.device_of(p)))

    if plan.picture is not None:
        return replace(plan, collage=_over_given(plan, p, composition, encoded)), None
    collage = Collage(composition.at, encoded, hires=float(getattr(p, "denoising_strength", None) or 1))
    colour = plan.settings.option_of("collage")("colour")
    if not base_is_made(plan.settings):
        levels = [(int(colour[at : at + 2], 16) + WITHIN) / 255 for at in (1, 3, 5)]
        composition.base = torch.tensor(levels)[None, :, None, None].expand(1, 3, p.height, p.width)
        return replace(plan, collage=collage), None
    inner.check_restart(p)
    if first:
        inner.announce(p.n_iter * (2 if plan.hires is not None else 1))

    def keep(pictures: Tensor) -> None:
        composition.base = pictures

    return replace(plan, collage=collage), EarlierRun(host, prepare(_base_plan(plan), host), keep)


def _over_given(plan: Plan, p: Any, composition: Composition, encoded: Any) -> Collage:
    colour = plan.settings.option_of("collage")("colour")
    if colour is not None:
        raise settings_error("options.collage.colour", colour, "null in img2img, whose picture the collage is laid over")
    assert plan.picture is not None
    composition.base = given_pictures(p)
    given = float(p.denoising_strength)
    latent = plan.picture.latent
    encode = encoded if composition.changes else lambda _: latent
    return Collage(composition.at, encode, highest_strength(plan.settings, given), given=given)


def _base_plan(plan: Plan) -> Plan:
    """The plan of the picture below: the regions without a picture act on it as they do later, those with one do not."""
    regions = tuple(replace(region, enabled=region.enabled and region.picture is None) for region in plan.layout.regions)
    settings = replace(plan.settings, method=plan.settings.option_of("collage")("by"))
    return replace(plan, settings=settings, layout=replace(plan.layout, regions=regions), record=None, scores=None)


@contextmanager
def beginning(p: Any, collage: Collage | None) -> Iterator[None]:
    """Let the img2img of ``p`` begin with the collage, at the strongest denoising that any cell has; afterwards ``p`` is as it was."""
    if collage is None or collage.given is None:
        yield
        return
    before = p.init_latent, p.denoising_strength
    height, width = before[0].shape[-2:]
    p.init_latent = collage.latent(height, width).to(before[0]).expand_as(before[0])
    p.denoising_strength = collage.strength
    try:
        yield
    finally:
        p.init_latent, p.denoising_strength = before
