"""From a layout to weight maps: the weight of every region's contribution at every cell.

Notation of the design, section 0: masks ``m_r``, cover ``c = min(1, Σ m_r)``, relative share ``u_r = c · w_r m_r / Σ w_s m_s``,
weight maps ``ŵ_r = (1 − b_r) · u_r`` and ``ŵ_base = 1 − Σ ŵ_r``: never negative, sum 1 everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...request.errors import SettingsError
from ...request.layout.boxes import Box, Ellipse
from ...request.layout.combined import Combined
from ...request.layout.procedural import Procedural
from ...request.layout.shapes import MaskImage, Polygon, Shape
from ...request.words.shape import Words
from .combining import combined_mask
from .decoding import mask_at
from .procedural import procedural_mask

if TYPE_CHECKING:
    from ...request.layout.regions import Layout, Region

_RASTER_LIMIT = 1024 * 1024
"""Pixels of the drawing raster above which a cell is drawn with fewer than 8×8 of them."""

_RASTERS_LIMIT = 32 * 1024 * 1024
"""The same for the rasters of all regions together (128 MB)."""

_BAND = 4 * 1024 * 1024
"""Pixels of all rasters that are shared out at a time."""


@dataclass(frozen=True)
class WeightMaps:
    """``regions`` (R, h, w) and ``base`` (h, w) sum to 1 at every cell; ``share`` (R, h, w) is u_r, before the base share."""

    regions: Tensor
    base: Tensor
    share: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.base.shape[0], self.base.shape[1]


def weight_maps(layout: Layout, height: int, width: int, active: Sequence[int] | None = None) -> WeightMaps:
    """Weight maps of ``layout`` on a grid of ``height`` × ``width`` cells.

    ``active`` are the positions of the regions that take part (default: the enabled ones); the others get weight 0.
    """
    full = _shares(layout, height, width, active, relative_shares)
    kept = 1 - torch.tensor([region.base_share for region in layout.regions])
    weights = full * kept[:, None, None]
    return WeightMaps(weights, (1 - weights.sum(0)).clamp_min(0), full)


def strength_maps(layout: Layout, height: int, width: int, active: Sequence[int] | None = None, base_strength: float = 0.0) -> WeightMaps:
    """Maps of conditionings with masks and strengths s_r (the regions' weights): ``s_r m_r / (base + Σ s m)`` at every cell.

    The base has strength 1 in the holes and ``base_strength`` where regions are: ``base = (1 − c) + base_strength · c``. With
    ``base_strength`` 1 this is the sum that hosts with masks for conditionings form natively. A base share moves strength to the base.
    """
    shares = _shares(layout, height, width, active, functools.partial(_strengths, base_strength=base_strength))
    kept = 1 - torch.tensor([region.base_share for region in layout.regions])
    weights = shares * kept[:, None, None]
    return WeightMaps(weights, (1 - weights.sum(0)).clamp_min(0), shares)


def _strengths(masks: Tensor, strengths: Tensor, base_strength: float) -> Tensor:
    cover = masks[strengths > 0].sum(0).clamp_max(1)
    weighted = masks * strengths[:, None, None]
    return weighted / (1 - cover + base_strength * cover + weighted.sum(0)).clamp_min(1e-12)


def _shares(layout: Layout, height: int, width: int, active: Sequence[int] | None, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``rule(masks (n, …), weights (n,))`` of the active regions, drawn finely and averaged -> (R, height, width), 0 for the others."""
    chosen = [i for i, region in enumerate(layout.regions) if region.enabled] if active is None else list(active)
    full = torch.zeros(len(layout.regions), height, width)
    if not chosen:
        return full
    regions = [layout.regions[i] for i in chosen]
    scale = raster_scale(height, width, len(regions))
    masks = torch.empty(len(regions), height * scale, width * scale)
    for mask, at, region in zip(masks, chosen, regions, strict=True):
        try:
            mask.copy_(region_mask(region, height * scale, width * scale))
        except SettingsError as error:
            raise error.at(f"regions[{at}]", region.label(at)) from error
    weights = torch.tensor([region.weight for region in regions])
    rows = max(1, _BAND // (len(regions) * width * scale * scale))
    for top in range(0, height, rows):
        band = masks[:, top * scale : (top + rows) * scale]
        if layout.overlap == "over":
            band = occlude(band, [region.priority for region in regions])
        share = rule(band, weights)
        full[chosen, top : top + rows] = F.avg_pool2d(share[None], scale)[0] if scale > 1 else share
    return full


def raster_scale(height: int, width: int, regions: int = 1) -> int:
    """Pixels per cell side in which shapes are drawn: 8, less on large canvases and for very many regions."""
    most = min(_RASTER_LIMIT, _RASTERS_LIMIT // regions)
    return next((s for s in (8, 4, 2) if height * width * s * s <= most), 1)


def occlude(masks: Tensor, priorities: Sequence[float]) -> Tensor:
    """masks (R, H, W) -> (R, H, W): ``m_r · Π_{z_s > z_r} (1 − m_s)``; equal priorities do not hide each other."""
    visible = torch.empty_like(masks)
    left = torch.ones_like(masks[0])
    for priority in sorted(set(priorities), reverse=True):
        equal = [r for r, other in enumerate(priorities) if other == priority]
        for r in equal:
            visible[r] = masks[r] * left
        for r in equal:
            left = left * (1 - masks[r])
    return visible


def relative_shares(masks: Tensor, weights: Tensor) -> Tensor:
    """masks (R, H, W) in [0, 1], weights (R,) ≥ 0 -> u (R, H, W) with Σ u = min(1, Σ m) wherever a weight is not 0."""
    weighted = masks * weights[:, None, None]
    total = weighted.sum(0)
    cover = masks[weights > 0].sum(0).clamp_max(1)
    return torch.where(total > 0, cover * weighted / total.clamp_min(1e-12), 0.0)


def region_mask(region: Region, height: int, width: int) -> Tensor:
    """The region's own mask (height, width) in [0, 1], feathered, without regard to its neighbours."""
    return feather(shape_mask(region.shape, height, width), region.feather)


def shape_mask(shape: Shape, height: int, width: int) -> Tensor:
    """Shape in the unit square -> (height, width) in [0, 1]; but for words never empty (at least the pixel at its centre)."""
    mask = _DRAW[type(shape)](shape, height, width)
    if not mask.any() and not isinstance(shape, Words):
        bounds = shape.bounds
        row, column = (bounds.y0 + bounds.y1) / 2 * height, (bounds.x0 + bounds.x1) / 2 * width
        mask[min(height - 1, int(row)), min(width - 1, int(column))] = 1
    return mask


def feather(mask: Tensor, share: float) -> Tensor:
    """Soften the edges of ``mask`` (H, W) by a linear ramp ``share`` of the shorter side wide, centred on the edge.

    A box filter is linear, so masks that tile the canvas still sum to 1; the canvas border does not fade.
    """
    radius = round(share * min(mask.shape) / 2)
    if radius < 1 or mask.min() == mask.max():
        return mask
    soft = _box_filter(_box_filter(mask.double(), radius).T, radius).T
    return soft.clamp(0, 1).to(mask.dtype).contiguous()


def _box_filter(rows: Tensor, radius: int) -> Tensor:
    """rows (n, W) -> (n, W): averages of 2·radius + 1 neighbours, edges repeated; from running sums, so for any radius alike fast."""
    padded = F.pad(rows[None], (radius + 1, radius), mode="replicate")[0]
    sums = padded.cumsum(1)
    return (sums[:, 2 * radius + 1 :] - sums[:, : -2 * radius - 1]) / (2 * radius + 1)


def _box(shape: Box, height: int, width: int) -> Tensor:
    left, top, right, bottom = shape.pixels(width, height)
    mask = torch.zeros(height, width)
    mask[top:bottom, left:right] = 1
    return mask


def _centres(count: int) -> Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def _ellipse(shape: Ellipse, height: int, width: int) -> Tensor:
    y = (2 * _centres(height) - shape.y0 - shape.y1) / (shape.y1 - shape.y0)
    x = (2 * _centres(width) - shape.x0 - shape.x1) / (shape.x1 - shape.x0)
    return (y[:, None] ** 2 + x[None] ** 2 <= 1).float()


def _polygon(shape: Polygon, height: int, width: int) -> Tensor:
    """Even-odd fill: every edge toggles the rest of the rows it crosses; the parity of the running sum is the inside."""
    toggles = torch.zeros(height, width + 1, dtype=torch.int32)
    rows = _centres(height)
    points = shape.points
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        crossed = torch.nonzero((rows >= min(y0, y1)) & (rows < max(y0, y1)))[:, 0]
        if len(crossed):
            x = x0 + (rows[crossed] - y0) * (x1 - x0) / (y1 - y0)
            columns = torch.ceil(x * width - 0.5).clamp(0, width).long()
            toggles.index_put_((crossed, columns), torch.ones(len(crossed), dtype=torch.int32), accumulate=True)
    return (toggles.cumsum(1)[:, :width] % 2).float()


def _image(shape: MaskImage, height: int, width: int) -> Tensor:
    return mask_at(shape.data, height, width)


def _words(shape: Words, height: int, width: int) -> Tensor:
    """The mask that was found; before that there is none."""
    return torch.zeros(height, width) if shape.found is None else mask_at(shape.found, height, width)


def _combined(shape: Combined, height: int, width: int) -> Tensor:
    return combined_mask(shape, [_DRAW[type(part)](part, height, width) for part in shape.of])


_DRAW: dict[type, Callable[[Any, int, int], Tensor]] = {
    Box: _box,
    Ellipse: _ellipse,
    Polygon: _polygon,
    MaskImage: _image,
    Procedural: procedural_mask,
    Combined: _combined,
    Words: _words,
}
