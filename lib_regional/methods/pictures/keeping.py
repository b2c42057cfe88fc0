"""Pixels that a method leaves as they were, and the soft border inside the edge of the others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...engine.hooks import PictureHook
from ...tensors.masks.growth import faded_inside

FADE = 2
"""Width in cells of the soft border inside the edge of what changes."""


def pixels_of(cells: Tensor, height: int, width: int) -> Tensor:
    """cells (h, w) of 0 and 1 -> (height, width) in 0..1: what the new pixels count, 0 outside."""
    mask = cells.repeat_interleave(8, 0).repeat_interleave(8, 1)[:height, :width]
    return faded_inside(mask, FADE * 8)


def kept_outside(cells: Callable[[int, int], Tensor], before: Callable[[int, int], Tensor]) -> PictureHook:
    """The hook that gives the pixels outside ``cells(h, w)`` the very values of ``before(H, W)``, (B or 1, 3, H, W)."""

    def finish(images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        alpha = pixels_of(cells(-(-height // 8), -(-width // 8)), height, width).to(images)
        old = before(height, width).to(images)[: len(images)]
        return torch.where(alpha > 0, old + alpha * (images - old), old)

    return finish
