"""Collage refine: pictures laid into the regions, refined by img2img with a denoising strength of its own at every cell.

Differential diffusion (Levin and Fried 2023): a cell is free in the last steps of the schedule, as many as its strength asks for. Before
that its denoised latent is the collage's own: samplers move a cell by its denoised value and its noise, so it stays the collage's latent
at the noise level of each step. The regions' prompts act by the method that the option ``by`` names.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..engine.calls import DenoiserCall, UNetCall
from ..engine.collage import Collage
from ..engine.hooks import Hooks, PictureHook
from ..engine.plan import Plan
from ..engine.ports import Host
from ..request.collage.options import strengths_of
from ..request.errors import RegionalError
from ..tensors.device_copies import Moved
from ..tensors.latents.strengths import free_cells, strength_map
from .pictures.by import BY
from .pictures.keeping import kept_outside


class Strengths:
    """Denoising strengths on any grid of cells."""

    def __init__(self, plan: Plan, given: float | None) -> None:
        self._layout = plan.layout
        self._inside, self._outside = strengths_of(plan.settings, given)
        self._known: dict[tuple[int, int], Tensor] = {}

    def at(self, height: int, width: int) -> Tensor:
        """(height, width) in 0..1."""
        if (height, width) not in self._known:
            self._known[height, width] = strength_map(self._layout, self._inside, self._outside, height, width)
        return self._known[height, width]

    def changing(self, height: int, width: int) -> Tensor:
        """(height, width) of 0 and 1: cells that are free in the last step, at least."""
        return free_cells(self.at(height, width), 0.0).float()


class Refining:
    """State of one generation. ``call.x`` begins as the collage's latent with noise, in a txt2img pass by what is written here."""

    def __init__(self, source: Collage, strengths: Strengths, hooks: Hooks) -> None:
        self._source, self._strengths, self._hooks, self._moved = source, strengths, hooks, Moved()

    def denoiser(self, call: DenoiserCall) -> Tensor:
        """The prediction where cells are free, the collage elsewhere."""
        height, width = call.x.shape[-2:]
        kept = self._moved(self._source.latent(height, width), call.x).expand_as(call.x)
        strengths, remaining = self._strengths.at(height, width), self._source.remaining(call.step)
        everywhere = bool(free_cells(strengths, remaining).all())
        free = free_cells(self._moved(strengths, call.x.new_empty(0, dtype=strengths.dtype)), remaining)
        self._begin(call, kept, free)
        made = call.run() if self._hooks.denoiser is None else self._hooks.denoiser(call)
        return made if everywhere else torch.where(free, made, kept.to(made))

    def _begin(self, call: DenoiserCall, kept: Tensor, free: Tensor) -> None:
        """At the first step of a pass that did not begin with the collage, write its noised latent: everywhere in a first pass, and
        over the cells that are held in a hires pass."""
        if call.step.index > 0 or (self._source.given is not None and not call.step.hires):
            return
        noise = call.noise
        if noise is None and call.step.hires:
            return
        start = call.alpha * kept + call.beta * (call.x / call.beta if noise is None else noise.to(call.x))
        call.x.copy_(torch.where(free, call.x, start) if call.step.hires else start)

    def unet(self, call: UNetCall) -> Tensor | None:
        """Zeros in steps in which no cell is free, whose prediction nobody reads; not in the first, which shows that all hooks act."""
        step = call.model.step
        source = self._source.latent(*call.x.shape[-2:]) if call.model.tile is None and step.index > 0 else None
        if source is None or bool(free_cells(self._strengths.at(*call.x.shape[-2:]), self._source.remaining(step)).any()):
            return None if self._hooks.unet is None else self._hooks.unet(call)
        return call.x.new_zeros(len(call.x), source.shape[1], *call.x.shape[2:])


def collage(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation; options: ``denoise``, ``outside``, ``colour``, ``by``. Raises `RegionalError` without a collage."""
    source = plan.collage
    if source is None:
        raise RegionalError(f"A collage needs a host with img2img; this one ({host.name}) offers no picture to begin with.")
    hooks = BY[plan.settings.option_of("collage")("by")](plan, host)
    strengths = Strengths(plan, source.given)
    refining = Refining(source, strengths, hooks)
    unet = refining.unet if source.given is None else hooks.unet  # img2img begins where the first cell is free
    return replace(hooks, denoiser=refining.denoiser, unet=unet, finish=lambda _: _pixels_kept(source, strengths))


def _pixels_kept(source: Collage, strengths: Strengths) -> PictureHook:
    """The hook that gives cells of strength 0 the collage's own pixels."""
    return kept_outside(strengths.changing, source.compose)
