"""Predictions of windows become one picture, and rows that are too much for the memory run in smaller calls."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from lib_regional.engine.calls import ModelCall, Row, StepInfo, UNetRow
from lib_regional.engine.plan import Plan, plan_pass
from lib_regional.methods.common.rows import Passes
from lib_regional.methods.mrgd.sides import Side
from lib_regional.request.layout.windows import Window
from lib_regional.request.settings import Settings
from lib_regional.tensors.latents.fusing import Fusion

LATENT = (8, 12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_sum_of_windows_is_the_sum_of_padded_pictures(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    windows = [Window(0, 0, 8, 12), Window(2, 3, 8, 9), Window(0, 6, 4, 12)]
    ys, weights = [torch.randn(4, *w.grid).to(dtype) for w in windows], [torch.rand(w.grid) for w in windows]
    for order in ([0, 1, 2], [1, 2, 0]):
        fusion, expected = Fusion(LATENT), torch.zeros(4, *LATENT, dtype=torch.float64)
        for at in order:
            fusion.add("a", windows[at], ys[at], weights[at])
            windows[at].of(expected).add_(ys[at].double() * weights[at])
        assert fusion.of("a").dtype == dtype and "b" not in fusion
        assert torch.allclose(fusion.of("a").double(), expected, atol=4e-3 if dtype == torch.float16 else 1e-6)


class Memory:
    """A UNet that has room for ``room`` rows; of each row it predicts its number. ``sizes`` are the calls that were tried."""

    def __init__(self, room: int, error: str = "CUDA out of memory. Tried to allocate 20 GiB") -> None:
        self._room, self._error, self.sizes = room, error, list[int]()
        self.model, self.x, self.tokens = ModelCall((Row(0, "cond"),), StepInfo(0, 1), (2, 2)), torch.zeros(7, 4, 2, 2), 77

    def run(self, rows: list[UNetRow]) -> Tensor:
        self.sizes.append(len(rows))
        if len(rows) > self._room:
            raise RuntimeError(self._error)
        return torch.tensor([float(row.source) for row in rows])[:, None, None, None].expand(-1, 4, 2, 2)


def predicted(passes: Passes, memory: Any, count: int) -> dict[int, float]:
    return {at: float(y.mean()) for at, y in passes(memory, [UNetRow(n) for n in range(count)])}


@pytest.mark.parametrize(("room", "tried"), [(7, [7]), (4, [7, 3, 3, 1]), (3, [7, 3, 3, 1]), (1, [7, 3, *[1] * 7])])
def test_rows_run_in_smaller_calls_where_memory_does_not_suffice(room: int, tried: list[int], caplog: pytest.LogCaptureFixture) -> None:
    memory, passes = Memory(room), Passes(rows=16)
    with caplog.at_level(logging.WARNING):
        assert predicted(passes, memory, 7) == {n: float(n) for n in range(7)}
    assert memory.sizes == tried
    assert [f"going on with {size}" in record.getMessage() for size, record in zip(tried[1:], caplog.records, strict=False)] == [
        True
    ] * sum(size > room for size in tried)
    predicted(passes, memory, 7)
    assert max(memory.sizes[len(tried) :]) <= room, "the next step does not try what was too much before"


@pytest.mark.parametrize(("room", "error"), [(0, "out of memory"), (1, "a kernel failed")], ids=["one row too many", "another error"])
def test_what_smaller_calls_cannot_mend_is_the_host_s_own_error(room: int, error: str) -> None:
    with pytest.raises(RuntimeError, match=error):
        predicted(Passes(rows=16), Memory(room, error), 2)


@pytest.mark.parametrize("index", [0, 12], ids=["before the joined prediction", "with it"])
@pytest.mark.parametrize("role", ["cond", "uncond"])
def test_the_shares_of_an_edit_s_predictions_sum_to_1(index: int, role: Any) -> None:
    regions = [
        {"ellipse": [0.1, 0.1, 0.7, 0.6], "prompt": "a", "base_share": 0.3},
        {"box": [0.5, 0.2, 1, 1], "prompt": "b", "feather": 0.1},
    ]
    settings = Settings.parse({"enabled": True, "method": "mrgd", "regions": regions})
    plan = Plan(settings, settings.layout(), (256, 192), plan_pass(settings, ["main"], ["negative"], 20))
    total = torch.zeros(24, 32)
    for job in Side("target", plan, 2, 0.5).jobs(0, role, StepInfo(index, 20), (24, 32)):
        job.window.of(total).add_(job.weight)
    assert torch.allclose(total, torch.ones(24, 32), atol=1e-6)
