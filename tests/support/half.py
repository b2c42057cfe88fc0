"""Cases of half precision for tests that compare with a reference, and how near each of them must come.

Inputs are rounded to what fp16 and bf16 both hold exactly (`exact`), so that one reference in double precision serves every case.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

Test = TypeVar("Test", bound=Callable[..., object])

TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""Error relative to the reference that is allowed: three to five roundings of the narrowest type that computes."""
_NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


@dataclass(frozen=True)
class Case:
    """Tensors of ``dtype``, under autocast to ``autocast`` or without."""

    dtype: torch.dtype
    autocast: torch.dtype | None = None

    @property
    def name(self) -> str:
        """For test ids: ``fp32 under fp16``."""
        return _NAMES[self.dtype] + ("" if self.autocast is None else f" under {_NAMES[self.autocast]}")

    @property
    def computes(self) -> torch.dtype:
        """The narrowest type in play."""
        return self.autocast or self.dtype

    def ambient(self) -> AbstractContextManager[object]:
        """Autocast as a host has it around sampling."""
        return nullcontext() if self.autocast is None else torch.autocast("cpu", dtype=self.autocast)

    def of(self, tensor: Tensor) -> Tensor:
        """A tensor in the case's type."""
        return tensor.to(self.dtype)


CASES = (
    Case(torch.float32),
    Case(torch.float16),
    Case(torch.bfloat16),
    Case(torch.float32, torch.float16),
    Case(torch.float16, torch.float16),
    Case(torch.float32, torch.bfloat16),
    Case(torch.bfloat16, torch.bfloat16),
)


@lru_cache
def runs_here(case: Case) -> bool:
    """Whether this PyTorch computes the case on the CPU: before 2.3 it had no fp16 products there, and no autocast to them."""
    x = torch.ones(1, 2, 2, 2, dtype=case.dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with case.ambient():
                done = F.linear(F.scaled_dot_product_attention(x, x, x), torch.ones(2, 2, dtype=case.dtype))
                F.conv2d(F.group_norm(x, 1), torch.ones(2, 2, 1, 1, dtype=case.dtype)).softmax(-1)
    except (RuntimeError, UserWarning):
        return False
    return done.dtype == case.computes


def every_precision(test: Test) -> Test:
    """Mark a test ``half`` and run it with each case as its argument ``case``."""
    cases = [
        pytest.param(case, id=case.name, marks=pytest.mark.skipif(not runs_here(case), reason="this PyTorch has no fp16 on the CPU"))
        for case in CASES
    ]
    return pytest.mark.half(pytest.mark.parametrize("case", cases)(test))


def every_dtype(test: Test) -> Test:
    """Run a test with each type that this PyTorch computes in on the CPU as its argument ``dtype``."""
    cases = [
        pytest.param(
            dtype, id=str(dtype), marks=pytest.mark.skipif(not runs_here(Case(dtype)), reason="this PyTorch has no fp16 on the CPU")
        )
        for dtype in TOLERANCE
    ]
    return pytest.mark.parametrize("dtype", cases)(test)


def exact(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Normal numbers in fp32 that fp16 and bf16 hold exactly."""
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale
    return drawn.to(torch.bfloat16).to(torch.float16).float()


def relative_error(got: Tensor, expected: Tensor) -> float:
    """‖got − expected‖ / ‖expected‖, or the largest difference in terms of the largest value where that is more."""
    difference, wanted = got.double() - expected.double(), expected.double()
    by_norm = difference.norm() / wanted.norm().clamp_min(1e-300)
    return float(torch.maximum(by_norm, difference.abs().max() / wanted.abs().max().clamp_min(1e-300)))


def assert_near(got: Tensor, expected: Tensor, case: Case, dtype: torch.dtype | None = None) -> None:
    """``got`` is finite, of the case's type (or ``dtype``), and within the tolerance of what computes."""
    assert got.dtype == (dtype or case.dtype)
    assert torch.isfinite(got).all()
    error = relative_error(got, expected)
    assert error <= TOLERANCE[case.computes], f"{case.name}: relative error {error:.1e}"
