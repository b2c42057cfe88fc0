"""How a layer uses its weight, read from its attributes rather than from its class: hosts bring classes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from ...request.errors import RegionalError
from .deltas import LayerDelta, LayerKind

_CONVOLUTIONS = ("Conv2d", "Conv2dWithLoRA")
"""Names of the hosts' classes in a Control-LoRA: modules of their own, which add a low rank to the UNet's weight whenever they run."""


def _is_convolution(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) or (type(module).__name__ in _CONVOLUTIONS and hasattr(module, "up"))


def kind_of(module: nn.Module) -> LayerKind | None:
    """The kind of a layer that a LoRA may change; None for any other module."""
    if _is_convolution(module):
        stride, padding, dilation = (_pair(getattr(module, name)) for name in ("stride", "padding", "dilation"))
        return LayerKind("conv", stride, padding, dilation, int(getattr(module, "groups", 1)))
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    if isinstance(module, nn.GroupNorm):
        return LayerKind("group_norm", groups=module.num_groups, eps=module.eps)
    if isinstance(module, nn.LayerNorm):
        return LayerKind("layer_norm", eps=module.eps)
    linear = isinstance(module, nn.Linear) or type(module).__name__ == "Linear"
    return LayerKind("linear") if linear and weight.dim() == 2 else None


def kernel_of(module: nn.Module) -> tuple[int, int]:
    """Cells under the kernel of a layer that has a kind: rows, columns; (1, 1) for all but convolutions."""
    return _pair(module.kernel_size) if _is_convolution(module) else (1, 1)


def pads_zeros(module: nn.Module) -> bool:
    """Whether a layer sees zeros beyond its input. Tiling makes it see the other side: by padding mode, or by another ``_conv_forward``."""
    return getattr(module, "padding_mode", "zeros") == "zeros" and "_conv_forward" not in vars(module)


def spatial_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names and modules of a network's layers that mix different positions: group norms, and convolutions wider than a cell."""
    for name, module in network.named_modules():
        kind = kind_of(module)
        if kind is not None and (kind.kind == "group_norm" or kernel_of(module) != (1, 1)):
            yield name, module


def own_weights(module: nn.Module, like: Tensor) -> LayerDelta:
    """A layer that has a kind, as what it adds to nothing: its weight and bias, on the device of ``like`` and in their own types.

    Hosts that are short of memory keep weights elsewhere between two runs of a layer: on the CPU, or (accelerate) beside the module, which
    is left with empty ones. Raises `RegionalError` for a weight that is nowhere to be found.
    """
    kind = kind_of(module)
    assert kind is not None
    [owner] = getattr(module, "weight_module", None) or [module]  # of a Control-LoRA on AUTOMATIC1111: the UNet's layer
    weight, bias = _parameter(owner, "weight", like), _parameter(module, "bias", like)
    up, down = getattr(module, "up", None), getattr(module, "down", None)
    if weight is not None and isinstance(up, Tensor) and isinstance(down, Tensor):
        weight = weight.to(like.dtype) + (up.flatten(1) @ down.flatten(1)).view(weight.shape).to(like)
    return LayerDelta(kind, weight=weight, bias=bias)


def _parameter(module: nn.Module, name: str, like: Tensor) -> Tensor | None:
    value = getattr(module, name, None)
    if not isinstance(value, Tensor):
        return None
    if value.is_meta and not like.is_meta:
        value = _offloaded(module, name)
    found = value.detach()
    return found if found.device == like.device else found.to(like.device)


def _offloaded(module: nn.Module, name: str) -> Tensor:
    """The weight that accelerate's hook on ``module`` keeps for its next run."""
    hook = getattr(module, "_hf_hook", None)
    for one in getattr(hook, "hooks", (hook,)):
        kept = getattr(one, "weights_map", None)
        if isinstance(kept, Mapping) and name in kept:
            found: Tensor = kept[name]
            return found
    raise RegionalError(
        f"The {name} of a layer ({type(module).__name__}) was moved out of memory to where Regional cannot find it: switch offloading off, "
        "or set attention couple's separation of LoRAs (separate) to attention or nothing."
    )


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, tuple) else (int(value), int(value))
