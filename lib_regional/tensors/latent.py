"""Noise and noise levels of latents: joining noises of several seeds, and what a noisy latent looks like to the UNet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

LATENT_CHANNELS = 4
"""Channels of a latent; what the UNets of inpainting models take beyond them is the mask and the masked picture."""


def seeded_noise(shape: Sequence[int], seed: int) -> Tensor:
    """Unit noise of ``shape`` from the CPU generator of ``seed``, the same on every machine."""
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(seed))


def joined_noise(noises: Tensor, weights: Tensor) -> Tensor:
    """noises (N, C, H, W) of unit variance, weights (N, H, W) -> (C, H, W): ``Σ w ε / sqrt(Σ w²)``.

    Independent noises keep unit variance at every cell, where a plain weighted mean would lose it at the borders.
    """
    return (weights[:, None] * noises).sum(0) / weights.square().sum(0).sqrt().clamp_min(1e-12)


def unet_input(scaled: Tensor, sigma: float) -> Tensor:
    """``clean + sigma · noise`` as a UNet trained at constant variance takes it: divided by ``sqrt(sigma² + 1)``."""
    return scaled / math.sqrt(sigma**2 + 1)


def noise_slope(x: Tensor, output: Tensor, sigma: float, prediction: Literal["epsilon", "v"]) -> Tensor:
    """Predicted noise for the UNet's input ``x`` and ``output``: the slope dx/dσ of ``clean + σ · noise`` (Karras et al. 2022, eq. 1).

    ``v`` = a·noise − b·clean with a = 1/sqrt(σ²+1), b = aσ (Salimans & Ho 2022), so that noise = a·v + b·x.
    """
    if prediction == "epsilon":
        return output
    a = 1 / math.sqrt(sigma**2 + 1)
    return a * output + a * sigma * x
