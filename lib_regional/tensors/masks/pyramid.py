"""Weight maps at the grids that attention sites see: computed once per size, looked up per layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ...request.layout.windows import Grid, Tile, Window
from .weight_maps import WeightMaps, weight_maps

if TYPE_CHECKING:
    from ...request.layout.regions import Layout

Active = tuple[int, ...]
Factors = tuple[float, ...]

_VANISHED = 0.25
"""A region whose largest weight at a site is under this share of its largest weight in the latent has vanished there."""

_LEAVE = 0.9
"""A vanished region takes at most this share of its cell, so that it never makes another one vanish."""


def ceil_halvings(size: int, target: int) -> int | None:
    """How many times ``size`` is halved, rounding up, to give ``target``; None if never."""
    for count in range(size.bit_length() + 1):
        if size == target:
            return count
        size = -(-size // 2)
    return None


def reduce_maps(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """maps (R, H, W) -> (R, h, w) by area average. Odd edges are halved with ceil, as the UNet's strided convolutions do."""
    height, width = maps.shape[-2:]
    down, across = ceil_halvings(height, grid[0]), ceil_halvings(width, grid[1])
    if down is None or across is None:
        return F.adaptive_avg_pool2d(maps[None], grid)[0]
    pad = (0, (grid[1] << across) - width, 0, (grid[0] << down) - height)
    padded = F.pad(maps[None], pad, mode="replicate") if any(pad) else maps[None]
    return F.avg_pool2d(padded, (1 << down, 1 << across))[0]


def reduce_weights(full: WeightMaps, grid: tuple[int, int]) -> WeightMaps:
    """Weight maps of the latent -> those of a site; sum 1 stays, and no region vanishes from a coarse site."""
    share = reduce_maps(full.share, grid)
    weights = _keep_vanished(full.regions, reduce_maps(full.regions, grid))
    total = weights.sum(0).clamp_min(1)
    weights = weights / total
    return WeightMaps(weights, (1 - weights.sum(0)).clamp_min(0), share)


def _keep_vanished(full: Tensor, reduced: Tensor) -> Tensor:
    """Regions (R, h, w) in which every vanished region holds the cell nearest its centroid with its full weight."""
    if not full.numel():
        return reduced
    peaks = full.flatten(1).amax(1)
    lost = torch.nonzero((peaks > 0) & (reduced.flatten(1).amax(1) < _VANISHED * peaks))[:, 0].tolist()
    if not lost:
        return reduced
    kept = torch.zeros_like(reduced)
    for r in lost:
        row, column = _centroid_cell(full[r], (reduced.shape[1], reduced.shape[2]))
        kept[r, row, column] = peaks[r]
    kept = kept * (_LEAVE / kept.sum(0).clamp_min(_LEAVE))
    others = reduced * (1 - kept.sum(0))
    others[lost] = torch.where(kept[lost] > 0, 0.0, others[lost])
    return others + kept


def _centroid_cell(mask: Tensor, grid: tuple[int, int]) -> tuple[int, int]:
    total = mask.sum()
    row = (mask.sum(1) * torch.arange(mask.shape[0])).sum() / total
    column = (mask.sum(0) * torch.arange(mask.shape[1])).sum() / total
    return (min(grid[0] - 1, int((row + 0.5) * grid[0] / mask.shape[0])), min(grid[1] - 1, int((column + 0.5) * grid[1] / mask.shape[1])))


def scaled_layout(layout: Layout, factors: Factors) -> Layout:
    """``layout`` with its regions' weights multiplied by ``factors``."""
    if all(factor == 1 for factor in factors):
        return layout
    regions = [replace(region, weight=region.weight * factor) for region, factor in zip(layout.regions, factors, strict=True)]
    return replace(layout, regions=tuple(regions))


def cut_maps(full: WeightMaps, window: Window) -> WeightMaps:
    """Weight maps of a whole latent -> those of the piece in ``window``."""
    return WeightMaps(window.of(full.regions), window.of(full.base), window.of(full.share))


def _unchanged(layout: Layout) -> Layout:
    return layout


class FoundLayouts(Protocol):
    """Layouts with masks that were found for each image by itself."""

    def varies(self, active: Sequence[int]) -> bool:
        """Whether the masks of these regions differ from image to image."""
        ...

    def layout(self, image: int) -> Layout:
        """The layout of an image with its masks."""
        ...


class Pyramid:
    """Weight maps of one layout by (active regions, latent size, grid), and by image where masks are ``found``."""

    def __init__(self, layout: Layout, found: FoundLayouts | None = None, change: Callable[[Layout], Layout] = _unchanged) -> None:
        """``change`` is made of the layout and of those that are found."""
        self._layout = change(layout)
        self._found = found
        self._change = change
        self._full: dict[tuple[Active, Factors, Grid, int | None], WeightMaps] = {}
        self._sites: dict[tuple[Active, Factors, Grid, Grid, Tile | None, int | None], WeightMaps] = {}

    def at(
        self, active: Active, latent: Grid, grid: Grid, factors: Factors = (), tile: Tile | None = None, image: int | None = None
    ) -> WeightMaps:
        """Maps for the ``active`` regions of a latent (H, W) as a site of ``grid`` (h, w) sees them.

        ``factors`` multiply the regions' weights (default: 1 each). With a ``tile`` the latent is that window of a larger one.
        """
        owner = image if self._found is not None and self._found.varies(active) else None
        key = (active, factors, latent, grid, tile, owner)
        if key not in self._sites:
            whole = self._whole(active, factors, latent if tile is None else tile.canvas, owner)
            full = whole if tile is None else cut_maps(whole, tile.window)
            self._sites[key] = full if grid == latent else reduce_weights(full, grid)
        return self._sites[key]

    def _whole(self, active: Active, factors: Factors, latent: Grid, owner: int | None) -> WeightMaps:
        key = (active, factors, latent, owner)
        if key not in self._full:
            layout = self._layout if owner is None or self._found is None else self._change(self._found.layout(owner))
            self._full[key] = weight_maps(scaled_layout(layout, factors), *latent, active)
        return self._full[key]
