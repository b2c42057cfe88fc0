"""A small sampler to look at a model under training: ancestral Euler of k-diffusion on the SD1 noise schedule."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from .data.vocabulary import compact, encode
from .progress import autocast

STEPS = 1000


def alphas_cumprod() -> Tensor:
    """(1000,) of the scaled-linear schedule of SD1."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def sigmas(steps: int) -> tuple[Tensor, Tensor]:
    """(steps+1,) noise levels, evenly spaced in time and ending with 0, and the (steps,) times that belong to them."""
    alphas = alphas_cumprod()
    levels = ((1 - alphas) / alphas) ** 0.5
    times = torch.linspace(STEPS - 1, 0, steps)
    log = torch.from_numpy(np.interp(times.numpy(), np.arange(STEPS), levels.log().numpy())).float()
    return torch.cat([log.exp(), torch.zeros(1)]), times


@torch.no_grad()
def contexts(text_encoder: nn.Module, texts: list[str]) -> Tensor:
    """Texts -> (B,77,64), with the compact text encoder."""
    device = next(text_encoder.parameters()).device
    found: Tensor = text_encoder(compact(encode(texts)).to(device)).last_hidden_state.float()
    return found


@torch.no_grad()
def sample(
    unet: UNet2DConditionModel,
    text_encoder: nn.Module,
    texts: list[str],
    size: tuple[int, int] = (128, 128),
    steps: int = 20,
    guidance: float = 5.0,
    seed: int = 0,
) -> Tensor:
    """One latent (B,4,h,w) of unit variance per text; size is (width, height) in pixels."""
    device = next(unet.parameters()).device
    noise = torch.Generator().manual_seed(seed)
    shape = (len(texts), 4, size[1] // 8, size[0] // 8)
    context = torch.cat([contexts(text_encoder, [""] * len(texts)), contexts(text_encoder, texts)])
    levels, times = sigmas(steps)
    x = torch.randn(shape, generator=noise).to(device) * levels[0]
    for i, time in enumerate(times):
        sigma, following = float(levels[i]), float(levels[i + 1])
        scaled = (x / (sigma**2 + 1) ** 0.5).repeat(2, 1, 1, 1)
        with autocast(str(device)):
            plain, prompted = unet(scaled, time.to(device), context).sample.float().chunk(2)
        eps = plain + guidance * (prompted - plain)
        up = min(following, (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5)
        down = (following**2 - up**2) ** 0.5
        x = x + eps * (down - sigma) + torch.randn(shape, generator=noise).to(device) * up
    return x
