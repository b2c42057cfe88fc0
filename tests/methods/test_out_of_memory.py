"""Where memory does not suffice for one large call, attention couple gives the same picture in smaller ones, and says so in one line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import steps
import torch
from drawn_model import Drawn, DrawnLoras, drawn
from shapes import ShapeModel
from steps import Case, installed

from lib_regional.methods import couple
from lib_regional.methods.common import lora_work, region_lora
from lib_regional.methods.isolation import layers


def refused(*_: Any) -> Any:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")


LORAS = Case("LoRAs", 2, options={"separate": "all"}, loras="convolutions")


def stacks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(couple, "cheapest_way", lambda *_: ("stacked", None))


def combines(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(couple, "cheapest_way", lambda *_: ("combined", None))


def masks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers, "cheapest_isolation", lambda *_: "masked")


def puts_on_the_batch_axis(patch: pytest.MonkeyPatch) -> None:
    masks(patch)
    patch.setattr(layers, "attention_mask", layers.batched_of)


def stacks_loras(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lora_work, "stacking_loras_pays", lambda *_: True)
    patch.setattr(lora_work, "stacking_convs_pays", lambda *_: True)


def with_contexts(all_on_all: bool) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(region_lora, "stacking_on_rows_pays", lambda *_: all_on_all)


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    torch.manual_seed(0)
    made = Drawn("toy", torch.float32, "cpu")
    made.pair = drawn(2, 77, made.width, seed=3)
    return made


@pytest.mark.parametrize(
    ("owner", "large", "chosen", "case", "line"),
    [
        (couple, "attend_stacked", stacks, Case("couple, 4", 4), "cross-attention of all regions"),
        (couple, "attend_combined", combines, Case("couple, 4", 4), "cross-attention of all regions"),
        (
            layers,
            "attend_masked",
            masks,
            Case("LoRAs", 2, options={"separate": "attention"}, loras="attention"),
            "self-attention of all parts at once",
        ),
        (
            layers,
            "attend_batched",
            puts_on_the_batch_axis,
            Case("LoRAs", 2, options={"separate": "attention"}, loras="attention"),
            "self-attention of all parts at once",
        ),
        (region_lora, "add_outer", with_contexts(True), LORAS, "the LoRAs of all contexts at once"),
        (region_lora, "add_on_rows", with_contexts(False), LORAS, "the LoRAs of all contexts at once"),
        (lora_work, "add_outer", stacks_loras, LORAS, "the regions' LoRAs all at once"),
        (lora_work, "add_conv", stacks_loras, LORAS, "the regions' LoRAs all at once"),
    ],
)
def test_the_picture_is_the_same_in_smaller_calls(
    owner: Any, large: str, chosen: Any, case: Case, line: str, model: ShapeModel, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chosen(monkeypatch)
    monkeypatch.setattr(steps, "ShapeLoras", DrawnLoras)
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        with installed(model, case):
            wanted = [model.step(x, index, x) for index in range(2)]
        monkeypatch.setattr(owner, large, refused)
        with caplog.at_level(logging.WARNING), installed(model, case):
            found = [model.step(x, index, x) for index in range(2)]
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(found, wanted, strict=True))  # of values up to 60
    assert sum(line in record.getMessage() for record in caplog.records) == 1


def test_another_fault_of_attention_is_raised(model: ShapeModel, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a kernel failed")

    stacks(monkeypatch)
    monkeypatch.setattr(couple, "attend_stacked", broken)
    x = torch.zeros(1, 4, 16, 16)
    with torch.inference_mode(), installed(model, Case("couple, 4", 4)), pytest.raises(RuntimeError, match="a kernel failed"):
        model.step(x, 0, x)
