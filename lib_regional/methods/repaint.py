"""Repainting: some regions of a picture are made again by their prompts, and everything else stays as it was.

RAG (Chen et al.), section "repainting", on any sampler: outside the regions, grown by one cell, the denoised latent of every step is the
earlier run's (or the given picture's latent, which is blended latent diffusion, Avrahami et al.); inside it is sampled with the regions'
own method. In the end the pixels outside are the earlier picture's own.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..engine.calls import DenoiserCall
from ..engine.hooks import Hooks, PictureHook
from ..engine.plan import Plan
from ..engine.ports import Host
from ..engine.trajectory import Trajectory
from ..request.edit.repaint import repainted_shapes
from ..request.errors import RegionalError
from ..tensors.masks.growth import grown
from ..tensors.masks.weight_maps import shape_mask
from .pictures.by import BY
from .pictures.keeping import kept_outside


class Inside:
    """Where a picture may change, on any grid of cells: the repainted regions, grown by one cell."""

    def __init__(self, plan: Plan) -> None:
        self._shapes = repainted_shapes(plan.settings)
        self._known: dict[tuple[int, int], Tensor] = {}

    def cells(self, height: int, width: int) -> Tensor:
        """(height, width) of 0 and 1."""
        if (height, width) not in self._known:
            masks = torch.stack([shape_mask(shape, height * 8, width * 8) for shape in self._shapes]).amax(0)
            self._known[height, width] = grown(F.max_pool2d(masks[None], 8)[0].gt(0.5).float(), 1)
        return self._known[height, width]


def repaint(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``regions``, ``source``, ``from``, ``by``. Raises `RegionalError` without an earlier picture."""
    option = plan.settings.option_of("repaint")
    earlier, start = plan.earlier, float(option("from"))
    if earlier is None:
        raise RegionalError(
            "Repainting needs the picture that it starts from; this host offers neither an earlier run nor a given picture."
        )
    hooks, inside = BY[option("by")](plan, host), Inside(plan)

    def denoiser(call: DenoiserCall) -> Tensor:
        made = call.run() if hooks.denoiser is None else hooks.denoiser(call)
        kept = earlier.at(call.step)
        if kept is None:
            return made
        kept = kept.to(made)[: len(made)]
        if call.step.progress < start:
            return kept.expand_as(made).clone()
        return torch.where(inside.cells(*made.shape[-2:]).to(made.device) > 0, made, kept)

    return replace(hooks, denoiser=denoiser, finish=lambda _: _outside_of(earlier, inside))


def _outside_of(earlier: Trajectory, inside: Inside) -> PictureHook | None:
    """The hook that gives the pixels outside their earlier values, the very ones; soft inside the edge."""
    before = earlier.pictures
    return None if before is None else kept_outside(inside.cells, lambda *_: before)
