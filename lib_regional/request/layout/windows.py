"""Rectangles of a latent: crops that a UNet takes, and overlapping tiles. Pure arithmetic, in cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .boxes import Box

Grid = tuple[int, int]
"""Rows and columns ``(h, w)`` of a token grid or a latent."""

ALIGN = 8
"""Crops begin and end at multiples of this many cells, so that every downsampling of the UNet falls on the same cells as in the canvas."""

SMALLEST = 8
"""Cells of the smallest crop's side."""


SLACK = 1.25
"""A region's box so much longer than a window is still one window."""


@dataclass(frozen=True)
class Window:
    """Cells ``top`` to ``bottom`` and ``left`` to ``right`` of a latent, the latter of each excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def grid(self) -> Grid:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return self.grid[0] * self.grid[1]

    def of(self, tensor: Any) -> Any:
        """View of ``tensor`` (…, H, W) -> (…, h, w)."""
        return tensor[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Tile:
    """A ``window`` that a tiled host samples by itself, of a latent of ``canvas`` (H, W) cells."""

    canvas: Grid
    window: Window


def canvas_of(grid: Grid) -> Window:
    """The window of a whole latent (H, W)."""
    return Window(0, 0, *grid)


def fitted(box: Window, canvas: Grid, halo: int = 0) -> Window:
    """``box`` grown by ``halo`` cells and outwards to multiples of `ALIGN`, at least `SMALLEST` cells a side, inside ``canvas``."""
    top, bottom = _fitted(box.top, box.bottom, canvas[0], halo)
    left, right = _fitted(box.left, box.right, canvas[1], halo)
    return Window(top, left, bottom, right)


def _fitted(first: int, last: int, size: int, halo: int) -> tuple[int, int]:
    first = max(0, first - halo) // ALIGN * ALIGN
    last = min(size, -(-(last + halo) // ALIGN) * ALIGN)
    if last - first < SMALLEST:
        first = max(0, last - SMALLEST)
    return first, max(last, min(size, first + SMALLEST))


def widened(box: Window, canvas: Grid, side: int) -> Window:
    """``box`` grown to at least ``side`` cells a side (or all there are), the box in the middle where there is room."""
    top, bottom = _widened(box.top, box.bottom, canvas[0], side)
    left, right = _widened(box.left, box.right, canvas[1], side)
    return Window(top, left, bottom, right)


def _widened(first: int, last: int, size: int, side: int) -> tuple[int, int]:
    length = max(last - first, min(side, size))
    start = min(max(0, (first + last - length) // 2), size - length)
    return start, start + length


def tiles(area: Window, side: int, overlap: float) -> tuple[Window, ...]:
    """Windows of at most ``side`` cells that cover ``area``, neighbours sharing at least ``overlap`` (0 to under 1) of a side.

    The paths of MultiDiffusion (Bar-Tal et al. 2023, section 4), spread evenly.
    """
    rows = _spans(area.top, area.bottom, side, overlap)
    columns = _spans(area.left, area.right, side, overlap)
    return tuple(Window(top, left, bottom, right) for top, bottom in rows for left, right in columns)


def region_tiles(area: Window, side: int, overlap: float) -> tuple[Window, ...]:
    """As `tiles`, but an area up to `SLACK` sides long stays whole: four windows for a soft border of some cells would be waste."""
    return (area,) if max(area.grid) <= SLACK * side else tiles(area, side, overlap)


def _spans(first: int, last: int, side: int, overlap: float) -> list[tuple[int, int]]:
    length = last - first
    if length <= side:
        return [(first, last)]
    stride = max(1, int(side * (1 - overlap)))
    count = -(-(length - side) // stride) + 1
    exact = [at * (length - side) // (count - 1) for at in range(count)]
    aligned = [*(start // ALIGN * ALIGN for start in exact[:-1]), length - side]
    fits = all(0 < after - before <= stride for before, after in pairwise(aligned))
    return [(first + start, first + start + side) for start in (aligned if fits else exact)]


def window_around(bounds: Box, latent: Grid, halo: int = 0) -> Window:
    """The window around ``bounds`` (in the unit square) with ``halo`` cells on every side, inside the latent (H, W).

    Its sides are multiples of `ALIGN` cells, and at least so many, or the latent's own.
    """
    top, height = _side_around(bounds.y0, bounds.y1, latent[0], halo)
    left, width = _side_around(bounds.x0, bounds.x1, latent[1], halo)
    return Window(top, left, top + height, left + width)


def _side_around(low: float, high: float, cells: int, halo: int) -> tuple[int, int]:
    """(first cell, number of cells) along one side."""
    first = math.floor(low * cells + 1e-6) - halo
    last = math.ceil(high * cells - 1e-6) + halo
    size = max(ALIGN, -(-(last - first) // ALIGN) * ALIGN)
    if size >= cells:
        return 0, cells
    start = first - (size - (last - first)) // 2
    return min(max(0, start), cells - size), size
