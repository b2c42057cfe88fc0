"""How a layer uses its weight, told by what it has rather than by its class: hosts bring classes of their own."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..ports import LayerKind


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


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, tuple) else (int(value), int(value))
