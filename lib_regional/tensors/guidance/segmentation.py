"""Maps and pictures as functions of the clean latent, cheap enough to take gradients of at every step.

Cross-attention maps come from the UNet; a gradient through it would cost more than the step itself. So the maps that the UNet has
just given are fitted by ridge regression on each cell's neighbourhood in the clean latent, and the fit is what is differentiated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..precision import full_precision, single

RIDGE = 1e-2


def neighbourhoods(latent: Tensor) -> Tensor:
    """latent (B, C, H, W) -> (B, H·W, 9C + 1): each cell's 3×3 neighbourhood, and a constant, in fp32."""
    padded = F.pad(single(latent), (1, 1, 1, 1), mode="replicate")
    patches = F.unfold(padded, 3).transpose(1, 2)
    return torch.cat([patches, patches.new_ones(*patches.shape[:2], 1)], 2)


def fit(features: Tensor, values: Tensor, ridge: float = RIDGE) -> Tensor:
    """Ridge regression: features (N, F), values (N, R) -> weights (F, R) of least Σ‖fw − v‖² + ridge·N·‖w‖², in fp32."""
    known, wanted = single(features), single(values)
    with full_precision(known.device):
        gram = known.T @ known + ridge * len(known) * torch.eye(known.shape[1], device=known.device, dtype=known.dtype)
        solution: Tensor = torch.linalg.solve_ex(gram, known.T @ wanted)[0]  # without asking the device whether it could be solved
        return solution


def _predicted(features: Tensor, weights: Tensor) -> Tensor:
    """Prediction of a linear fit, ``features @ weights``: (N, F) @ (F, R) -> (N, R), in fp32."""
    with full_precision(features.device):
        return single(features) @ weights


class FittedMaps:
    """Maps (R, H, W) of given clean latents, made a function of the latent."""

    def __init__(self, latents: Tensor, maps: Tensor) -> None:
        """latents (B, C, H, W), maps (B, R, H, W)."""
        values = rearrange(maps, "b r h w -> (b h w) r")
        self._weights = fit(neighbourhoods(latents).flatten(0, 1), values)

    def __call__(self, latent: Tensor) -> Tensor:
        """(C, H, W) -> (R, H, W), 0 at least; differentiable."""
        flat = _predicted(neighbourhoods(latent[None])[0], self._weights)
        maps: Tensor = rearrange(flat, "(h w) r -> r h w", h=latent.shape[-2]).clamp_min(0)
        return maps


class LinearPictures:
    """The autoencoder's decoder as one linear map from a cell's channels to the mean colour of its pixels."""

    def __init__(self, latents: Tensor, pictures: Tensor) -> None:
        """latents (B, C, h, w), pictures (B, 3, H, W) that they decode to."""
        colours = F.adaptive_avg_pool2d(pictures, (latents.shape[-2], latents.shape[-1]))
        self._weights = fit(_cells(latents), rearrange(colours, "b c h w -> (b h w) c"), 1e-4)

    def __call__(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h, w)."""
        flat = _predicted(_cells(latents), self._weights)
        pictures: Tensor = rearrange(flat, "(b h w) c -> b c h w", b=len(latents), h=latents.shape[-2])
        return pictures


def _cells(latents: Tensor) -> Tensor:
    """(B, C, h, w) -> (B·h·w, C + 1)"""
    flat = rearrange(latents, "b c h w -> (b h w) c")
    return torch.cat([flat, flat.new_ones(len(flat), 1)], 1)
