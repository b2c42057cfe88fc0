"""The box around a weight map, and the soft edges of overlapping windows."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from ...request.layout.windows import ALIGN, SMALLEST, Window, canvas_of, fitted, region_tiles, tiles, widened

NEGLIGIBLE = 1e-4
"""Weights below this are rounding, not a region."""


def support(weight: Tensor) -> Window | None:
    """The smallest window around the cells of ``weight`` (H, W) that are not negligible; None where all are."""
    kept = weight > NEGLIGIBLE
    rows, columns = torch.nonzero(kept.any(1))[:, 0], torch.nonzero(kept.any(0))[:, 0]
    if not len(rows):
        return None
    return Window(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


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


__all__ = [
    "ALIGN",
    "NEGLIGIBLE",
    "SMALLEST",
    "Window",
    "canvas_of",
    "fitted",
    "region_tiles",
    "support",
    "tile_weights",
    "tiles",
    "widened",
]
