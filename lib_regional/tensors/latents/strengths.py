"""Denoising strengths per cell, and the cells that are free at a step. (Differential diffusion: Levin and Fried, 2023)"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...request.layout.regions import Layout
from ..masks.weight_maps import raster_scale, region_mask


def strength_map(layout: Layout, strengths: Sequence[float], outside: float, height: int, width: int) -> Tensor:
    """(height, width) in 0..1: ``outside``, over which every enabled region lays its own strength by its feathered mask, those of higher
    priority and later ones on top; drawn finely and averaged over each cell."""
    regions = [at for at, region in enumerate(layout.regions) if region.enabled]
    scale = raster_scale(height, width)
    found = torch.full((height * scale, width * scale), float(outside))
    for at in sorted(regions, key=lambda at: (layout.regions[at].priority, at)):
        found = found.lerp(torch.tensor(float(strengths[at])), region_mask(layout.regions[at], *found.shape))
    return F.avg_pool2d(found[None], scale)[0] if scale > 1 else found


def free_cells(strengths: Tensor, remaining: float) -> Tensor:
    """Where a strength exceeds the share of the noise schedule that remains after a step, bool; the others are held at the source."""
    return strengths > remaining + 1e-6
