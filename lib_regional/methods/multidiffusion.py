"""MultiDiffusion with regions (Bar-Tal et al. 2023; region boxes and a total prompt as in Li et al., AAAI-24; design, section 4).

Every region is predicted on the box around it, everything larger than a window on overlapping windows, and the predictions are fused
with pixel weights that fade towards the windows' borders. Fusing predictions instead of latents is the same for every sampler step
that is linear in them, whatever the sampler. Memory follows the window, not the canvas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..engine.calls import ModelCall, Row, StepInfo, UNetCall
from ..engine.capabilities import facts_of
from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..tensors.latents.noise import Prediction, latent_channels, noised, seeded_noise
from ..tensors.latents.windows import ALIGN, NEGLIGIBLE, Window, canvas_of, fitted, region_tiles, support, tile_weights, tiles, widened
from .common.region_predictions import Branch, Branches, Scene, View, prediction_hooks
from .latent_couple import Maps, Stages, contributions, crisp_first

_COLOUR = 0.5
"""Standard deviation of the channels of a bootstrapping colour, over clean latents of unit variance."""

_COLOUR_SEED = 0


@dataclass(frozen=True)
class Tiling:
    """Windows of ``side`` cells that overlap by a share ``overlap``; regions get theirs on their ``boxes`` or in whole windows."""

    side: int
    overlap: float
    boxes: bool

    def area(self, weight: Tensor) -> Window:
        """Cells that a region's windows cover."""
        rows, columns = weight.shape
        near = fitted(support(weight) or Window(0, 0, rows, columns), (rows, columns))
        return near if self.boxes else widened(near, (rows, columns), self.side)

    def views(self, area: Window, weight: Tensor, own: bool = False) -> tuple[View, ...]:
        """Windows of ``area`` in which ``weight`` (H, W) is not negligible; ``own``: it is a region's own area."""
        windows = (region_tiles if own else tiles)(area, self.side, self.overlap)
        shares = [window.of(weight) * soft for window, soft in zip(windows, tile_weights(windows), strict=True)]
        return tuple(View(w, share) for w, share in zip(windows, shares, strict=True) if float(share.max()) > NEGLIGIBLE)


def windowed_branches(stages: Stages, tiling: Tiling, total: float, total_from: float) -> Branches:
    """Regions on their boxes, the base on the canvas, and from ``total_from`` on all prompts together with share ``total``."""
    known: dict[tuple[Scene, Maps, bool], tuple[Branch, ...]] = {}

    def branches(scene: Scene, step: StepInfo) -> tuple[Branch, ...]:
        maps, joined = stages(step), total > 0 and step.progress >= total_from
        if (scene, maps, joined) not in known:
            canvas = canvas_of(scene.latent)
            rest = 1 - total if joined else 1.0
            found = contributions(maps(scene), scene)
            areas = [canvas if r is None else tiling.area(weight) for r, weight in found]
            made = [Branch(r, tiling.views(area, w * rest, r is not None)) for area, (r, w) in zip(areas, found, strict=True)]
            if joined:
                made.append(Branch(None, tiling.views(canvas, torch.full(scene.latent, total)), together=True))
            known[scene, maps, joined] = tuple(branch for branch in made if branch.views)
        return known[scene, maps, joined]

    return branches


class Bootstrap:
    """For the first ``share`` of the steps a region sees, outside its own weight, a plain colour with the noise of the step.

    Bar-Tal et al. 2023, section 5: so its object forms inside the mask. The colour is the same for all regions and another in each
    step; it is a latent that is constant over the picture, drawn rather than encoded (*choice*: a method has no autoencoder).
    """

    def __init__(self, share: float, prediction: Prediction) -> None:
        self._share = share
        self._prediction = prediction
        self._outside: dict[tuple[int, Window], tuple[Branch, Tensor | None]] = {}
        self._behind: tuple[ModelCall, Tensor] | None = None
        self._noise: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, x: Tensor, branch: Branch, window: Window, call: UNetCall, row: Row) -> Tensor | None:
        """What the region sees: (C, h, w), see `region_predictions.Observe`."""
        step = call.model.step
        if branch.region is None or step.progress >= self._share:
            return None
        outside = self._outside_of(branch, window, x.device)
        if outside is None:
            return None
        channels = latent_channels(x, self._prediction)
        behind = window.of(self._background(call, channels, x)).to(x)
        return torch.cat([torch.where(outside, behind, x[:channels]), x[channels:]])

    def _outside_of(self, branch: Branch, window: Window, device: torch.device) -> Tensor | None:
        """Where in ``window`` the region has no weight, bool (h, w); None for nowhere. Branches are the same from step to step."""
        name = (id(branch), window)
        if name not in self._outside:
            covered = torch.zeros(window.grid)
            for view in branch.views:
                _add_shared(covered, view, window)
            outside = covered <= NEGLIGIBLE
            self._outside[name] = (branch, outside.to(device) if outside.any() else None)
        return self._outside[name][1]

    def _background(self, call: UNetCall, channels: int, like: Tensor) -> Tensor:
        """A constant colour with noise as the UNet is given it (channels, …, H, W), one for all windows of a call.

        The noise is the same in every step; it and the colours of all steps are drawn and brought to the device of ``like`` once.
        """
        device = like.device
        if self._behind is None or self._behind[0] is not call.model:
            shape = (channels, *like.shape[1:-2], *call.model.latent)
            if shape not in self._noise:
                self._noise[shape] = seeded_noise(shape, _COLOUR_SEED).to(device)
            step, noise = call.model.step, self._noise[shape]
            colour = self._colours(channels, max(step.total, step.index + 1), device)[step.index].view(channels, *(1,) * (like.dim() - 1))
            self._behind = (call.model, noised(colour.expand_as(noise), noise, call.model.step.sigma, self._prediction))
        return self._behind[1]

    def _colours(self, channels: int, steps: int, device: torch.device) -> Tensor:
        """One colour for each step (steps, channels, 1, 1)."""
        if (channels, steps) not in self._noise:
            drawn = [seeded_noise((channels, 1, 1), _COLOUR_SEED + 1 + index) for index in range(steps)]
            self._noise[channels, steps] = (torch.stack(drawn) * _COLOUR).to(device)
        return self._noise[channels, steps]


def _add_shared(covered: Tensor, view: View, window: Window) -> None:
    """Add ``view.weight`` to the cells of ``covered`` (those of ``window``) that lie in the view."""
    other = view.window
    top, left = max(other.top, window.top), max(other.left, window.left)
    bottom, right = min(other.bottom, window.bottom), min(other.right, window.right)
    if top < bottom and left < right:
        part = view.weight[top - other.top : bottom - other.top, left - other.left : right - other.left]
        covered[top - window.top : bottom - window.top, left - window.left : right - window.left] += part


def multidiffusion(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``window``, ``overlap``, ``crop``, ``bootstrap``, ``total``, ``total_from``, ``memory``."""
    option = plan.settings.option_of("multidiffusion")
    side = max(ALIGN, math.floor((option("window") / 8 or facts_of(host).trained) / ALIGN) * ALIGN)
    tiling = Tiling(side, option("overlap"), option("crop") == "box")
    branches = windowed_branches(crisp_first(plan, option("soft_from")), tiling, option("total"), option("total_from"))
    observe = Bootstrap(option("bootstrap"), facts_of(host).prediction) if option("bootstrap") > 0 else None
    return prediction_hooks(plan, host, branches, option("memory"), observe=observe, always=True, whole=option("total") > 0)
