"""Labelled canvases whose parts are equal rectangles side by side, as two columns or quadrants are.

Their parts go onto the batch axis and back by a change of axes, one copy of whole runs of memory each way: as many operators as a gather
by indices, and on a CPU a fraction of its time.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from .isolation_labels import COMMON, Grid, Ints


def tiling_of(labels: Ints) -> Grid | None:
    """How many rows and columns of equal rectangles the labels (B, h, w) make, the same in all B; None where they do not.

    Every label has exactly one rectangle in a row of the batch, and no place is of `COMMON`.
    """
    first = labels[0]
    height, width = int(np.equal(first[:, 0], first[0, 0]).sum()), int(np.equal(first[0], first[0, 0]).sum())
    rows, columns = first.shape[0] // height, first.shape[1] // width
    if (rows * height, columns * width) != first.shape or bool((labels == COMMON).any()):
        return None
    tiles = labels.reshape(len(labels), rows, height, columns, width)
    corners = tiles[:, :, :1, :, :1]
    kinds = np.sort(corners.reshape(len(labels), -1))
    return (rows, columns) if (tiles == corners).all() and (kinds[:, 1:] != kinds[:, :-1]).all() else None


def into_tiles(x: Tensor, tiling: Grid) -> Tensor:
    """x (B, C, H, W) -> (B·n, C, H/rows, W/columns) with n = rows · columns, in reading order."""
    (batch, channels, height, width), (rows, columns) = x.shape, tiling
    parts = x.reshape(batch, channels, rows, height // rows, columns, width // columns)
    return parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, height // rows, width // columns)


def from_tiles(y: Tensor, tiling: Grid) -> Tensor:
    """The inverse of `into_tiles` for y (B·n, C, h', w') -> (B, C, rows·h', columns·w')."""
    (_, channels, height, width), (rows, columns) = y.shape, tiling
    parts = y.reshape(-1, rows, columns, channels, height, width)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, rows * height, columns * width)
