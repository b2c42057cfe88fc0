"""The two parametrisations of noisy latents that samplers use: by sigma (k-diffusion), and by training step (DDIM)."""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor

from .noise_levels import NoiseLevels


class Space(Protocol):
    """A sampler's parametrisation: the meaning of a noise level, and of the output that the sampler integrates.

    x, noise, output and clean are (B,C,H,W), levels (B,). ``mask_before``: inpainting blends before the prediction, not after.
    """

    mask_before: bool

    def inputs(self, x: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """The UNet's input and training steps (B,)."""
        ...

    def output(self, x: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Predicted noise -> the sampler's output."""
        ...

    def denoised(self, x: Tensor, output: Tensor, level: Tensor) -> Tensor:
        """The sampler's output -> the predicted clean latent."""
        ...

    def prediction(self, x: Tensor, clean: Tensor, level: Tensor) -> Tensor:
        """Predicted clean latent -> the sampler's output; the inverse of ``denoised``."""
        ...

    def noised(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """A clean latent with noise of this level."""
        ...

    def shares(self, level: float) -> tuple[float, float]:
        """(alpha, beta) of x = alpha · clean + beta · noise."""
        ...

    def sigma(self, level: float) -> float:
        """Standard deviation of the noise over a clean latent of unit variance."""
        ...


def _wide(level: Tensor) -> Tensor:
    return level[:, None, None, None]


class SigmaSpace:
    """k-diffusion: x = clean + sigma · noise; levels are sigmas; the output is the clean prediction."""

    mask_before = False

    def __init__(self, levels: NoiseLevels) -> None:
        self.levels = levels

    def inputs(self, x: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """See `Space`."""
        return x / _wide((level**2 + 1).sqrt()), self.levels.sigma_to_t(level.cpu()).to(x.device)

    def output(self, x: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        return x - _wide(level) * noise

    def denoised(self, x: Tensor, output: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        return output

    def prediction(self, x: Tensor, clean: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        return clean

    def noised(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        return clean + _wide(level) * noise

    def shares(self, level: float) -> tuple[float, float]:
        """See `Space`."""
        return 1.0, level

    def sigma(self, level: float) -> float:
        """See `Space`."""
        return level


class TimestepSpace:
    """DDIM: x = sqrt(ᾱ) clean + sqrt(1 − ᾱ) noise; levels are training steps; the output is the noise."""

    mask_before = True

    def __init__(self, levels: NoiseLevels) -> None:
        self.levels = levels

    def _alpha(self, level: Tensor) -> Tensor:
        return _wide(self.levels.alphas_cumprod[level.long().cpu()].to(level.device))

    def inputs(self, x: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """See `Space`."""
        return x, level

    def output(self, x: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        return noise

    def denoised(self, x: Tensor, output: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        alpha = self._alpha(level)
        return (x - (1 - alpha).sqrt() * output) / alpha.sqrt()

    def prediction(self, x: Tensor, clean: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        alpha = self._alpha(level)
        return (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()

    def noised(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """See `Space`."""
        alpha = self._alpha(level)
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def shares(self, level: float) -> tuple[float, float]:
        """See `Space`."""
        alpha = float(self.levels.alphas_cumprod[int(level)])
        return math.sqrt(alpha), math.sqrt(1 - alpha)

    def sigma(self, level: float) -> float:
        """See `Space`."""
        return float(self.levels.sigmas[int(level)])
