"""Noise and noise levels of latents: joining noises of several seeds, and what a noisy latent looks like to the UNet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..precision import single

Prediction = Literal["epsilon", "v", "flow"]
"""The parametrisation of a network's prediction: the noise; v (see `noise_slope`); or, on a straight path, the velocity noise − clean."""

_LATENT_CHANNELS = 4


def seeded_noise(shape: Sequence[int], seed: int) -> Tensor:
    """Unit noise of ``shape`` from the CPU generator of ``seed``, the same on every machine."""
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(seed))


def joined_noise(noises: Tensor, weights: Tensor) -> Tensor:
    """noises (N, C, …, H, W) of unit variance, weights (N, H, W) -> (C, …, H, W) in fp32 at least: ``Σ w ε / sqrt(Σ w²)``.

    Independent noises keep unit variance at every cell, where a plain weighted mean would lose it at the borders.
    """
    shares = single(weights)
    each = shares.view(len(shares), *(1,) * (noises.dim() - 3), *shares.shape[-2:])
    return (each * single(noises)).sum(0) / shares.square().sum(0).sqrt().clamp_min(1e-12)


def latent_channels(x: Tensor, prediction: Prediction) -> int:
    """How many of the channels of x (C, …) are the latent's: 4 of a UNet's, beyond which its inpainting kind takes the masked picture."""
    return len(x) if prediction == "flow" else _LATENT_CHANNELS


def unet_input(scaled: Tensor, sigma: float) -> Tensor:
    """``clean + sigma · noise`` as a UNet trained at constant variance takes it: divided by ``sqrt(sigma² + 1)``."""
    return scaled / math.sqrt(sigma**2 + 1)


def network_input(x: Tensor, sigma: float, prediction: Prediction) -> Tensor:
    """The sampler's latent as the network takes it: straight paths (Liu et al. 2022) are sampled in the network's own terms."""
    return x if prediction == "flow" else unet_input(x, sigma)


def sampler_latent(x: Tensor, sigma: float, prediction: Prediction) -> Tensor:
    """The inverse of `network_input`."""
    return x if prediction == "flow" else x * math.sqrt(sigma**2 + 1)


def noised(clean: Tensor, noise: Tensor, sigma: float, prediction: Prediction) -> Tensor:
    """``clean`` with ``noise`` of the level ``sigma``, as the network takes it."""
    share = 1 - sigma if prediction == "flow" else 1.0
    return network_input(share * clean + sigma * noise, sigma, prediction)


def noise_slope(x: Tensor, output: Tensor, sigma: float, prediction: Prediction) -> Tensor:
    """Slope dx/dσ of the sampler's latent for the network's input ``x`` and ``output`` (Karras et al. 2022, eq. 1).

    For ``clean + σ · noise`` it is the noise. ``v`` = a·noise − b·clean with a = 1/sqrt(σ²+1), b = aσ (Salimans & Ho 2022), so that
    noise = a·v + b·x. A velocity is the slope itself.
    """
    if prediction != "v":
        return output
    a = 1 / math.sqrt(sigma**2 + 1)
    return a * output + a * sigma * x
