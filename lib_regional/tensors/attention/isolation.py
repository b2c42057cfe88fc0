"""Isolated parts of a labelled canvas: self-attention, group norms and convolutions in which places see their own part alone.

A LoRA's deltas stay in their region, but what they change travels on: group norms share one mean and one variance over the canvas,
self-attention looks everywhere, convolutions look at their neighbours. Each function here is a layer whose places see those of their own
label and of label `COMMON`, as if the rest were not there; places of `COMMON` see everything. With one label it is the layer itself.
Everything that depends on labels alone is prepared on the CPU, once for many layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lora.deltas import LayerDelta
from ..precision import in_type
from .isolation_labels import COMMON, divided, near_labels, sees, under_kernel
from .isolation_norm import Gather, gather_of, norm_gathered, norm_summed, normed
from .regional import split_heads

Group = tuple[Tensor, Tensor, Tensor]


def _moved(group: Group, device: torch.device) -> Group:
    rows, places, seen = group
    return rows.to(device), places.to(device), seen.to(device)


@dataclass(frozen=True)
class Parts:
    """A labelled canvas made ready, once for many layers: ``labels`` (B, h, w) from 0 on.

    ``inside`` and ``seen`` (B, h·w, n) are 1 where a place has a label, and where places of a label look; ``groups`` are (rows (b, 1),
    places (1, l), places they see (1, k)) of each label in rows that are alike; ``gather`` as in `apart_norm`.
    """

    labels: Tensor
    inside: Tensor
    seen: Tensor
    groups: tuple[Group, ...]
    gather: Gather | None = None
    brought: list[Group] = field(default_factory=list)

    def groups_on_device(self) -> list[Group]:
        """``groups``, which are on the CPU, on the labels' device; brought there by the first layer that needs them."""
        if not self.brought:
            self.brought.extend(_moved(group, self.labels.device) for group in self.groups)
        return self.brought


def parts_of(labels: Tensor, device: torch.device | str = "cpu", reach: int = 0) -> Parts:
    """labels (B, h, w) on the CPU -> what the layers on ``device`` need of them.

    In ``groups``, places of two labels see each other where each lies within ``reach`` cells (of a square's side) of the other's label.
    """
    flat, near = labels.flatten(1), near_labels(labels, reach)
    _, kinds = flat.unique(dim=0, return_inverse=True)
    groups = []
    for kind in kinds.unique():
        rows = torch.nonzero(kinds == kind)[:, 0]
        for places, seen in _groups(flat[rows[0]], near[rows[0]]):
            groups.append((rows[:, None], places[None], seen[None]))
    inside = F.one_hot(flat)
    seen = sees(torch.arange(inside.shape[-1]), flat[..., None])
    return Parts(labels.to(device), inside.float().to(device), seen.float().to(device), tuple(groups), gather_of(labels, device))


def _groups(row: Tensor, near: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Places of one row that see the same, and what they see: row (l,), near (l, n) -> (k,) and (m,) each."""
    marks, group = torch.cat([row[:, None], near], -1).unique(dim=0, return_inverse=True)
    labels, reached = marks[:, 0], marks[:, 1:].bool()
    seen = sees(labels[:, None], row) | (reached[:, row] & near[:, labels].mT)
    return zip(_places(torch.arange(len(marks))[:, None] == group), _places(seen), strict=True)


def _places(masks: Tensor) -> tuple[Tensor, ...]:
    """masks (G, l) bool -> for each the places where it is true."""
    found: tuple[Tensor, ...] = torch.nonzero(masks)[:, 1].split(masks.sum(1).tolist())
    return found


def attend_apart(q: Tensor, k: Tensor, v: Tensor, parts: Parts, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C): softmax(q Kᵀ/√d) V over the tokens that a token's label sees, group by group."""
    out = torch.empty_like(q)
    for rows, places, seen in parts.groups_on_device():
        asked, keys, values = (split_heads(z[rows, at], heads) for z, at in ((q, places), (k, seen), (v, seen)))
        attended = F.scaled_dot_product_attention(asked, keys, values, scale=scale)
        out[rows, places] = attended.transpose(1, 2).flatten(2).to(out.dtype)
    return out


def norm_apart(x: Tensor, own: LayerDelta, parts: Parts) -> Tensor:
    """Group norm of x (B, C, h, w) with a mean and a variance of what each label sees; ``own`` is the layer (weight, bias (C,))."""
    if parts.gather is None:
        return norm_summed(x, own, parts.inside, parts.seen)
    return norm_gathered(x, parts.gather, lambda here: normed(here, own))


@dataclass(frozen=True)
class Border:
    """Where a convolution's kernel reaches what its output's label does not see: n outputs in all rows together.

    ``rows`` and ``targets`` (n,) say which, ``sources`` (n, 1, taps) are the flat inputs under the kernel, and ``foreign`` (n, 1, taps) is
    −1 for those that lie on the canvas and are not seen, else 0. Where all rows are ``alike``, ``targets`` (n,) are those of one row,
    ``sources`` (taps, n) and ``foreign`` (taps, n).
    """

    rows: Tensor
    targets: Tensor
    sources: Tensor
    foreign: Tensor
    alike: bool = False
    channels: dict[int, Tensor] = field(default_factory=dict)
    """Number of channels -> (1, C, 1) of their numbers."""

    def patches(self, x: Tensor) -> Tensor:
        """x (B, C, H·W) -> what each output should not see, negative: (n, C, taps), or (B, C · taps, n) where rows are alike."""
        if self.alike:
            return (x[:, :, self.sources] * in_type(self.foreign, x.dtype)).flatten(1, 2)
        count = x.shape[1]
        if count not in self.channels:
            self.channels[count] = torch.arange(count, device=x.device)[None, :, None]
        return x[self.rows[:, None, None], self.channels[count], self.sources] * in_type(self.foreign, x.dtype)


def border_of(
    own: LayerDelta, inputs: Tensor, outputs: Tensor, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Border:
    """The border of a convolution between labels of its input (B, H, W) and of its output (B, h, w), both on the CPU, for ``device``."""
    assert own.weight is not None
    kernel = (own.weight.shape[2], own.weight.shape[3])
    flat, within = under_kernel(own.layer, kernel, (inputs.shape[1], inputs.shape[2]), (outputs.shape[1], outputs.shape[2]))
    foreign = ~sees(outputs.flatten(1)[..., None], inputs.flatten(1)[:, flat]) & within
    if own.layer.groups == 1 and bool((foreign == foreign[:1]).all()):
        [here] = torch.nonzero(foreign[0].any(-1), as_tuple=True)
        return Border(here[:0], here.to(device), flat[here].mT.to(device), -foreign[0][here].mT.to(device, dtype), alike=True)
    rows, targets = torch.nonzero(foreign.any(-1), as_tuple=True)
    masks = foreign[rows, targets][:, None]
    return Border(rows.to(device), targets.to(device), flat[targets][:, None].to(device), -masks.to(device, dtype))


def conv_apart(x: Tensor, y: Tensor, own: LayerDelta, border: Border) -> Tensor:
    """y (B, out, h, w) of a convolution of x (B, in, H, W) without what its places see beyond their ``border``, as if 0 were there.

    One gather of what the outputs at the border should not see, one product with the weight, and its difference written once.
    """
    assert own.weight is not None
    if not len(border.targets):
        return y
    patches, weight = border.patches(x.flatten(2)), in_type(own.weight, x.dtype)
    if border.alike:
        made = in_type(F.conv1d(patches, weight.flatten(1)[..., None]), y.dtype)  # (B, out, n)
        return y.flatten(2).index_add(2, border.targets, made).view(y.shape)
    made = F.conv2d(patches.unflatten(2, own.weight.shape[2:]), weight, groups=own.layer.groups).flatten(1)
    by_place, here = y.flatten(2).transpose(1, 2), (border.rows, border.targets)
    return torch.index_put(by_place, here, by_place[here] + in_type(made, y.dtype)).transpose(1, 2).view(y.shape)


__all__ = [
    "COMMON",
    "Border",
    "Parts",
    "attend_apart",
    "border_of",
    "conv_apart",
    "divided",
    "norm_apart",
    "parts_of",
]
