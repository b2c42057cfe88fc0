"""Deltas of parts of a layer that joins several (fused queries, keys and values) as one delta of the layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .deltas import LayerDelta
from .low_rank import dense
from .stacked import is_low_rank

Slice = tuple[int, int, int]
"""(axis, start, size) of a weight."""


def within(delta: LayerDelta, shape: Sequence[int], part: Slice) -> LayerDelta:
    """``delta`` of a ``part`` of a linear weight -> of a weight of this ``shape``, with zeros around it."""
    axis, start, size = part
    around = (start, shape[axis] - start - size)
    padding = (0, 0, *around) if axis == 0 else around

    def padded(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else F.pad(tensor, padding)

    if delta.weight is not None:
        return replace(delta, weight=padded(delta.weight))
    return replace(delta, up=padded(delta.up)) if axis == 0 else replace(delta, down=padded(delta.down))


def joined(deltas: Sequence[LayerDelta]) -> LayerDelta:
    """The sum of deltas of one layer: of added rank where all are in factors, else a whole weight."""
    first = deltas[0]
    if len(deltas) == 1:
        return first
    if all(map(is_low_rank, deltas)) and first.layer.kind == "linear":
        downs, ups = ([one for one in parts if one is not None] for parts in zip(*((d.down, d.up) for d in deltas), strict=True))
        return replace(first, down=torch.cat(downs), up=torch.cat(ups, 1))
    weights = [dense(delta, _shape(delta)) for delta in deltas]
    return replace(first, weight=torch.stack(weights).sum(0), down=None, up=None, mid=None)


def _shape(delta: LayerDelta) -> tuple[int, ...]:
    if delta.weight is not None:
        return tuple(delta.weight.shape)
    assert delta.up is not None and delta.down is not None
    return delta.up.shape[0], delta.down.shape[1]
