"""The source's trajectory beside the sampler's: which samplers it follows, found without waiting for the device in every step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lib_regional.methods.mrgd import trajectory
from lib_regional.methods.mrgd.trajectory import CONVERSIONS, Source, find_conversion
from lib_regional.request.errors import RegionalError

LEVELS = [(0.1, 0.99), (0.4, 0.9), (0.7, 0.7), (0.9, 0.4), (0.97, 0.2)]


def sampled(run: Source, fresh: float, steps: int, dtype: torch.dtype = torch.float32) -> None:
    """Steps of DDIM with a share of fresh noise."""
    torch.manual_seed(0)
    clean, x = torch.randn(1, 4, 6, 6), torch.randn(1, 4, 6, 6)
    for at, (alpha, beta) in enumerate(LEVELS[:steps]):
        if at:
            before = LEVELS[at - 1]
            noise = (x - before[0] * clean) / before[1]
            x = alpha * clean + beta * ((1 - fresh**2) ** 0.5 * noise + fresh * torch.randn_like(x))
        call: Any = SimpleNamespace(x=x.to(dtype), alpha=alpha, beta=beta)
        run.arrive(call)
        run.leave(call, clean.to(dtype), clean.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_sampler_of_first_order_is_followed(dtype: torch.dtype) -> None:
    run = Source()
    sampled(run, 0.0, len(LEVELS), dtype)
    run.check()


def test_fresh_noise_is_refused_at_the_last_step_that_is_looked_at() -> None:
    sampled(Source(), 0.5, trajectory._CHECKED)
    with pytest.raises(RegionalError, match="first order"):
        sampled(Source(), 0.5, trajectory._CHECKED + 1)


def test_a_sampling_of_few_steps_is_checked_at_its_end() -> None:
    run = Source()
    sampled(run, 0.5, 2)
    with pytest.raises(RegionalError, match="first order"):
        run.check()


def test_not_a_number_is_refused() -> None:
    run = Source()
    sampled(run, 0.0, 2)
    run._strayed = torch.tensor(float("nan"))
    with pytest.raises(RegionalError, match="first order"):
        run.check()


def test_the_device_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tensor] = []
    before = Tensor.__float__
    monkeypatch.setattr(Tensor, "__float__", lambda self: (asked.append(self), before(self))[1], raising=False)
    sampled(Source(), 0.0, len(LEVELS))
    assert len(asked) == 1


@pytest.mark.parametrize("meaning", CONVERSIONS)
def test_the_meaning_of_the_output_is_found_on_the_device(meaning: trajectory.Conversion) -> None:
    torch.manual_seed(1)
    x, output, other = torch.randn(3, 2, 4, 5, 5)
    convert = find_conversion(x, output, meaning(x, output, 0.6, 0.8), 0.6, 0.8)
    assert torch.equal(convert(x, other, 0.9, 0.3), meaning(x, other, 0.9, 0.3))
    meta = [t.to("meta") for t in (x, output, other)]
    assert find_conversion(meta[0], meta[1], meta[2], 0.6, 0.8)(meta[0], meta[1], 0.6, 0.8).shape == x.shape
