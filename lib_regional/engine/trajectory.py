"""What a repainted picture keeps: the denoised latents of an earlier sampling run, or those of a given picture, and the pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .calls import DenoiserCall, StepInfo
from .hooks import Hooks

if TYPE_CHECKING:
    from torch import Tensor


class Trajectory:
    """Denoised latents (B, C, H, W) step by step, and the ``pictures`` (B, 3, H, W) in 0..1 that they became, None before that.

    Samplers move a cell by its denoised value and its noise. So a second run from the same noise in which some cells have the recorded
    values takes these cells along the very path of the first, whatever the sampler. A given picture has one ``latent`` for all steps.
    """

    def __init__(self, latent: Tensor | None = None, pictures: Tensor | None = None) -> None:
        self._latent = latent
        self._steps: dict[tuple[bool, int], Tensor] = {}
        self.pictures = pictures

    def at(self, step: StepInfo) -> Tensor | None:
        """The denoised latent of ``step``; None for a step that the earlier run did not have."""
        return self._steps.get((step.hires, step.index)) if self._latent is None else self._latent

    def recording(self, hooks: Hooks) -> Hooks:
        """``hooks`` whose guided predictions are recorded."""

        def denoiser(call: DenoiserCall) -> Tensor:
            made = call.run() if hooks.denoiser is None else hooks.denoiser(call)
            self._steps[call.step.hires, call.step.index] = made.detach().clone()
            return made

        return replace(hooks, denoiser=denoiser)

    def clear(self) -> None:
        """Forget the recorded steps; the pictures stay."""
        self._steps.clear()
