"""Full precision inside of models that compute in half.

Autocast reaches into ``@``, ``matmul``, ``einsum``, ``linear`` and convolutions whatever their inputs are, and sums in half overflow and
lose small differences. So statistics, sums of squares, softmaxes and optimisers of our own run in fp32 outside of it, and give back the
caller's type. Attention and projections stay in the model's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

_BEFORE_2_4: dict[str, Callable[[], bool]] = {
    name: getattr(torch, function)
    for name, function in (("cuda", "is_autocast_enabled"), ("cpu", "is_autocast_cpu_enabled"), ("xpu", "is_autocast_xpu_enabled"))
    if hasattr(torch, function)
}
"""Older PyTorch has a question for each kind of device, and no autocast for the others."""


def autocasts(device: torch.device | str) -> bool:
    """Whether autocast is on for what runs on ``device``."""
    kind = torch.device(device).type
    try:
        return bool(torch.is_autocast_enabled(kind))
    except TypeError:
        return _BEFORE_2_4.get(kind, lambda: False)()
    except RuntimeError:  # a kind of device that has no autocast (meta)
        return False


def full_precision(device: torch.device | str) -> AbstractContextManager[object]:
    """Disable autocast on ``device`` until exit, so that operations use the dtypes of their inputs; free where none is on."""
    return torch.autocast(torch.device(device).type, enabled=False) if autocasts(device) else nullcontext()


def single(x: Tensor) -> Tensor:
    """``x`` in fp32 where it is in half (or narrower), as it is where it is wide enough."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def in_type(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` in ``dtype``; nothing is dispatched where it is so already."""
    return x if x.dtype == dtype else x.to(dtype)
