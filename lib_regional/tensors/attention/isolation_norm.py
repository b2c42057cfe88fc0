"""Group norm with statistics of each part of a labelled canvas (`tensors.attention.isolation`): places take those of what their label sees.

*Gathered*: the places that a label sees are brought together and normalised by the ordinary layer; two operators for each label, three in
all where every label sees as many. *Summed*: moments by products with the labels' masks, for many labels of various sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..lora.deltas import LayerDelta
from ..precision import full_precision, in_type
from .isolation_labels import COMMON, Grid, Ints, Ranges, brought, distinct, kinds_of, sees
from .isolation_tiles import from_tiles, into_tiles, tiling_of

_MOST_GATHERED = 6
"""Labels beyond this many of different sizes are cheaper summed."""


@dataclass(frozen=True)
class Gather:
    """Places by label. ``seen`` holds the flat places (S,) that a label sees, one for each label; ``place`` (h·w,) is where each place's
    result lies among all of theirs, one after the other, behind the layer's own result (h·w), which places of `COMMON` keep.

    ``alike`` where all rows and labels are of one size: what is seen (B, n, 1, S), for each place the number of its label among all rows'
    (B·n) and its position among what the label sees, both (B, 1, h·w), and where `COMMON` is (B, 1, h·w), or None. ``tiling`` where the
    labels are equal rectangles side by side, see `isolation_tiles`.
    """

    seen: tuple[Tensor, ...] = ()
    place: Tensor | None = None
    alike: tuple[Tensor, Tensor, Tensor, Tensor | None] | None = None
    numbers: Ranges = field(default_factory=Ranges)
    tiling: Grid | None = None


def gather_of(labels: Tensor, device: torch.device | str = "cpu", numbers: Ranges | None = None) -> Gather | None:
    """labels (B, h, w) on the CPU -> where to gather; None where summing is cheaper. ``numbers`` are shared with others where given."""
    tiling = tiling_of(labels.numpy())
    if tiling is not None:
        return Gather(tiling=tiling)
    flat, of_row = distinct(labels.numpy().reshape(len(labels), -1))
    numbers = numbers or Ranges()
    kinds = [[label for label in kinds_of(row) if label != COMMON] for row in flat]
    seen = [[np.flatnonzero(sees(label, row)) for label in own] for own, row in zip(kinds, flat, strict=True)]
    sizes = {len(one) for row in seen for one in row}
    if len(sizes) == 1 and len({len(row) for row in seen}) == 1:
        return _alike(flat, kinds, seen, of_row, device, numbers)
    if len(flat) > 1 or not kinds[0] or len(kinds[0]) > _MOST_GATHERED:
        return None
    place, start = np.arange(flat.shape[1]), flat.shape[1]
    for label, here in zip(kinds[0], seen[0], strict=True):
        mine = flat[0][here] == label
        place[here[mine]] = start + np.flatnonzero(mine)
        start += len(here)
    *moved, at = brought([*seen[0], place], device)
    return Gather(tuple(moved), at, numbers=numbers)


def _alike(
    flat: Ints, kinds: list[list[int]], seen: list[list[Ints]], of_row: list[int], device: torch.device | str, numbers: Ranges
) -> Gather:
    """``flat`` (U, h·w) are the canvases that differ; ``of_row`` (B,) says which of them each row has."""
    label, position = np.zeros_like(flat), np.zeros_like(flat)
    for row, (own, places) in enumerate(zip(kinds, seen, strict=True)):
        for number, (kind, here) in enumerate(zip(own, places, strict=True)):
            mine = flat[row][here] == kind
            label[row, here[mine]] = number
            position[row, here[mine]] = np.flatnonzero(mine)
    gathered, common = np.array(seen)[:, :, None], (flat == COMMON)[of_row][:, None]
    of_all = label[of_row] + np.arange(len(of_row))[:, None] * gathered.shape[1]
    where, which, at = brought([gathered[of_row], of_all[:, None], position[of_row][:, None]], device)
    return Gather(alike=(where, which, at, torch.from_numpy(common).to(device) if common.any() else None), numbers=numbers)


Norm = Callable[[Tensor], Tensor]
"""A group norm of inputs (B, C, S) of any length S."""


def norm_gathered(x: Tensor, gather: Gather, norm: Norm) -> Tensor:
    """Group norm of x (B, C, h, w) by label, where ``norm`` is the layer."""
    if gather.tiling is not None:
        tiles = into_tiles(x, gather.tiling)
        return from_tiles(norm(tiles.flatten(2)).view(tiles.shape), gather.tiling)
    flat, device = x.flatten(2), x.device
    if gather.alike is None:
        assert gather.place is not None
        parts = [norm(flat), *(norm(flat[:, :, here]) for here in gather.seen)]
        return torch.cat(parts, -1)[:, :, gather.place].view(x.shape)
    seen, label, position, common = gather.alike
    rows, channels = gather.numbers(len(x), device)[:, None, None, None], gather.numbers(x.shape[1], device)[:, None]
    done = norm(flat[rows, channels, seen].flatten(0, 1))  # (B·n, C, S)
    made = done[label, channels, position]
    return (made if common is None else torch.where(common, norm(flat), made)).view(x.shape)


def normed(x: Tensor, own: LayerDelta) -> Tensor:
    """Group norm of x (B, C, S) with the numbers of ``own``, which stays in the type of x."""
    weight, bias = (None if one is None else in_type(one, x.dtype) for one in (own.weight, own.bias))
    return in_type(F.group_norm(x, own.layer.groups, weight, bias, own.layer.eps), x.dtype)


def norm_summed(x: Tensor, own: LayerDelta, inside: Tensor, seen: Tensor) -> Tensor:
    """Group norm of x (B, C, h, w) by label; ``inside`` and ``seen`` (B, h·w, n) as in `apart.Parts`."""
    with full_precision(x.device):
        done = _normalised(x.float() if x.dtype != torch.float64 else x, own, inside, seen).reshape(x.shape)
    if own.weight is not None:
        done = done * own.weight.to(done)[:, None, None]
    if own.bias is not None:
        done = done + own.bias.to(done)[:, None, None]
    return done.to(x.dtype)


def _normalised(x: Tensor, own: LayerDelta, inside: Tensor, seen: Tensor) -> Tensor:
    """x (B, C, h, w) -> (B, groups, C / groups, h·w) of mean 0 and variance 1 over what each label sees."""
    batch, channels, height, width = x.shape
    groups, inside, seen = own.layer.groups, inside.to(x), seen.to(x)
    values = x.reshape(batch, groups, channels // groups, height * width)
    values = values - values.mean((2, 3), keepdim=True)  # so that the difference of moments loses no digits
    count = seen.sum(1)[:, None].clamp_min(1) * (channels // groups)
    mean = (values.sum(2) @ seen) / count
    variance = ((values.square().sum(2) @ seen) / count - mean.square()).clamp_min(0)
    return (values - (mean @ inside.mT)[:, :, None]) * ((variance + own.layer.eps).rsqrt() @ inside.mT)[:, :, None]
