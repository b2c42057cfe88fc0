"""Places that do not hear of each other: self-attention, norms and convolutions within the parts of a labelled canvas.

A LoRA's deltas stay in their region, but what they change travels on: group norms share one mean and one variance over the canvas,
self-attention looks everywhere, convolutions look at their neighbours. Each function here is a layer whose places see those of their own
label alone, as if every part were a picture of its own; with one label it is the layer itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ports import LayerDelta
from .attention import split_heads


@dataclass(frozen=True)
class Parts:
    """A labelled canvas made ready, once for many layers: ``labels`` (B, h, w) from 0 on.

    ``inside`` (B, h·w, n) is 1 where a place has a label; ``groups`` are (rows (b, 1), places (1, l)) of each label in rows that are alike.
    """

    labels: Tensor
    inside: Tensor
    groups: tuple[tuple[Tensor, Tensor], ...]


def parts_of(labels: Tensor, device: torch.device | str = "cpu") -> Parts:
    """labels (B, h, w) on the CPU -> what the layers on ``device`` need of them."""
    flat = labels.flatten(1)
    _, kinds = flat.unique(dim=0, return_inverse=True)
    groups = []
    for kind in kinds.unique():
        rows = torch.nonzero(kinds == kind)[:, 0]
        for label in flat[rows[0]].unique():
            places = torch.nonzero(flat[rows[0]] == label)[:, 0]
            groups.append((rows[:, None].to(device), places[None].to(device)))
    return Parts(labels.to(device), F.one_hot(flat).float().to(device), tuple(groups))


def attend_apart(q: Tensor, k: Tensor, v: Tensor, parts: Parts, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C): softmax(q Kᵀ/√d) V over the tokens of a token's own label."""
    out = torch.empty_like(q)
    for place in parts.groups:
        asked, keys, values = (split_heads(z[place], heads) for z in (q, k, v))
        heard = F.scaled_dot_product_attention(asked, keys, values, scale=scale)
        out[place] = heard.transpose(1, 2).flatten(2)
    return out


def norm_apart(x: Tensor, own: LayerDelta, parts: Parts) -> Tensor:
    """Group norm of x (B, C, h, w) with a mean and a variance for each label; ``own`` is the layer (weight, bias (C,))."""
    batch, channels, height, width = x.shape
    groups, inside = own.layer.groups, parts.inside
    values = x.float().reshape(batch, groups, channels // groups, height * width)
    count = inside.sum(1)[:, None] * (channels // groups)
    mean = (values.sum(2) @ inside) / count.clamp_min(1)
    centred = values - (mean @ inside.mT)[:, :, None]
    variance = (centred.square().sum(2) @ inside) / count.clamp_min(1)
    done = centred * ((variance + own.layer.eps).rsqrt() @ inside.mT)[:, :, None]
    done = done.reshape(batch, channels, height, width)
    if own.weight is not None:
        done = done * own.weight.float()[:, None, None]
    if own.bias is not None:
        done = done + own.bias.float()[:, None, None]
    return done.to(x.dtype)


@dataclass(frozen=True)
class Border:
    """Outputs of a convolution that see inputs of another label: ``row`` and ``target`` (n,), and what they see.

    ``source`` (n, k) are flat places of the inputs under the kernel, ``foreign`` (n, k) tells those of another label.
    """

    row: Tensor
    target: Tensor
    source: Tensor
    foreign: Tensor


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
    seen = inputs.flatten(1)[:, flat]
    foreign = (seen != outputs.flatten(1)[..., None]) & within.flatten(2).flatten(0, 1)
    row, target = torch.nonzero(foreign.any(-1), as_tuple=True)
    return Border(*(found.to(device) for found in (row, target, flat[target], foreign[row, target])))


def conv_apart(x: Tensor, y: Tensor, own: LayerDelta, border: Border) -> Tensor:
    """y (B, out, h, w) of a convolution of x (B, in, H, W) without what its places see beyond their ``border``, as if 0 were there."""
    assert own.weight is not None
    if not len(border.row):
        return y
    seen = x.flatten(2).transpose(1, 2)[border.row[:, None], border.source]  # (n, k, in)
    heard = torch.where(border.foreign[..., None], seen, 0).transpose(1, 2).flatten(1)  # (n, in · k)
    done = y.clone(memory_format=torch.contiguous_format)
    done.flatten(2)[border.row, :, border.target] -= F.linear(heard, own.weight.flatten(1).to(heard.dtype)).to(y.dtype)
    return done
