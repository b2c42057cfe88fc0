"""The window of the latent that a region's own prediction covers (F_i of MultiDiffusion)."""

from __future__ import annotations

import math

from ...request.layout.shapes import Shape
from ...request.layout.windows import ALIGN as CELLS
from ...request.layout.windows import Grid, Window


def window_of(shape: Shape, latent: Grid, halo: int = 0) -> Window:
    """The window around ``shape`` with ``halo`` cells on every side, inside the latent (H, W).

    Its sides are multiples of `ALIGN` cells, and at least so many, or the latent's own.
    """
    box = shape.bounds
    top, height = _side(box.y0, box.y1, latent[0], halo)
    left, width = _side(box.x0, box.x1, latent[1], halo)
    return Window(top, left, top + height, left + width)


def _side(low: float, high: float, cells: int, halo: int) -> tuple[int, int]:
    """(first cell, number of cells) along one side."""
    first = math.floor(low * cells + 1e-6) - halo
    last = math.ceil(high * cells - 1e-6) + halo
    size = max(CELLS, -(-(last - first) // CELLS) * CELLS)
    if size >= cells:
        return 0, cells
    start = first - (size - (last - first)) // 2
    return min(max(0, start), cells - size), size
