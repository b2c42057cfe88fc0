"""Isolated parts of a labelled canvas: self-attention, group norms and convolutions in which places see their own part alone.

A LoRA's deltas stay in their region, but what they change travels on: group norms share one mean and one variance over the canvas,
self-attention looks everywhere, convolutions look at their neighbours. Each function here is a layer whose places see those of their own
label and of label `COMMON`, as if the rest were not there; places of `COMMON` see everything. With one label it is the layer itself.
Everything that depends on labels alone is prepared on the CPU, once for many layers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..lora.deltas import LayerDelta
from ..precision import in_type
from .isolation_labels import BEYOND, COMMON, Bools, Ints, Ranges, brought, distinct, divided, inputs_under, near_labels, sees, under_taps
from .isolation_norm import Gather, gather_of, norm_gathered, norm_summed, normed
from .regional import split_heads

Group = tuple[Ints, Ints, Ints]
_BITS = 30
"""So many marks of a place are numbered in one go."""


@dataclass(frozen=True)
class Parts:
    """A labelled canvas made ready, once for many layers on a ``device``: ``labels`` (B, h, w) from 0 on, on the CPU.

    ``groups`` are (rows (b, 1), places (1, l), places they see (1, k)) of each label in rows that are alike; ``gather`` as in `norm_apart`.
    """

    labels: Tensor
    device: torch.device
    groups: tuple[Group, ...]
    gather: Gather | None = None
    groups_there: list[list[Tensor]] = field(default_factory=list)
    sums_there: list[Tensor] = field(default_factory=list)

    def groups_on_device(self) -> list[list[Tensor]]:
        """``groups`` on the device; brought there by the first layer that needs them."""
        if not self.groups_there:
            self.groups_there.extend(brought(group, self.device) for group in self.groups)
        return self.groups_there

    def sums(self) -> list[Tensor]:
        """(B, h·w, n) on the device, 1 where a place has a label, and where places of a label look; see `norm_summed`."""
        if not self.sums_there:
            flat = self.labels.numpy().reshape(len(self.labels), -1, 1)
            kinds = np.arange(int(flat.max()) + 1)
            self.sums_there.extend(brought([(flat == kinds).astype(np.float32), sees(kinds, flat).astype(np.float32)], self.device))
        return self.sums_there


def parts_of(labels: Tensor, device: torch.device | str = "cpu", reach: int = 0, numbers: Ranges | None = None) -> Parts:
    """labels (B, h, w) on the CPU -> what the layers on ``device`` need of them; ``numbers`` are shared with other canvases where given.

    In ``groups``, places of two labels see each other where each lies within ``reach`` cells (of a square's side) of the other's label.
    """
    every = labels.numpy()
    flat, of_row = distinct(every.reshape(len(every), -1))
    near = near_labels(flat.reshape(-1, *every.shape[1:]), reach)
    groups: list[Group] = []
    for kind, (row, reached) in enumerate(zip(flat, near, strict=True)):
        rows = np.flatnonzero(np.equal(of_row, kind))[:, None]
        groups.extend((rows, places[None], seen[None]) for places, seen in _groups(row, reached))
    return Parts(labels, torch.device(device), tuple(groups), gather_of(labels, device, numbers))


def _groups(row: Ints, near: Bools) -> Iterator[tuple[Ints, Ints]]:
    """Places of one row that see the same, and what they see: row (l,), near (l, n) -> (k,) and (m,) each."""
    group = row
    for start in range(0, near.shape[1], _BITS):
        bits = near[:, start : start + _BITS]
        _, firsts, group = np.unique(group * 2**_BITS + bits @ 2 ** np.arange(bits.shape[1]), return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    for first, places in zip(firsts, np.split(order, np.cumsum(np.bincount(group))[:-1]), strict=True):
        yield places, np.flatnonzero(sees(row[first], row) | (near[first][row] & near[:, row[first]]))


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
        return norm_summed(x, own, *parts.sums())
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
    before, after = (labels.numpy().astype(np.int16) for labels in (inputs, outputs))
    if own.layer.groups == 1 and bool((before == before[:1]).all() and (after == after[:1]).all()):
        before, after = before[:1], after[:1]
    grid = (after.shape[1], after.shape[2])
    taps = [~sees(after, tap) & (tap != BEYOND) for tap in under_taps(own.layer, kernel, before, grid)]
    foreign: Bools = np.stack(taps, -1).reshape(len(after), -1, len(taps))
    under = functools.partial(inputs_under, own.layer, kernel, (before.shape[1], before.shape[2]), grid[1])
    if own.layer.groups == 1 and bool((foreign == foreign[:1]).all()):
        here = np.flatnonzero(foreign[0].any(-1))
        targets, sources = brought([here, under(here).T], device)
        return Border(targets[:0], targets, sources, _negative(foreign[0][here].T, device, dtype), alike=True)
    which, at = np.nonzero(foreign.any(-1))
    rows, targets, sources = brought([which, at, under(at)[:, None]], device)
    return Border(rows, targets, sources, _negative(foreign[which, at][:, None], device, dtype))


def _negative(marks: Bools, device: torch.device | str, dtype: torch.dtype) -> Tensor:
    """−1 where they are set."""
    return torch.from_numpy(-marks.astype(np.float32)).to(device, dtype)


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
