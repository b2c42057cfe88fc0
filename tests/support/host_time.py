"""A step's cost on the host's side: calls, the same everywhere, and processor time without what the meta device alone costs."""

from __future__ import annotations

import cProfile
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType

import torch
from torch import Tensor

OWN = str(Path(__file__).parents[2] / "lib_regional")


def cpu_seconds(run: Callable[[], object]) -> float:
    """Seconds of this process that ``run`` takes: without a device that computes, those of Python and of dispatching."""
    start = time.process_time()
    run()
    return time.process_time() - start


def calls(run: Callable[[], object], of: str = "") -> int:
    """How many functions ``run`` calls, those of PyTorch's C++ included; with ``of`` those alone whose source lies in that folder."""
    profile = cProfile.Profile()
    profile.enable()
    run()
    profile.disable()
    return sum(entry.callcount for entry in profile.getstats() if not of or _lies_in(entry.code, of))


def _lies_in(code: CodeType | str, folder: str) -> bool:
    return isinstance(code, CodeType) and code.co_filename.startswith(folder)


def dispatch_in_cpp() -> None:
    """From now on, in this process, operators on the meta device are dispatched in C++, as they are on a device that computes.

    PyTorch registers Python functions over most of them, which take ten times as long and call a hundred functions: half a second of a
    plain step, of which a GPU's host sees nothing. Convolutions, norms, attention and bags have none there and get a short one; others keep
    theirs.
    Raises AttributeError on a PyTorch that keeps its Python functions elsewhere.
    """
    from torch import _meta_registrations as python
    from torch._decomp import global_decomposition_table

    python._meta_lib_dont_use_me_use_register_meta._destroy()
    library = torch.library.Library("aten", "IMPL", "Meta")
    short = {"convolution": python.meta_conv, "native_group_norm": _group_norm, "native_layer_norm": _layer_norm}
    short |= {"_embedding_bag_forward_only": _bags, "scaled_dot_product_attention": _attention}
    for name, function in short.items():
        library.m.impl(name, "Meta", function, False)
    tables = [global_decomposition_table[kind] for kind in ("pre_autograd", "post_autograd", "meta")]
    for operator, function in {key: value for table in tables for key, value in table.items()}.items():
        if isinstance(operator, torch._ops.OpOverload) and operator.namespace == "aten" and not _is_dispatched(operator.name()):
            library.m.impl(operator.name().removeprefix("aten::"), "Meta", function, False)
    _KEPT.append(library)


def _is_dispatched(name: str) -> bool:
    """Whether an operator has a function for the meta device, or one for all devices, in C++."""
    keys = ("Meta", "CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")
    return any(torch._C._dispatch_has_kernel_for_dispatch_key(name, key) for key in keys)


Made = tuple[Tensor, ...]
_KEPT: list[object] = []
"""A library's functions are registered as long as it lives."""


def _group_norm(x: Tensor, weight: Tensor, bias: Tensor, rows: int, channels: int, cells: int, groups: int, eps: float) -> Made:
    return torch.empty_like(x), x.new_empty((rows, groups)), x.new_empty((rows, groups))


def _layer_norm(x: Tensor, shape: list[int], weight: Tensor, bias: Tensor, eps: float) -> Made:
    per_token = (*x.shape[: -len(shape)], *(1 for _ in shape))
    return torch.empty_like(x), x.new_empty(per_token), x.new_empty(per_token)


def _bags(table: Tensor, index: Tensor, starts: Tensor, *rest: object) -> Made:
    return table.new_empty((starts.shape[0], table.shape[1])), index.new_empty(0), index.new_empty(0), index.new_empty(0)


def _attention(q: Tensor, k: Tensor, v: Tensor, *rest: object, **options: object) -> Tensor:
    return q.new_empty((q.shape[0], q.shape[2], q.shape[1], v.shape[-1])).transpose(1, 2)
