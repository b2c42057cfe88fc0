"""Repainting: some regions of a picture are made again by their prompts, and everything else stays as it was.

RAG (Chen et al.), section "repainting", on any sampler: outside the regions, grown by one cell, the denoised latent of every step is the
earlier run's (or the given picture's latent, which is blended latent diffusion, Avrahami et al.); inside it is sampled with the regions'
own method. In the end the pixels outside are the earlier picture's own.
"""

from __future__ import annotations

from collections.abc import Callable
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
from ..tensors.masks.growth import faded_inside, grown
from ..tensors.masks.weight_maps import shape_mask
from .attention_couple import attention_couple
from .latent_composite import latent_composite
from .latent_couple import latent_couple
from .rag import rag

BY: dict[str, Callable[[Plan, Host], Hooks]] = {
    "attention_couple": attention_couple,
    "latent_couple": latent_couple,
    "latent_composite": latent_composite,
    "rag": rag,
}
"""How the regions' prompts act while they are made again."""

FADE = 2
"""Width in cells of the soft border inside the edge of what is repainted."""


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

    def pixels(self, height: int, width: int) -> Tensor:
        """(height, width) in 0..1: what the new pixels count, 0 outside the grown regions."""
        cells = self.cells(-(-height // 8), -(-width // 8))
        mask = cells.repeat_interleave(8, 0).repeat_interleave(8, 1)[:height, :width]
        return faded_inside(mask, FADE * 8)


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
    if before is None:
        return None

    def finish(images: Tensor) -> Tensor:
        alpha = inside.pixels(*images.shape[-2:]).to(images)
        old = before.to(images)[: len(images)]
        return torch.where(alpha > 0, old + alpha * (images - old), old)

    return finish
