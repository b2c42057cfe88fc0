"""What a LoRA adds to a layer, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LayerKind:
    """How a layer uses its weight. Numbers that its kind does not have stay at their defaults; pairs are (rows, columns)."""

    kind: Literal["linear", "conv", "group_norm", "layer_norm"]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    eps: float = 1e-5


@dataclass(frozen=True)
class LayerDelta:
    """What one LoRA adds to one layer at strength 1: factors (``down``, maybe ``mid``, ``up``) or a whole ``weight``, and maybe a ``bias``.

    Linear: down (r, in), up (out, r), weight (out, in). Convolution: down (r, in, kh, kw), mid (r, r, kh, kw), up (out, r, 1, 1), weight
    (out, in, kh, kw); with a mid, down is 1×1 and mid has the layer's stride and padding. Norm: weight and bias (C,). ``up`` includes
    the scale alpha/rank.
    """

    layer: LayerKind
    weight: Tensor | None = None
    down: Tensor | None = None
    mid: Tensor | None = None
    up: Tensor | None = None
    bias: Tensor | None = None


NetworkDeltas = Mapping[str, LayerDelta]
"""Deltas of one LoRA by the UNet's module names, as in `LayerCall.name`."""
