"""What a step of SD1.5's UNet launches, as upper bounds: counted on shapes alone, so that it is the same everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from host_time import OWN, calls
from shapes import ShapeModel
from steps import CASES, Case, Cost, counted, launched, run

from lib_regional.engine.records import score_record

MOST = {
    "couple, 1": (1.0, 1.01, 1.4),
    "couple, 4": (1.01, 1.02, 1.5),
    "couple, 16": (1.02, 1.04, 2.0),
    "couple, 1, references: 1": (1.02, 1.01, 1.5),
    "couple, 2, references: 2": (1.08, 1.01, 1.75),
    "LoRAs on attention, separate: nothing, 4": (1.52, 1.14, 2.4),
    "LoRAs on attention, separate: attention, 4": (1.49, 1.14, 2.5),
    "LoRAs on attention, separate: norms, 4": (1.63, 1.14, 2.65),
    "LoRAs on attention alone, separate: nothing, 4": (1.3, 1.07, 2.1),
    "LoRAs on attention alone, separate: all, 4": (1.42, 1.0, 2.5),
    "LoRAs on attention, separate: all, 4": (1.65, 1.06, 2.75),
    "latent couple, full, 4": (2.1, 2.6, 2.3),
    "latent couple, crop, 4": (2.1, 2.3, 2.4),
    "MultiDiffusion, 4": (1.1, 2.3, 1.5),
    "latent composite, alone, 4": (1.1, 1.3, 1.6),
}
"""Name of a case -> launches and FLOPs of a later step, and launches of the first one, ÷ plain, at most."""
CALLS = {
    "couple, 4": 510,
    "couple, 16": 640,
    "LoRAs on attention alone, separate: nothing, 4": 1850,
    "LoRAs on attention alone, separate: all, 4": 4150,
    "LoRAs on attention, separate: nothing, 4": 2700,
    "LoRAs on attention, separate: all, 4": 5050,
}
"""Name of a case -> functions of our own that the third step calls, at most; a plain step calls some 17 000 of PyTorch and diffusers."""
COUNTS_FLOPS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)
"""Older PyTorch (2.1 and 2.3 were tried) counts no FLOPs in inference mode: there launches alone are held."""
CASE = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    return ShapeModel("sd15")


@pytest.fixture(scope="module")
def plain(model: ShapeModel) -> Cost:
    with torch.inference_mode():
        [cost] = run(model, None, 1, counted)
    return cost


@pytest.fixture(scope="module")
def sdxl() -> tuple[ShapeModel, Cost]:
    """SDXL's UNet, and what a plain step of it launches."""
    model = ShapeModel("sdxl")
    with torch.inference_mode():
        [cost] = run(model, None, 1, launched)
    return model, cost


def test_a_plain_step_is_counted_as_ever(plain: Cost) -> None:
    """diffusers' own UNet: a few hundred operators, and the 680 GFLOPs a row that SD1.5 is known for."""
    assert 830 < plain.launches < 870
    assert 1.2e12 < plain.flops < 1.7e12 if COUNTS_FLOPS else plain.flops == 0


@pytest.mark.parametrize("name", MOST)
def test_steps_launch_no_more_than(name: str, model: ShapeModel, plain: Cost) -> None:
    case: Case = CASE[name]
    measures = iter((launched, counted, lambda step: calls(step, OWN)))
    with torch.inference_mode():
        first, later, ours = run(model, case, 3, lambda step: next(measures)(step))
    flops = later.flops / plain.flops if COUNTS_FLOPS else 0.0
    ratios = later.launches / plain.launches, flops, first.launches / plain.launches
    assert all(got <= most for got, most in zip(ratios, MOST[name], strict=True)), ratios
    assert 0 < ours <= CALLS.get(name, ours), "our own functions that a step calls"


def test_regions_made_by_themselves_cost_a_fifth_more_while_that_lasts(model: ShapeModel, plain: Cost) -> None:
    """And then nothing: norms and convolutions are no longer hooked."""
    case = replace(CASE["couple, 4, isolated"], options={"isolate_until": 0.1})  # two of twenty steps
    measures = iter((launched, launched, launched, lambda step: calls(step, OWN)))
    with torch.inference_mode():
        _, lasting, behind, ours = run(model, case, 4, lambda step: next(measures)(step))
    assert lasting.launches <= 1.2 * plain.launches and behind.launches <= 1.01 * plain.launches
    assert 0 < ours <= 580, "our own functions that a step calls"


def test_norms_and_convolutions_by_themselves_cost_a_fifth_more_while_that_lasts(model: ShapeModel, plain: Cost) -> None:
    case = replace(CASE["couple, 4, isolated"], options={"isolate_until": 0.05, "local_until": 0.15})  # a step, and two more
    with torch.inference_mode():
        _, _, lasting, behind = run(model, case, 4, launched)
    assert lasting.launches <= 1.2 * plain.launches and behind.launches <= 1.01 * plain.launches


@pytest.mark.parametrize(("name", "more"), [("couple, 4", 0), pytest.param("MultiDiffusion, 4", 8, marks=pytest.mark.slow)])
def test_a_scored_step_launches_next_to_nothing(name: str, more: int, model: ShapeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries and keys are kept as they are; predictions of their own project them once more, in one layer."""
    monkeypatch.setattr(score_record, "STEPS", (0.05,))
    case: Case = CASE[name]
    with torch.inference_mode():
        [_, unscored] = run(model, case, 2, launched)
        [_, scored] = run(model, replace(case, scores=True), 2, launched)
    assert unscored.launches <= scored.launches <= unscored.launches + more


@pytest.mark.slow
def test_mrgd_launches_no_more_than(model: ShapeModel, plain: Cost) -> None:
    """Guidance and attention control included, at a step with a source."""
    with torch.inference_mode():
        first, later = run(model, CASE["MRGD, 4"], 2, launched)
    assert later.launches <= 6.7 * plain.launches and first.launches <= 6.8 * plain.launches


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("couple, 16", 1.05), ("LoRAs on attention, separate: all, 4", 2.3)])
def test_sdxl_launches_no_more_than(name: str, most: float, sdxl: tuple[ShapeModel, Cost]) -> None:
    model, plain = sdxl
    with torch.inference_mode():
        later = run(model, CASE[name], 2, launched)[-1]
    assert later.launches / plain.launches <= most
