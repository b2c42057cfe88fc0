"""Places that do not hear of each other: self-attention, norms and convolutions within the parts of a labelled canvas.

A LoRA's deltas stay in their region, but what they change travels on: group norms share one mean and one variance over the canvas,
self-attention looks everywhere, convolutions look at their neighbours. Each function here is a layer whose places see those of their own
label and of label `COMMON`, as if the rest were not there; places of `COMMON` see everything. With one label it is the layer itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lora.deltas import LayerDelta
from ..precision import full_precision
from .regional import split_heads

COMMON = 0
"""Label of places that belong to nobody: all see them, and they see all."""


@dataclass(frozen=True)
class Parts:
    """A labelled canvas made ready, once for many layers: ``labels`` (B, h, w) from 0 on.

    ``inside`` and ``seen`` (B, h·w, n) are 1 where a place has a label, and where places of a label look; ``groups`` are (rows (b, 1),
    places (1, l), places they see (1, k)) of each label in rows that are alike.
    """

    labels: Tensor
    inside: Tensor
    seen: Tensor
    groups: tuple[tuple[Tensor, Tensor, Tensor], ...]


def divided(labels: Tensor) -> bool:
    """Whether in any row of labels (B, h, w) places of two labels do not see each other."""
    return any(len(row[row != COMMON].unique()) > 1 for row in labels)


def parts_of(labels: Tensor, device: torch.device | str = "cpu", reach: int = 0) -> Parts:
    """labels (B, h, w) on the CPU -> what the layers on ``device`` need of them.

    In ``groups``, places of two labels see each other where each lies within ``reach`` cells (of a square's side) of the other's label.
    """
    flat, near = labels.flatten(1), _near(labels, reach)
    _, kinds = flat.unique(dim=0, return_inverse=True)
    groups = []
    for kind in kinds.unique():
        rows = torch.nonzero(kinds == kind)[:, 0]
        for places, seen in _groups(flat[rows[0]], near[rows[0]]):
            groups.append((rows[:, None].to(device), places[None].to(device), seen[None].to(device)))
    inside = F.one_hot(flat)
    seen = _sees(torch.arange(inside.shape[-1]), flat[..., None])
    return Parts(labels.to(device), inside.float().to(device), seen.float().to(device), tuple(groups))


def _near(labels: Tensor, reach: int) -> Tensor:
    """(B, h·w, n) bool: whether a place of a label lies within ``reach`` of a place; none with a reach of 0."""
    places = F.one_hot(labels).movedim(-1, 1).float()
    if not reach:
        return torch.zeros_like(places, dtype=torch.bool).flatten(2).mT
    return F.max_pool2d(places, 2 * reach + 1, 1, reach).bool().flatten(2).mT


def _groups(row: Tensor, near: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Places of one row that see the same, and what they see: row (l,), near (l, n) -> (k,) and (m,) each."""
    marks, group = torch.cat([row[:, None], near], -1).unique(dim=0, return_inverse=True)
    for number, mark in enumerate(marks):
        label, reached = mark[0], mark[1:].bool()
        seen = _sees(label, row) | (reached[row] & near[:, label])
        yield torch.nonzero(group == number)[:, 0], torch.nonzero(seen)[:, 0]


def _sees(mine: Tensor, other: Tensor) -> Tensor:
    """Whether places labelled ``mine`` see those labelled ``other``."""
    return (mine == other) | (mine == COMMON) | (other == COMMON)


def attend_apart(q: Tensor, k: Tensor, v: Tensor, parts: Parts, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C): softmax(q Kᵀ/√d) V over the tokens that a token's label sees."""
    out = torch.empty_like(q)
    for rows, places, seen in parts.groups:
        asked, keys, values = (split_heads(z[rows, at], heads) for z, at in ((q, places), (k, seen), (v, seen)))
        heard = F.scaled_dot_product_attention(asked, keys, values, scale=scale)
        out[rows, places] = heard.transpose(1, 2).flatten(2).to(out.dtype)
    return out


def norm_apart(x: Tensor, own: LayerDelta, parts: Parts) -> Tensor:
    """Group norm of x (B, C, h, w) with a mean and a variance of what each label sees; ``own`` is the layer (weight, bias (C,))."""
    with full_precision(x.device):
        done = _normalised(x.float(), own, parts).reshape(x.shape)
    if own.weight is not None:
        done = done * own.weight.to(done)[:, None, None]
    if own.bias is not None:
        done = done + own.bias.to(done)[:, None, None]
    return done.to(x.dtype)


def _normalised(x: Tensor, own: LayerDelta, parts: Parts) -> Tensor:
    """x (B, C, h, w) -> (B, groups, C / groups, h·w) of mean 0 and variance 1 over what each label sees."""
    batch, channels, height, width = x.shape
    groups, inside, seen = own.layer.groups, parts.inside, parts.seen
    values = x.reshape(batch, groups, channels // groups, height * width)
    values = values - values.mean((2, 3), keepdim=True)  # so that the difference of moments loses no digits
    count = seen.sum(1)[:, None].clamp_min(1) * (channels // groups)
    mean = (values.sum(2) @ seen) / count
    variance = ((values.square().sum(2) @ seen) / count - mean.square()).clamp_min(0)
    return (values - (mean @ inside.mT)[:, :, None]) * ((variance + own.layer.eps).rsqrt() @ inside.mT)[:, :, None]


@dataclass(frozen=True)
class Border:
    """Where a convolution's kernel reaches what its output's label does not see.

    ``taps``: for each place of the kernel that does so anywhere its number, and (n,) each the row, the flat output and the flat input.
    """

    taps: tuple[tuple[int, Tensor, Tensor, Tensor], ...]


def border_of(own: LayerDelta, inputs: Tensor, outputs: Tensor, device: torch.device | str = "cpu") -> Border:
    """The border of a convolution between labels of its input (B, H, W) and of its output (B, h, w), both on the CPU, for ``device``."""
    assert own.weight is not None
    layer, kernel = own.layer, own.weight.shape[2:]
    spots, steps = [], []
    for axis in (0, 1):
        start = torch.arange(outputs.shape[1 + axis]) * layer.stride[axis] - layer.padding[axis]
        spots.append(start)
        steps.append(torch.arange(kernel[axis]) * layer.dilation[axis])
    rows = spots[0][:, None, None, None] + steps[0][None, None, :, None]
    columns = spots[1][None, :, None, None] + steps[1][None, None, None, :]
    height, width = inputs.shape[1:]
    within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).flatten(2).flatten(0, 1)  # (h·w, k)
    foreign = ~_sees(outputs.flatten(1)[..., None], inputs.flatten(1)[:, flat]) & within.flatten(2).flatten(0, 1)
    taps: list[tuple[int, Tensor, Tensor, Tensor]] = []
    for tap in range(flat.shape[-1]):
        row, target = torch.nonzero(foreign[..., tap], as_tuple=True)
        if len(row):
            taps.append((tap, row.to(device), target.to(device), flat[target, tap].to(device)))
    return Border(tuple(taps))


def conv_apart(x: Tensor, y: Tensor, own: LayerDelta, border: Border) -> Tensor:
    """y (B, out, h, w) of a convolution of x (B, in, H, W) without what its places see beyond their ``border``, as if 0 were there."""
    assert own.weight is not None
    if not border.taps:
        return y
    kernel, seen = own.weight.flatten(2).to(x), x.flatten(2)
    foreign = torch.zeros_like(y, dtype=torch.float32, memory_format=torch.contiguous_format)
    for tap, row, target, source in border.taps:
        foreign.flatten(2)[row, :, target] += F.linear(seen[row, :, source], kernel[..., tap]).to(foreign.dtype)
    return y - foreign.to(y.dtype)
