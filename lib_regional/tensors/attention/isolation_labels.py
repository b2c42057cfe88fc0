"""Labelled canvases: which places see each other, and what lies under a kernel.

All of it is integer arithmetic of the host, in numpy, done once for many layers before they run: an operator of PyTorch on the CPU costs
several times what the same costs there, and a device would be waited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..lora.deltas import LayerKind

Grid = tuple[int, int]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Labels = NDArray[np.signedinteger[Any]]

COMMON = 0
"""Label of places that belong to nobody: all see them, and they see all."""


def sees(mine: Labels | int, other: Labels | int) -> Bools:
    """Whether places labelled ``mine`` see those labelled ``other``."""
    found: Bools = (np.equal(mine, other)) | np.equal(mine, COMMON) | np.equal(other, COMMON)
    return found


def divided(labels: Tensor) -> bool:
    """Whether in any row of labels (B, h, w) on the CPU places of two labels do not see each other."""
    owned = (row[row != COMMON] for row in labels.numpy())
    return any(len(row) and row.min() != row.max() for row in owned)


def distinct(rows: Ints) -> tuple[Ints, list[int]]:
    """The rows of (B, l) that differ, (U, l), and which of them each row is."""
    numbers: dict[bytes, int] = {}
    of_row = [numbers.setdefault(row.tobytes(), len(numbers)) for row in rows]
    return rows[[of_row.index(number) for number in range(len(numbers))]], of_row


def kinds_of(row: Ints) -> list[int]:
    """The labels in a row, in order."""
    found: list[int] = np.flatnonzero(np.bincount(row.ravel())).tolist()
    return found


def near_labels(labels: Ints, reach: int) -> Bools:
    """(B, h·w, n) for labels (B, h, w): whether a place of a label lies within ``reach`` of a place; none with a reach of 0."""
    count = int(labels.max()) + 1
    if not reach:
        return np.zeros((len(labels), labels[0].size, count), bool)
    here = labels[..., None] == np.arange(count)
    return _widened(_widened(here, 1, reach), 2, reach).reshape(len(labels), -1, count)


def _widened(here: Bools, axis: int, reach: int) -> Bools:
    """Whether it is true within ``reach`` along an axis."""
    size = here.shape[axis]
    counts = np.cumsum(here, axis, dtype=np.int32)
    counts = np.concatenate([np.zeros_like(counts.take([0], axis)), counts], axis)
    at = np.arange(size)
    found: Bools = counts.take(np.minimum(at + reach + 1, size), axis) > counts.take(np.maximum(at - reach, 0), axis)
    return found


def outputs_of(layer: LayerKind, kernel: Grid, inputs: Grid) -> Grid:
    """The size of a layer's output for inputs of a size."""
    height, width = (
        (inputs[axis] + 2 * layer.padding[axis] - layer.dilation[axis] * (kernel[axis] - 1) - 1) // layer.stride[axis] + 1
        for axis in (0, 1)
    )
    return height, width


BEYOND = -1
"""Label of what a kernel covers outside of the canvas."""


def under_taps(layer: LayerKind, kernel: Grid, canvas: Labels, outputs: Grid) -> Iterator[Labels]:
    """canvas (B, H, W) -> for each tap of a convolution's kernel what lies under it for every output (B, h, w), `BEYOND` outside."""
    pads = []
    for axis in (0, 1):
        reach = (outputs[axis] - 1) * layer.stride[axis] + (kernel[axis] - 1) * layer.dilation[axis] + 1
        pads.append((layer.padding[axis], max(0, reach - layer.padding[axis] - canvas.shape[axis + 1])))
    padded = np.pad(canvas, ((0, 0), *pads), constant_values=BEYOND)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * layer.dilation[0], column * layer.dilation[1]
            rows = slice(top, top + (outputs[0] - 1) * layer.stride[0] + 1, layer.stride[0])
            yield padded[:, rows, left : left + (outputs[1] - 1) * layer.stride[1] + 1 : layer.stride[1]]


def inputs_under(layer: LayerKind, kernel: Grid, inputs: Grid, width: int, places: Ints) -> Ints:
    """The flat inputs (n, taps) that the flat outputs ``places`` (n,) of a convolution are made of; ``width``: columns of its output.

    Where the kernel lies outside of the canvas, the nearest input stands.
    """
    at = [
        (start * layer.stride[axis] - layer.padding[axis])[:, None] + np.arange(kernel[axis]) * layer.dilation[axis]
        for axis, start in enumerate(np.divmod(places, width))
    ]
    rows, columns = (one.clip(0, size - 1) for one, size in zip(at, inputs, strict=True))
    flat: Ints = (rows[:, :, None] * inputs[1] + columns[:, None]).reshape(len(places), kernel[0] * kernel[1])
    return flat


def brought(arrays: Sequence[NDArray[Any]], device: torch.device | str) -> list[Tensor]:
    """Arrays of one type on a device, all of them in one copy."""
    joined = torch.from_numpy(np.concatenate([array.ravel() for array in arrays])).to(device)
    parts = joined.split([array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]


@dataclass(frozen=True)
class Ranges:
    """``numbers(count, device)``: 0 … count − 1 on one device, made once."""

    made: dict[tuple[int, torch.device], Tensor] = field(default_factory=dict)

    def __call__(self, count: int, device: torch.device) -> Tensor:
        name = (count, device)
        if name not in self.made:
            self.made[name] = torch.arange(count, device=device)
        return self.made[name]
