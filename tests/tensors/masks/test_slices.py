"""Slices by depth: exact borders, sums of 255 at every pixel, equal areas."""

import pytest
import torch

from lib_regional.tensors.masks.slices import depth_positions, even_positions, slice_levels


def ramp(height: int = 4, width: int = 256) -> torch.Tensor:
    """Positions that grow from left to right, 0 to 1."""
    return torch.linspace(0, 1, width, dtype=torch.float64).expand(height, width)


def test_the_nearest_pixel_is_at_0_and_the_farthest_at_1():
    found = depth_positions(torch.tensor([[5.0, 3.0], [1.0, 3.0]]))
    assert found.tolist() == [[0.0, 0.5], [1.0, 0.5]]


@pytest.mark.parametrize("wrong", [torch.ones(2, 2), torch.tensor([[1.0, float("nan")]]), torch.tensor([[1.0, float("inf")]])])
def test_depth_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="no depth"):
        depth_positions(wrong)


@pytest.mark.parametrize("levels", [255, 51, 17])
@pytest.mark.parametrize("softness", [0.0, 0.05, 0.4, 1.0])
@pytest.mark.parametrize("count", [2, 3, 7, 32])
def test_slices_add_up_to_255_at_every_pixel(count, softness, levels):
    positions = torch.rand(20, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    found = slice_levels(positions, [at / count for at in range(count + 1)], softness, levels)
    assert found.shape == (count, 20, 30)
    assert bool((found.to(torch.int64).sum(0) == 255).all())


def test_hard_slices_hold_what_lies_between_their_borders():
    found = slice_levels(ramp(), (0, 0.25, 0.75, 1), 0.0)
    expected = torch.stack([ramp() < 0.25, (ramp() >= 0.25) & (ramp() < 0.75), ramp() >= 0.75])
    assert torch.equal(found, expected.to(torch.uint8) * 255)


def test_a_soft_border_is_half_at_its_place_and_as_wide_as_it_says():
    (near, far) = slice_levels(ramp(1, 1001), (0, 0.5, 1), 0.2).to(torch.int64)
    assert int(near[0, 500]) in (127, 128) and int(far[0, 500]) in (127, 128)
    assert int(near[0, 400]) == 255 and int(near[0, 600]) == 0 and int(near[0, 450]) == pytest.approx(191, abs=1)


def test_a_slice_is_its_two_halves():
    whole = slice_levels(ramp(), (0.2, 0.8), 0.1)[0]
    halves = slice_levels(ramp(), (0.2, 0.5, 0.8), 0.1)
    assert torch.equal(halves.sum(0, dtype=torch.int64), whole.to(torch.int64))


def test_slices_of_equal_area_hold_equally_many_pixels():
    positions = depth_positions(-(torch.rand(30, 40, generator=torch.Generator().manual_seed(0)) ** 4))
    plain = slice_levels(positions, (0, 0.25, 0.5, 0.75, 1), 0).gt(0).sum((1, 2))
    even = slice_levels(even_positions(positions), (0, 0.25, 0.5, 0.75, 1), 0).gt(0).sum((1, 2))
    assert even.tolist() == [300] * 4 and plain.max() > 600


def test_equally_far_pixels_stay_together():
    positions = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    assert even_positions(positions).tolist() == [[0.375, 0.375, 0.375, 0.875]]
