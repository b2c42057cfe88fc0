"""The weight that a layer of Forge's family applies, which may differ from its parameter.

With "Diffusion in Low Bits" and automatic LoRAs Forge adds LoRAs whenever the layer runs, and scales fp8 weights then; reForge and Forge
Classic, short of memory, patch a weight on its way to the GPU (``weight_function``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ...tensors.lora.deltas import LayerDelta
from ...tensors.lora.layers import own_weights


def applied_weights(module: nn.Module, like: Tensor) -> LayerDelta:
    """As `own_weights`, including what the host adds at each run of the layer, in the dtype of ``like``, the layer's output."""
    own = own_weights(module, like)
    if getattr(module, "forge_online_loras", None) is not None or getattr(module, "scale_weight", None) is not None:
        from backend.operations import get_weight_and_bias

        place = {"device": like.device, "dtype": like.dtype}
        weight, bias = get_weight_and_bias(module, place, place)
        return replace(own, weight=weight, bias=bias)
    return replace(own, weight=_patched(module, "weight", own.weight, like), bias=_patched(module, "bias", own.bias, like))


def _patched(module: nn.Module, name: str, value: Tensor | None, like: Tensor) -> Tensor | None:
    found: Any = getattr(module, f"{name}_function", None)
    functions = [] if found is None else list(found) if isinstance(found, Sequence) else [found]
    if value is None or not functions:
        return value
    value = value.to(like.dtype)
    for function in functions:
        value = function(value)
    return value
