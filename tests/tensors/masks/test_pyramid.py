"""Weight maps at attention sites."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_regional.request.layout.regions import Layout, Region
from lib_regional.request.layout.shapes import Box
from lib_regional.tensors.masks.pyramid import Pyramid, ceil_halvings, reduce_maps, reduce_weights
from lib_regional.tensors.masks.weight_maps import weight_maps


@pytest.mark.parametrize(("size", "chain"), [(64, [64, 32, 16, 8]), (33, [33, 17, 9, 5]), (25, [25, 13, 7, 4]), (1, [1, 1])])
def test_grids_halve_rounding_up(size, chain):
    assert [ceil_halvings(size, g) for g in dict.fromkeys(chain)] == list(range(len(dict.fromkeys(chain))))


corner, side = st.integers(0, 95), st.integers(1, 60)


def test_a_grid_that_no_halving_gives_is_still_reduced():
    assert ceil_halvings(64, 20) is None
    assert reduce_maps(torch.ones(2, 64, 64), (20, 20)).shape == (2, 20, 20)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), levels=st.integers(0, 3), seed=st.integers(0, 999))
def test_reduction_is_the_area_average_over_the_cells_a_token_stands_for(height, width, levels, seed):
    maps = torch.rand(2, height, width, generator=torch.Generator().manual_seed(seed))
    grid = (-(-height // 2**levels), -(-width // 2**levels))
    got = reduce_maps(maps, grid)
    down, across = ceil_halvings(height, grid[0]), ceil_halvings(width, grid[1])
    for i in range(grid[0]):
        for j in range(grid[1]):
            rows = np.minimum(np.arange(i * 2**down, (i + 1) * 2**down), height - 1)
            columns = np.minimum(np.arange(j * 2**across, (j + 1) * 2**across), width - 1)
            expected = maps[:, rows][:, :, columns].mean((1, 2))
            torch.testing.assert_close(got[:, i, j], expected, atol=1e-5, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    data=st.lists(st.tuples(corner, corner, side, side, st.sampled_from([0.0, 0.2, 0.9])), min_size=1, max_size=6),
    height=st.integers(4, 40), width=st.integers(4, 40), levels=st.integers(0, 4),
)  # fmt: skip
def test_sums_stay_one_and_no_region_vanishes(data, height, width, levels):
    layout = Layout(
        tuple(
            Region(Box(x / 100, y / 100, min(1, (x + w) / 100), min(1, (y + h) / 100)), base_share=b, feather=0) for x, y, w, h, b in data
        )
    )
    full = weight_maps(layout, height, width)
    site = reduce_weights(full, (-(-height // 2**levels), -(-width // 2**levels)))
    torch.testing.assert_close(site.regions.sum(0) + site.base, torch.ones(site.grid), atol=1e-5, rtol=0)
    assert (site.regions >= 0).all() and (site.base >= 0).all()
    for r in range(len(data)):
        if full.regions[r].max() > 0:
            assert site.regions[r].max() > 0


def test_a_region_smaller_than_a_coarse_cell_keeps_the_cell_at_its_centre():
    layout = Layout(
        (Region(Box(0.70, 0.30, 0.72, 0.32), base_share=0, feather=0), Region(Box(0, 0, 1, 1), base_share=0, feather=0, weight=0.001))
    )
    full = weight_maps(layout, 64, 64)
    site = reduce_weights(full, (8, 8))
    assert site.regions[0, 2, 5] == pytest.approx(min(0.9, full.regions[0].max().item()), abs=1e-5)
    assert (site.regions[0] > 0.01).sum() == 1


def test_the_pyramid_computes_once_and_looks_up_after():
    pyramid = Pyramid(Layout((Region(Box(0, 0, 0.5, 1)),)))
    first = pyramid.at((0,), (16, 16), (8, 8))
    assert pyramid.at((0,), (16, 16), (8, 8)) is first
    assert pyramid.at((), (16, 16), (8, 8)).base.eq(1).all()
    assert pyramid.at((0,), (16, 24), (8, 12)).grid == (8, 12)


def test_factors_multiply_the_weights_of_regions():
    boxes = (Region(Box(0, 0, 1, 1), base_share=0), Region(Box(0, 0, 1, 1), base_share=0, weight=2))
    maps = Pyramid(Layout(boxes)).at((0, 1), (4, 4), (4, 4), (1.0, 0.5))
    assert maps.regions[0].allclose(torch.tensor(0.5)) and maps.regions[1].allclose(torch.tensor(0.5))
