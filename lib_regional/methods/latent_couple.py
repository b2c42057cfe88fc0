"""Latent couple: every region is a prediction of its own, and the picture's is their weighted sum (design, section 3).

*full*: every region sees the whole canvas. *crop*: a region sees its bounding box and a halo, which costs as much as the box is large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ..engine.calls import StepInfo
from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..request.layout.regions import Layout
from ..tensors.latents.windows import NEGLIGIBLE, Window, canvas_of, fitted, support
from ..tensors.masks.pyramid import Pyramid
from ..tensors.masks.weight_maps import WeightMaps
from .common.prepared import Prepared
from .common.region_predictions import Branch, Branches, Scene, View, prediction_hooks, prepared_hooks

Maps = Callable[[Scene], WeightMaps]
Stages = Callable[[StepInfo], Maps]
"""The weight maps of a step."""
Place = Callable[[Tensor, Scene], Window]
"""The window in which a region of a weight map (H, W) is predicted."""


def full(weight: Tensor, scene: Scene) -> Window:
    """The whole canvas."""
    return canvas_of(scene.latent)


def cropped(halo: int) -> Place:
    """The box around the region, grown by ``halo`` cells."""

    def place(weight: Tensor, scene: Scene) -> Window:
        box = support(weight)
        return canvas_of(scene.latent) if box is None else fitted(box, scene.latent, halo)

    return place


def contributions(maps: WeightMaps, scene: Scene) -> list[tuple[int | None, Tensor]]:
    """(region or None for the base, weight (H, W)) of all that have weight somewhere; the weights of a cell sum to 1.

    Regions without a text leave their place to the base.
    """
    base = maps.base + sum((maps.regions[r] for r in scene.inactive), maps.base.new_zeros(()))
    shares: list[tuple[int | None, Tensor]] = [(None, base), *((r, maps.regions[r]) for r in scene.active if r not in scene.inactive)]
    present = [(region, weight) for region, weight in shares if float(weight.max()) > NEGLIGIBLE]
    total = sum((weight for _, weight in present), base.new_zeros(()))
    return [(region, weight / total) for region, weight in present]


def shares_of(plan: Plan) -> Maps:
    """The weight maps that all methods share."""
    return _maps_of(Pyramid(plan.layout, plan.words))


def _maps_of(pyramid: Pyramid) -> Maps:
    return lambda scene: pyramid.at(scene.active, scene.latent, scene.latent, scene.factors, image=scene.image)


def crisp_first(plan: Plan, soft_from: float) -> Stages:
    """The weight maps that all methods share, without soft borders in the share ``soft_from`` of a pass's steps.

    In these steps the objects form. A soft border widens what a region sees beyond its own mask, and the object that forms there is
    cut where the region's weight fades. A hires pass has its composition and is soft from its first step.
    """
    soft, crisp = shares_of(plan), _maps_of(Pyramid(plan.layout, plan.words, without_feather))
    return lambda step: crisp if not step.hires and step.progress < soft_from else soft


def without_feather(layout: Layout) -> Layout:
    """``layout`` with borders as sharp as its masks."""
    return replace(layout, regions=tuple(replace(region, feather=0.0) for region in layout.regions))


def couple_branches(stages: Stages, place: Place) -> Branches:
    """Every region in the window that ``place`` gives it, the base on the whole canvas; worked out once per scene and stage."""
    known: dict[tuple[Scene, Maps], tuple[Branch, ...]] = {}

    def branches(scene: Scene, step: StepInfo) -> tuple[Branch, ...]:
        maps = stages(step)
        if (scene, maps) not in known:
            found = contributions(maps(scene), scene)
            windows = [(r, weight, canvas_of(scene.latent) if r is None else place(weight, scene)) for r, weight in found]
            known[scene, maps] = tuple(Branch(r, (View(window, window.of(weight)),)) for r, weight, window in windows)
        return known[scene, maps]

    return branches


def latent_couple(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``mode``, ``halo``, ``memory``."""
    return prediction_hooks(plan, host, *_options(plan))


def latent_couple_hooks(plan: Plan, prepared: Prepared) -> Hooks:
    """The same with what is ``prepared`` already, see `region_predictions.prepared_hooks`."""
    return prepared_hooks(plan, prepared, *_options(plan))


def _options(plan: Plan) -> tuple[Branches, float]:
    option = plan.settings.option_of("latent_couple")
    crop = option("mode") == "crop"
    place, soft_from = (cropped(option("halo")), option("soft_from")) if crop else (full, 0.0)
    return couple_branches(crisp_first(plan, soft_from), place), option("memory")
