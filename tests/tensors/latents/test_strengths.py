"""Strength maps against a naive reference, pixel by pixel; the cells that are free."""

from __future__ import annotations

import pytest
import torch

from lib_regional.request.layout.boxes import Box, Ellipse
from lib_regional.request.layout.regions import Layout, Region
from lib_regional.tensors.latents.strengths import free_cells, strength_map

OUTSIDE = 0.1
LAYOUT = Layout(
    (
        Region(Box(0.0, 0.0, 0.75, 1.0), denoise=0.8, feather=0.2, priority=1),
        Region(Ellipse(0.25, 0.25, 1.0, 1.0), denoise=0.3, feather=0.0),
        Region(Box(0.5, 0.0, 1.0, 0.5), denoise=0.5, feather=0.1, priority=1),
        Region(Box(0.0, 0.0, 1.0, 1.0), denoise=1.0, enabled=False),
    )
)


def naive(height, width, fine=8):
    """Painter's algorithm on every fine pixel with the definition of the feather (a box average), then averages over cells."""
    tall, wide = height * fine, width * fine

    def inside(region, y, x):
        y, x = min(max(y, 0), tall - 1), min(max(x, 0), wide - 1)
        v, u = (y + 0.5) / tall, (x + 0.5) / wide
        s = region.shape
        if isinstance(s, Ellipse):
            return ((2 * v - s.y0 - s.y1) / (s.y1 - s.y0)) ** 2 + ((2 * u - s.x0 - s.x1) / (s.x1 - s.x0)) ** 2 <= 1
        return s.y0 <= v < s.y1 and s.x0 <= u < s.x1

    def soft(region, y, x):
        radius = round(region.feather * min(tall, wide) / 2)
        around = range(-radius, radius + 1)
        return sum(inside(region, y + dy, x + dx) for dy in around for dx in around) / len(around) ** 2

    order = [LAYOUT.regions[1], LAYOUT.regions[0], LAYOUT.regions[2]]
    total = [[0.0] * width for _ in range(height)]
    for y in range(tall):
        for x in range(wide):
            value = OUTSIDE
            for region in order:
                mask = soft(region, y, x)
                value = value * (1 - mask) + region.denoise * mask
            total[y // fine][x // fine] += value / fine**2
    return torch.tensor(total)


def test_the_map_is_the_painters():
    found = strength_map(LAYOUT, [region.denoise for region in LAYOUT.regions], OUTSIDE, 4, 3)
    torch.testing.assert_close(found, naive(4, 3), atol=1e-5, rtol=0)


def test_without_regions_all_is_outside():
    assert strength_map(Layout(()), [], 0.5, 2, 2).tolist() == [[0.5] * 2] * 2


@pytest.mark.parametrize(("strength", "steps"), [(0.0, 0), (0.25, 2), (0.3, 3), (0.5, 4), (1.0, 8)])
def test_a_cell_is_free_in_its_share_of_the_steps(strength, steps):
    free = [bool(free_cells(torch.tensor([strength]), (8 - 1 - at) / 8)) for at in range(8)]
    assert free == [at >= 8 - steps for at in range(8)]
