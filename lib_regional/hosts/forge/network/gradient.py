"""Gradients through Forge's networks, which are written and loaded for inference alone.

Their weights are inference tensors, which autograd refuses to keep; their blocks add in place; their attention functions write into
their own scores. None of that is changed for good: within `with_gradient` every inference tensor is seen through an ordinary one that
shares its memory, what autograd keeps is a copy (but for the weights), and attention layers are answered by plain attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from ....engine.patching import patched_forward
from ...installing.sites import sites_of
from .attention import plain_attention


def ordinary(tensor: Tensor) -> Tensor:
    """An inference tensor or a weight as one that autograd may keep, in the same memory; any other as it is.

    A weight that was moved outside of inference mode is no longer marked as an inference tensor, but autograd still refuses it.
    Quantised weights have types of their own and are unchanged.
    """
    if not (tensor.is_inference() or isinstance(tensor, nn.Parameter)) or type(tensor) not in (Tensor, nn.Parameter):
        return tensor
    with torch.inference_mode(False), torch.no_grad():
        shared = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        return shared.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())


class _Ordinary(TorchFunctionMode):
    """Every function of PyTorch called within is given ordinary tensors."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return func(*_seen(args), **{name: _seen(value) for name, value in (kwargs or {}).items()})


def _seen(value: Any) -> Any:
    if isinstance(value, Tensor):
        return ordinary(value)
    return type(value)(map(_seen, value)) if type(value) in (tuple, list) else value


@contextmanager
def with_gradient(unet: nn.Module) -> Iterator[None]:
    """Until exit, outputs of ``unet`` are differentiable by its inputs, also after exit. Nothing stays patched."""
    with ExitStack() as stack:
        for _, attn in sites_of(unet):
            stack.enter_context(patched_forward(attn, _plain(attn)))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(saved_tensors_hooks(_kept({_memory(weight) for weight in unet.parameters()}), lambda kept: kept))
        stack.enter_context(_Ordinary())
        yield


def _kept(weights: set[int]) -> Callable[[Tensor], Tensor]:
    """The tensor that autograd saves: a copy, since the network may write into the original; ``weights`` are never written."""
    return lambda tensor: tensor if _memory(tensor) in weights else tensor.clone()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _plain(attn: Any) -> Callable[..., Tensor]:
    def answer(_: Any, x: Tensor, context: Tensor | None = None, value: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        context = x if context is None else context
        out = plain_attention(attn.to_q(x), attn.to_k(context), attn.to_v(context if value is None else value), attn.heads)
        projected: Tensor = attn.to_out(out)
        return projected

    return answer
