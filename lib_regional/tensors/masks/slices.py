"""Slices of a picture by depth: soft masks from near to far that add up to 1 at every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def depth_positions(nearness: Tensor) -> Tensor:
    """Nearness (h, w), larger is nearer, in any unit -> position from 0 (the nearest pixel) to 1 (the farthest).

    Raises ValueError where all is equally far, or a value is not finite.
    """
    nearness = nearness.double()
    low, high = nearness.min(), nearness.max()
    if not bool(torch.isfinite(nearness).all()) or not bool(high > low):
        raise ValueError("There is no depth in it.")
    return (high - nearness) / (high - low)


def even_positions(positions: Tensor) -> Tensor:
    """Positions (h, w) -> the share of pixels that are nearer (equally near ones count half): slices of it have equal areas."""
    values, place, counts = torch.unique(positions, return_inverse=True, return_counts=True)
    middle = counts.cumsum(0) - counts / 2
    even: Tensor = (middle / positions.numel())[place].reshape(positions.shape).to(positions.dtype)
    return even


def slice_levels(positions: Tensor, borders: Sequence[float], softness: float, levels: int = 255) -> Tensor:
    """Positions (h, w) in 0..1, ascending borders -> (len(borders) − 1, h, w) bytes, one slice between two neighbouring borders each.

    ``softness`` is the width, as a share of the whole depth, over which one slice fades into the next. The borders 0 and 1 lie at the ends
    of depth. Slices are differences of rounded sums, so from border 0 to border 1 they add up to 255 exactly. ``levels`` divides 255.
    """
    nearer = torch.stack([_nearer(positions, border, softness) for border in borders])
    rounded = (nearer * levels).round().to(torch.int64) * (255 // levels)
    return (rounded[1:] - rounded[:-1]).to(torch.uint8)


def _nearer(positions: Tensor, border: float, softness: float) -> Tensor:
    """Share (h, w) of each pixel that is nearer than ``border``."""
    if border <= 0 or border >= 1:
        return torch.full_like(positions, float(border >= 1))
    if softness <= 0:
        return (positions < border).to(positions.dtype)
    return ((border - positions) / softness + 0.5).clamp(0, 1)
