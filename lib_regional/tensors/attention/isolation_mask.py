"""Self-attention in the parts of a labelled canvas (`tensors.attention.isolation`) by one call, and which way is the cheapest.

*Masked*: one call over the whole canvas. *Batched*: all parts on the batch axis, five operators. Each part asks its own places and those
across a border that any of its places sees; a mask leaves out what single places do not see. That multiplies less than one masked call over
the whole canvas, and launches less than a call for each group of places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..device_costs import seconds
from .isolation import Parts
from .isolation_labels import COMMON, Bools, Ints, brought, distinct, kinds_of, near_labels, sees
from .regional import split_heads

MOST_BYTES = 128 * 2**20
"""Masks beyond this size are not made."""
Halves = NDArray[np.float16]


@dataclass(frozen=True)
class Batched:
    """n parts in all rows together, of S places at most that ask K at most.

    ``queries`` (n·S,) and ``keys`` (n·K,) are flat places among all rows' (B·L), ``back`` (B·L,) is where each place's answer lies among
    n·S; ``mask`` is added to the scores, (n, 1, S, K), or (1, 1, S, K) where all parts are alike; None where every place sees all.
    """

    parts: int
    queries: Tensor
    keys: Tensor
    back: Tensor
    mask: Tensor | None

    @property
    def sizes(self) -> tuple[int, int]:
        """S and K."""
        return len(self.queries) // self.parts, len(self.keys) // self.parts


def attend_batched(q: Tensor, k: Tensor, v: Tensor, batched: Batched, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C)"""
    places = (batched.queries, batched.keys, batched.keys)
    asked, keys, values = (
        split_heads(z.flatten(0, 1)[at].view(batched.parts, -1, z.shape[-1]), heads) for z, at in zip((q, k, v), places, strict=True)
    )
    done = F.scaled_dot_product_attention(asked, keys, values, batched.mask, scale=scale)
    return done.transpose(1, 2).flatten(2).flatten(0, 1)[batched.back].view(q.shape)


@dataclass(frozen=True)
class _Part:
    """Flat places of one part (S,), those across a border that they see (F,), and which place sees which of these (S, F)."""

    own: Ints
    beyond: Ints
    sees: Bools


def batched_of(labels: Tensor, reach: int, device: torch.device, dtype: torch.dtype) -> Batched | None:
    """labels (B, h, w) on the CPU -> the parts on the batch axis. Places of two labels see each other where each lies within ``reach``
    cells (of a square's side) of the other's label.

    None where places of `COMMON` see everything, where rows have different numbers of parts, or where the mask would be too large.
    """
    shape = labels.shape
    flat, of_row = distinct(labels.numpy().reshape(len(labels), -1))
    kinds = [kinds_of(row) for row in flat]
    if any(COMMON in row for row in kinds) or len({len(row) for row in kinds}) > 1:
        return None
    count, size = len(kinds[0]), max(int(np.bincount(row).max()) for row in flat)
    if shape[0] * count * size**2 * dtype.itemsize > MOST_BYTES:  # a part asks its own places at least
        return None
    near = near_labels(flat.reshape(-1, *shape[1:]), reach)
    parts = [[_part(row, seen, kind) for kind in own] for row, seen, own in zip(flat, near, kinds, strict=True)]
    width = size + max(len(one.beyond) for row in parts for one in row)
    if shape[0] * count * size * width * dtype.itemsize > MOST_BYTES:
        return None
    masks = np.stack([_mask(one, size, width) for row in parts for one in row]).reshape(len(flat), count, 1, size, width)
    asked = np.array([[_padded(one.own, size) for one in row] for row in parts])
    more = np.array([[_padded(one.beyond, width - size) for one in row] for row in parts])
    first = np.arange(shape[0])[:, None, None] * flat.shape[1]
    keys = np.concatenate([asked, more], -1)[of_row] + first
    back = np.stack([_places(parts[row], size) + at * count * size for at, row in enumerate(of_row)])
    queries, sought, back_at = brought([(asked[of_row] + first).ravel(), keys.ravel(), back.ravel()], device)
    return Batched(shape[0] * count, queries, sought, back_at, _together(masks, of_row, device, dtype))


def _part(labels: Ints, near: Bools, label: int) -> _Part:
    """The part of a ``label``: labels (L,), near (L, kinds). Places that see nothing beyond it come first."""
    own, beyond = np.flatnonzero(labels == label), np.flatnonzero((labels != label) & near[:, label])
    seen = near[own][:, labels[beyond]]
    order, met = np.argsort(seen.any(1), kind="stable"), seen.any(0)
    return _Part(own[order], beyond[met], seen[order][:, met])


def _padded(places: Ints, size: int) -> Ints:
    return np.pad(places, (0, size - len(places)), constant_values=places[0] if len(places) else 0)


def _mask(part: _Part, size: int, width: int) -> Halves:
    """(S, K): 0 or −∞. Padded places ask what the first one does, which nobody reads."""
    mask = np.full((size, width), -np.inf, np.float16)
    mask[:, : len(part.own)] = 0
    mask[: len(part.own), size : size + len(part.beyond)][part.sees] = 0
    return mask


def _places(parts: Sequence[_Part], size: int) -> Ints:
    """Where each place's answer is among those of a row's parts (L,)."""
    back = np.empty(sum(len(one.own) for one in parts), np.int64)
    for number, one in enumerate(parts):
        back[one.own] = number * size + np.arange(len(one.own))
    return back


def _together(masks: Halves, of_row: Sequence[int], device: torch.device, dtype: torch.dtype) -> Tensor | None:
    """Masks (U, n, 1, S, K) of all parts on the batch axis; one where they are alike, None where it leaves nothing out."""
    first = masks[0, 0]
    if (masks == first).all():
        return torch.from_numpy(first[None]).to(device, dtype) if first.any() else None
    return torch.from_numpy(masks[list(of_row)].reshape(-1, *first.shape)).to(device, dtype)


def attention_mask(labels: Tensor, reach: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """labels (B, h, w) on the CPU -> what is added to scores, (B, 1, L, L), or (1, 1, L, L) where all rows are alike: 0 or −∞.

    Places of two labels see each other where each lies within ``reach`` cells (of a square's side) of the other's label.
    """
    rows, of_row = distinct(labels.numpy().reshape(len(labels), -1))
    near = near_labels(rows.reshape(-1, *labels.shape[1:]), reach)
    masks = np.zeros((len(rows), 1, rows.shape[1], rows.shape[1]), np.float16)
    for mask, row, here in zip(masks[:, 0], rows, near, strict=True):
        reached = here[:, row]
        mask[~(sees(row[:, None], row) | (reached & reached.T))] = -np.inf
    return torch.from_numpy(masks if len(rows) == 1 else masks[of_row]).to(device, dtype)


def attend_masked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C)"""
    asked, keys, values = (split_heads(z, heads) for z in (q, k, v))
    return F.scaled_dot_product_attention(asked, keys, values, mask, scale=scale).transpose(1, 2).flatten(2)


Way = Literal["masked", "batched", "groups"]
_BATCHED = 5
"""Operators of a call with all parts on the batch axis, and of one for each group of places."""


def _cost(device: str, size: int, channels: int, operators: int, asked: int, passes: int, mask: int = 0) -> float:
    """Seconds of ``asked`` scores; ``passes`` places read or written, and the numbers of a mask."""
    return seconds(device, operators, 4 * asked * channels, (passes * channels + mask) * size)


def _masked_cost(device: str, size: int, channels: int, rows: int, tokens: int) -> float:
    """Of one masked call; infinite where the mask would be too large."""
    fits = rows * tokens * tokens * size <= MOST_BYTES
    return _cost(device, size, channels, 1, rows * tokens * tokens, 0, tokens * tokens) if fits else math.inf


def batching_may_pay(labels: Tensor, channels: int, device: str, size: int) -> bool:
    """Whether `batched_of` of labels (B, h, w) on the CPU can be the cheapest way, and is worth being made; not on a CPU.

    Each of the parts is padded to the largest one and asks as many places at least.
    """
    if device == "cpu":
        return False
    flat = labels.numpy().reshape(len(labels), -1)
    counts = [np.bincount(row) for row in flat]
    parts, largest = sum(int((count > 0).sum()) for count in counts), max(int(count.max()) for count in counts)
    least = _cost(device, size, channels, _BATCHED, parts * largest**2, 8 * parts * largest)
    return least < _masked_cost(device, size, channels, *flat.shape)


def cheapest_isolation(parts: Parts, batched: Batched | None, rows: int, tokens: int, channels: int, device: str, size: int) -> Way:
    """The cheapest way on ``device``: one masked call, all parts on the batch axis, or a call for each group of places.

    ``size`` is that of a number in bytes.
    """
    groups = [(len(here), places.shape[1], seen.shape[1]) for here, places, seen in parts.groups]
    asked, passes = sum(n * s * k for n, s, k in groups), sum(n * (2 * s + 4 * k) for n, s, k in groups)
    ways: dict[Way, float] = {
        "groups": _cost(device, size, channels, _BATCHED * len(groups), asked, passes),
        "masked": _masked_cost(device, size, channels, rows, tokens),
    }
    if batched is not None:
        queries, keys = batched.sizes
        masks = 0 if batched.mask is None else batched.mask.numel()
        places = batched.parts * (4 * queries + 4 * keys)
        ways["batched"] = _cost(device, size, channels, _BATCHED, batched.parts * queries * keys, places, masks)
    return min(ways, key=lambda way: ways[way])
