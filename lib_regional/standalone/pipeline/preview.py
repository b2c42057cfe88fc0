"""Quick pictures of latents that are still being sampled."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from ..model.stable_diffusion import CELL, StandaloneModel
from .pictures import image_grid, to_pil

SMALL = 64 * 64
"""A latent with at most so many cells is decoded for its preview; a larger one is shown through a linear map."""

LINEAR = {
    "sd1": ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
    "sdxl": ((0.3448, 0.4168, 0.4395), (-0.1953, -0.0290, 0.0250), (0.1074, 0.0886, -0.0163), (-0.3730, -0.2499, -0.2088)),
}
"""Latent channel -> red, green, blue in -1..1: least-squares fits of the decoders that are widely in use."""


def picture(latent: Tensor, model: StandaloneModel) -> Image.Image:
    """One picture of a batch's latents (B,4,H,W); several images are put side by side."""
    with torch.no_grad():
        images = [to_pil((image + 1) / 2) for image in _decoded(latent.detach(), model)]
    return images[0] if len(images) == 1 else image_grid(images)


def _decoded(latent: Tensor, model: StandaloneModel) -> Tensor:
    small = max(model.vae.config.block_out_channels) < 128
    if small and latent.shape[-2] * latent.shape[-1] <= SMALL:
        return model.decode(latent)
    factors = latent.new_tensor(LINEAR[model.kind])
    rgb = torch.einsum("bchw,cr->brhw", latent.to(torch.float32), factors.to(torch.float32))
    return torch.nn.functional.interpolate(rgb, scale_factor=CELL // 2, mode="nearest")
