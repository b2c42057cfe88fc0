"""Rectangles of a latent: the box around a weight map, crops that a UNet takes, and overlapping tiles with soft edges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..ports import Grid

ALIGN = 8
"""Crops begin and end at multiples of this many cells, so that every downsampling of the UNet falls on the same cells as in the canvas."""

SMALLEST = 8
"""Cells of the smallest crop's side."""

NEGLIGIBLE = 1e-4
"""Weights below this are rounding, not a region."""


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

    def of(self, tensor: Tensor) -> Tensor:
        """View of ``tensor`` (…, H, W) -> (…, h, w)."""
        return tensor[..., self.top : self.bottom, self.left : self.right]


def canvas_of(grid: Grid) -> Window:
    """The window of a whole latent (H, W)."""
    return Window(0, 0, *grid)


def support(weight: Tensor) -> Window | None:
    """The smallest window around the cells of ``weight`` (H, W) that are not negligible; None where there is none."""
    loud = weight > NEGLIGIBLE
    rows, columns = torch.nonzero(loud.any(1))[:, 0], torch.nonzero(loud.any(0))[:, 0]
    if not len(rows):
        return None
    return Window(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


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


def tiles(area: Window, side: int, overlap: float) -> tuple[Window, ...]:
    """Windows of at most ``side`` cells that cover ``area``, neighbours sharing at least ``overlap`` (0 to under 1) of a side.

    The paths of MultiDiffusion (Bar-Tal et al. 2023, section 4), spread evenly.
    """
    rows = _spans(area.top, area.bottom, side, overlap)
    columns = _spans(area.left, area.right, side, overlap)
    return tuple(Window(top, left, bottom, right) for top, bottom in rows for left, right in columns)


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


def tile_weights(windows: tuple[Window, ...]) -> list[Tensor]:
    """Weights (h, w) of overlapping windows, in order: linear ramps where neighbours overlap, sum 1 at every cell that one covers."""
    rows = _ramps({(w.top, w.bottom) for w in windows})
    columns = _ramps({(w.left, w.right) for w in windows})
    return [rows[w.top, w.bottom][:, None] * columns[w.left, w.right] for w in windows]


def _ramps(spans: set[tuple[int, int]]) -> dict[tuple[int, int], Tensor]:
    """Weights of the spans of one axis: of the products of two such sets the sum is 1 as well."""
    ordered = sorted(spans)
    ramps = {span: torch.ones(span[1] - span[0], dtype=torch.float64) for span in ordered}
    for before, after in pairwise(ordered):
        shared = before[1] - after[0]
        if shared > 0:
            rise = (torch.arange(shared, dtype=torch.float64) + 0.5) / shared
            ramps[after][:shared] = torch.minimum(ramps[after][:shared], rise)
            ramps[before][-shared:] = torch.minimum(ramps[before][-shared:], rise.flip(0))
    total = torch.zeros(ordered[-1][1], dtype=torch.float64)
    for (first, last), ramp in ramps.items():
        total[first:last] += ramp
    return {(first, last): (ramp / total[first:last]).float() for (first, last), ramp in ramps.items()}
