"""No step waits for the device: on shapes alone (the meta device), whatever would read a tensor's values raises."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from shapes import SIDES, Brought, ShapeModel
from steps import CASES, Case, installed

STEPS = (0, 1, 2)
"""Of 20. Steps later on are like the third one, with fewer regions or rules."""
PREPARED = (0, 1)
"""Those that may bring something to the device."""
LATER = ("mrgd",)
"""Methods that read words and draw rows anew in every step: they do not wait for values, but bring small tables along."""
ASKED = [case for case in CASES if not case.usual and case.regions == 2]


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    return ShapeModel("toy")


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.name)
def test_whole_steps(case: Case, model: ShapeModel) -> None:
    noise = x = model.latent(SIDES[model.kind])
    with torch.inference_mode(), installed(model, case):
        for index in STEPS:
            brought = Brought()
            with nullcontext() if index in PREPARED or case.method in LATER else brought:
                made = model.step(x.clone(), index, noise)
            assert made.shape == x.shape and not brought.found, brought.found


def test_reading_a_value_raises(model: ShapeModel) -> None:
    """What the test above stands on."""
    x = model.latent(64)
    for read in (lambda: float(x.sum()), lambda: bool(x.any()), lambda: x.cpu(), lambda: torch.nonzero(x), lambda: x[x > 0]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            read()
