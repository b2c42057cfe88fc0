"""Labelled canvases: which places see each other. Everything here runs on the CPU, before layers do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

COMMON = 0
"""Label of places that belong to nobody: all see them, and they see all."""


def sees(mine: Tensor, other: Tensor) -> Tensor:
    """Whether places labelled ``mine`` see those labelled ``other``."""
    return (mine == other) | (mine == COMMON) | (other == COMMON)


def divided(labels: Tensor) -> bool:
    """Whether in any row of labels (B, h, w) places of two labels do not see each other."""
    return any(len(row[row != COMMON].unique()) > 1 for row in labels)


def near_labels(labels: Tensor, reach: int) -> Tensor:
    """(B, h·w, n) bool: whether a place of a label lies within ``reach`` of a place; none with a reach of 0."""
    places = F.one_hot(labels).movedim(-1, 1).float()
    if not reach:
        return torch.zeros_like(places, dtype=torch.bool).flatten(2).mT
    return F.max_pool2d(places, 2 * reach + 1, 1, reach).bool().flatten(2).mT
