"""What a step of SD1.5's UNet launches, as upper bounds: counted on shapes alone, so that it is the same everywhere."""

from __future__ import annotations

import pytest
import torch
from shapes import ShapeModel
from steps import CASES, Case, Cost, counted, run

MOST = {
    "couple, 1": (1.03, 1.01),
    "couple, 4": (1.05, 1.02),
    "couple, 16": (1.05, 1.04),
    "LoRAs on attention, separate: nothing, 2": (1.6, 1.08),
    "LoRAs on attention, separate: nothing, 4": (1.6, 1.14),
    "LoRAs on attention, separate: attention, 4": (1.6, 1.14),
    "LoRAs on attention, separate: all, 4": (2.2, 1.22),
}
"""Name of a case -> launches and FLOPs of a later step ÷ plain, at most."""
CASE = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    return ShapeModel("sd15")


@pytest.fixture(scope="module")
def plain(model: ShapeModel) -> Cost:
    with torch.inference_mode():
        [cost] = run(model, None, 1, counted)
    return cost


def test_a_plain_step_is_counted_as_ever(plain: Cost) -> None:
    """diffusers' own UNet: a few hundred operators, and the 680 GFLOPs a row that SD1.5 is known for."""
    assert 830 < plain.launches < 870
    assert 1.2e12 < plain.flops < 1.7e12


@pytest.mark.parametrize("name", MOST)
def test_a_later_step_launches_no_more_than(name: str, model: ShapeModel, plain: Cost) -> None:
    case: Case = CASE[name]
    with torch.inference_mode():
        cost = run(model, case, 2, counted)[-1]
    launches, flops = cost.launches / plain.launches, cost.flops / plain.flops
    assert (launches <= MOST[name][0], flops <= MOST[name][1]) == (True, True), (launches, flops)
