"""From attention maps of words to masks (design, section 13): carried over the object by self-attention, normalised, cut at a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..attention.maps import normalised, resized

FINER = 2
"""Cells of a mask per cell of the finest map, on each side: an outline between cells is not lost."""


def word_masks(maps: Sequence[Tensor], affinity: Tensor | None, thresholds: Sequence[float], exclusive: Sequence[bool]) -> list[Tensor]:
    """Maps (h, w) of one size -> masks (2h, 2w) bool: where a map, stretched to 0..1, is at or above its threshold.

    ``affinity`` (h·w, h·w) ≥ 0 is self-attention, from which query to which key. Among the ``exclusive`` ones a cell belongs to that whose
    stretched map is highest there. Such a mask may be empty.
    """
    if not maps:
        return []
    levels = word_levels(torch.stack(list(maps)), affinity)
    masks = levels >= torch.tensor(thresholds)[:, None, None]
    rivals = [at for at, alone in enumerate(exclusive) if alone]
    if len(rivals) > 1:
        first = levels[rivals].argmax(0)
        for rank, at in enumerate(rivals):
            masks[at] &= first == rank
    return list(masks)


def word_levels(maps: Tensor, affinity: Tensor | None) -> Tensor:
    """Maps (R, h, w) -> (R, 2h, 2w), each stretched to 0..1.

    A word's attention is strong at marked places of its object and weak at others; every cell takes the mean of the cells that its
    self-attention goes to, which are of the same object: ``m' = A m`` (as training-free segmentation by diffusion models does). On the
    small model this raised the overlap with the outlines of single objects from 0.57 to 0.75 (docs/masks.md).
    """
    spread = maps.float()
    if affinity is not None:
        rows = affinity.float() / affinity.float().sum(-1, keepdim=True).clamp_min(1e-12)
        spread = (rows @ spread.flatten(1).T).T.reshape(maps.shape)
    return normalised(resized(spread, (maps.shape[1] * FINER, maps.shape[2] * FINER)))
