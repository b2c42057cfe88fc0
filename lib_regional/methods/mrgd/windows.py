"""The part of the latent that a region's own prediction sees (F_i of MultiDiffusion)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ...request.layout.shapes import Shape
from ...request.layout.windows import Grid

CELLS = 8
"""Windows are at least so many cells high and wide, and their sides are multiples of it."""


@dataclass(frozen=True)
class Window:
    """Rows ``top`` … ``top + height`` and columns ``left`` … ``left + width`` of a latent."""

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> Grid:
        """(h, w)"""
        return self.height, self.width

    def of(self, x: Tensor) -> Tensor:
        """x (…, H, W) -> (…, h, w), a view."""
        return x[..., self.top : self.top + self.height, self.left : self.left + self.width]


def whole(latent: Grid) -> Window:
    """The window that sees everything."""
    return Window(0, 0, *latent)


def window_of(shape: Shape, latent: Grid, halo: int = 0) -> Window:
    """The window around ``shape`` with ``halo`` cells on every side, inside the latent (H, W)."""
    box = shape.bounds
    top, height = _side(box.y0, box.y1, latent[0], halo)
    left, width = _side(box.x0, box.x1, latent[1], halo)
    return Window(top, left, height, width)


def _side(low: float, high: float, cells: int, halo: int) -> tuple[int, int]:
    """(first cell, number of cells) along one side."""
    first = math.floor(low * cells + 1e-6) - halo
    last = math.ceil(high * cells - 1e-6) + halo
    size = max(CELLS, -(-(last - first) // CELLS) * CELLS)
    if size >= cells:
        return 0, cells
    start = first - (size - (last - first)) // 2
    return min(max(0, start), cells - size), size
