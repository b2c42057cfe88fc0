"""Labelled canvases: which places see each other, and what lies under a kernel. All of it runs on the CPU, before layers do."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lora.deltas import LayerKind

Grid = tuple[int, int]

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


def outputs_of(layer: LayerKind, kernel: Grid, inputs: Grid) -> Grid:
    """The size of a layer's output for inputs of a size."""
    height, width = (
        (inputs[axis] + 2 * layer.padding[axis] - layer.dilation[axis] * (kernel[axis] - 1) - 1) // layer.stride[axis] + 1
        for axis in (0, 1)
    )
    return height, width


def under_kernel(layer: LayerKind, kernel: Grid, inputs: Grid, outputs: Grid) -> tuple[Tensor, Tensor]:
    """The flat inputs (h·w, taps) that each output of a convolution is made of, and which of them lie on the canvas."""
    at = [
        (torch.arange(outputs[axis]) * layer.stride[axis] - layer.padding[axis])[:, None]
        + torch.arange(kernel[axis]) * layer.dilation[axis]
        for axis in (0, 1)
    ]
    rows, columns = at[0][:, None, :, None], at[1][None, :, None, :]
    within = (rows >= 0) & (rows < inputs[0]) & (columns >= 0) & (columns < inputs[1])
    flat = rows.clamp(0, inputs[0] - 1) * inputs[1] + columns.clamp(0, inputs[1] - 1)
    return flat.flatten(2).flatten(0, 1), within.flatten(2).flatten(0, 1)


@dataclass(frozen=True)
class Ranges:
    """``numbers(count, device)``: 0 … count − 1 on one device, made once."""

    made: dict[int, Tensor] = field(default_factory=dict)

    def __call__(self, count: int, device: torch.device) -> Tensor:
        if count not in self.made:
            self.made[count] = torch.arange(count, device=device)
        return self.made[count]
