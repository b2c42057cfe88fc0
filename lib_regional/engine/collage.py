"""What collage refine begins with: a picture at any size, its latents, and the denoising strength of each sampling pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .calls import StepInfo

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]


@dataclass
class Collage:
    """The collage of one batch.

    ``compose(height, width)`` gives its pictures (B or 1, 3, H, W) in 0..1, ``encode`` their latents from values in -1..1. ``strength`` is
    the denoising strength at which the first pass begins, ``hires`` that of the hires pass: 1 is pure noise. ``given`` is the strength
    that img2img was asked for, whose pass begins with the collage; None in txt2img, whose first pass begins with noise.
    """

    compose: Callable[[int, int], Tensor]
    encode: Callable[[Tensor], Tensor]
    strength: float = 1.0
    hires: float = 1.0
    given: float | None = None
    _latents: dict[Size, Tensor] = field(default_factory=dict)

    def latent(self, height: int, width: int) -> Tensor:
        """Clean latents (B or 1, C, height, width), encoded once."""
        if (height, width) not in self._latents:
            self._latents[height, width] = self.encode(self.compose(height * 8, width * 8) * 2 - 1)
        return self._latents[height, width]

    def remaining(self, step: StepInfo) -> float:
        """Share of the whole noise schedule that lies behind ``step``: 0 at the last one."""
        whole = self.hires if step.hires else self.strength
        return whole * (step.total - 1 - step.index) / max(1, step.total)

    def clear(self) -> None:
        """Forget the latents."""
        self._latents.clear()
