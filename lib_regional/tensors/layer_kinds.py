"""How a layer uses its weight, told by what it has rather than by its class: hosts bring classes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ..ports import LayerDelta, LayerKind


def kind_of(module: nn.Module) -> LayerKind | None:
    """The kind of a layer that a LoRA may change; None for any other module."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return None
    if isinstance(module, nn.GroupNorm):
        return LayerKind("group_norm", groups=module.num_groups, eps=module.eps)
    if isinstance(module, nn.LayerNorm):
        return LayerKind("layer_norm", eps=module.eps)
    if isinstance(module, nn.Conv2d):
        stride, padding, dilation = (_pair(getattr(module, name)) for name in ("stride", "padding", "dilation"))
        return LayerKind("conv", stride, padding, dilation, module.groups)
    linear = isinstance(module, nn.Linear) or type(module).__name__ == "Linear"
    return LayerKind("linear") if linear and weight.dim() == 2 else None


def spatial_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Names and modules of a network's layers through which places hear of each other: group norms, and convolutions wider than a cell."""
    for name, module in network.named_modules():
        kind = kind_of(module)
        wide = isinstance(module, nn.Conv2d) and tuple(module.kernel_size) != (1, 1)
        if kind is not None and (kind.kind == "group_norm" or wide):
            yield name, module


def own_weights(module: nn.Module) -> LayerDelta:
    """A layer that has a kind, as what it adds to nothing: its weight and bias."""
    kind, weight, bias = kind_of(module), module.weight, getattr(module, "bias", None)
    assert kind is not None and isinstance(weight, Tensor)
    return LayerDelta(kind, weight=weight.detach(), bias=bias.detach() if isinstance(bias, Tensor) else None)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, tuple) else (int(value), int(value))
