"""Grown and faded masks against naive loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.tensors.masks.growth import bounding_box, faded_inside, grown


def blob(seed: int, height: int = 17, width: int = 23) -> torch.Tensor:
    return (torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) > 0.97).float()


@given(st.integers(0, 50), st.integers(0, 4))
def test_grown_is_the_maximum_of_a_square(seed: int, radius: int) -> None:
    mask = blob(seed)
    expected = torch.zeros_like(mask)
    for y, x in mask.nonzero().tolist():
        expected[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1] = 1
    assert torch.equal(grown(mask, radius), expected)


@given(st.integers(0, 50), st.integers(0, 20))
def test_a_faded_mask_stays_inside_and_keeps_a_middle(seed: int, width: int) -> None:
    mask = grown(blob(seed), 3)
    if mask.any():
        soft = faded_inside(mask, width)
        assert torch.equal(soft * (1 - mask), torch.zeros_like(mask))
        assert soft.min() >= 0 and soft.max() == 1


def test_a_wide_box_fades_by_a_ramp_and_not_at_the_canvas() -> None:
    mask = torch.zeros(12, 40)
    mask[:, 20:] = 1
    soft = faded_inside(mask, 8)
    assert torch.equal(soft[0], soft[11]) and soft[0, 39] == 1
    steps = soft[0, 19:30].diff()
    assert soft[0, 19] == 0 and soft[0, 30] == 1 and (steps >= 0).all() and steps.max() < 0.2


@pytest.mark.parametrize(("margin", "expected"), [(0, (3, 2, 6, 9)), (2, (1, 0, 8, 11)), (50, (0, 0, 20, 12))])
def test_the_bounding_box(margin: int, expected: tuple[int, ...]) -> None:
    mask = torch.zeros(12, 20)
    mask[2, 3] = mask[8, 5] = 1
    assert bounding_box(mask, margin) == expected
