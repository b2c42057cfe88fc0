"""From attention maps of words to masks (design, section 13): normalised, smoothed, cut at a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..attention.maps import resized

FINER = 2
"""Cells of a mask per cell of the finest map, on each side: an outline between cells is not lost."""


def word_masks(maps: Sequence[Tensor], thresholds: Sequence[float], exclusive: Sequence[bool]) -> list[Tensor]:
    """Maps (h, w) of one size -> masks (2h, 2w) bool: where a map, relative to its maximum, is at or above its threshold.

    Among the ``exclusive`` ones a cell belongs to that whose relative map is highest there. Such a mask may be empty.
    """
    if not maps:
        return []
    levels = smoothed(torch.stack(list(maps)))
    masks = levels >= torch.tensor(thresholds)[:, None, None]
    rivals = [at for at, alone in enumerate(exclusive) if alone]
    if len(rivals) > 1:
        first = levels[rivals].argmax(0)
        for rank, at in enumerate(rivals):
            masks[at] &= first == rank
    return list(masks)


def smoothed(maps: Tensor) -> Tensor:
    """Maps (R, h, w) -> (R, 2h, 2w): a Gaussian of 3 × 3 cells, then bilinear; each relative to its maximum."""
    kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
    padded = F.pad(maps.float()[:, None], (1, 1, 1, 1), mode="replicate")
    soft = F.conv2d(padded, (kernel[:, None] * kernel)[None, None])[:, 0]
    fine = resized(soft, (soft.shape[1] * FINER, soft.shape[2] * FINER))
    return fine / fine.flatten(1).amax(1)[:, None, None].clamp_min(1e-12)
