"""Where memory does not suffice for one large call, attention couple gives the same picture in smaller ones, and says so in one line."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from shapes import ShapeModel
from steps import Case, installed

from lib_regional.methods import couple
from lib_regional.methods.common import isolation


def refused(*_: Any) -> Any:
    raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")


def stacks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(couple, "cheapest_way", lambda *_: ("stacked", None))


def combines(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(couple, "cheapest_way", lambda *_: ("combined", None))


def masks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(isolation, "masking_pays", lambda *_: True)


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    torch.manual_seed(0)
    return ShapeModel("toy", torch.float32, "cpu")


@pytest.mark.parametrize(
    ("owner", "large", "chosen", "case", "line"),
    [
        (couple, "attend_stacked", stacks, Case("couple, 4", 4), "cross-attention of all regions"),
        (couple, "attend_combined", combines, Case("couple, 4", 4), "cross-attention of all regions"),
        (
            isolation,
            "attend_masked",
            masks,
            Case("LoRAs", 2, options={"separate": "attention"}, loras="attention"),
            "masked self-attention",
        ),
    ],
)
def test_the_picture_is_the_same_in_smaller_calls(
    owner: Any, large: str, chosen: Any, case: Case, line: str, model: ShapeModel, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    chosen(monkeypatch)
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        with installed(model, case):
            wanted = [model.step(x, index, x) for index in range(2)]
        monkeypatch.setattr(owner, large, refused)
        with caplog.at_level(logging.WARNING), installed(model, case):
            found = [model.step(x, index, x) for index in range(2)]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, wanted, strict=True))
    assert sum(line in record.getMessage() for record in caplog.records) == 1


def test_another_fault_of_attention_is_raised(model: ShapeModel, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a kernel failed")

    stacks(monkeypatch)
    monkeypatch.setattr(couple, "attend_stacked", broken)
    x = torch.zeros(1, 4, 16, 16)
    with torch.inference_mode(), installed(model, Case("couple, 4", 4)), pytest.raises(RuntimeError, match="a kernel failed"):
        model.step(x, 0, x)
