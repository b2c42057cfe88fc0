"""Areas in which an edit is measured, and the measures themselves."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import single


def inherent_area(edited: Tensor) -> Tensor:
    """Masks (R, H, W) of the edited regions, source's and target's -> (H, W) in 0..1: where nothing was to change."""
    if not len(edited):
        return torch.ones(edited.shape[-2:])
    return (1 - edited).prod(0)


def eroded(area: Tensor, cells: int) -> Tensor:
    """area (H, W) shrunk by ``cells`` on all inner sides (a square neighbourhood); the canvas border does not count as outside."""
    if cells < 1:
        return area
    padded = F.pad(area[None, None], (cells,) * 4, mode="replicate")
    return -F.max_pool2d(-padded, 2 * cells + 1, stride=1)[0, 0]


def ring(edited: Tensor, width: int) -> Tensor:
    """edited (H, W) 0 or 1 -> (H, W) bool: the cells outside within ``width`` of it."""
    inside = edited > 0.5
    near = F.max_pool2d(inside[None, None].float(), 2 * width + 1, stride=1, padding=width)[0, 0] > 0.5
    return near & ~inside


def masked_mean(values: Tensor, area: Tensor) -> float:
    """Mean of ``values`` (H, W) over ``area`` (H, W) in 0..1; NaN where the area is empty."""
    counts = single(area)
    total = float(counts.sum())
    return float((single(values) * counts).sum()) / total if total > 0 else math.nan


def psnr(first: Tensor, second: Tensor, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB of two pictures of equal shape."""
    error = float((single(first) - single(second)).square().mean())
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)
