"""Self-attention in the parts of a labelled canvas (`tensors.attention.isolation`) by one call, and which way is the cheapest.

*Masked*: one call over the whole canvas. *Batched*: all parts on the batch axis, five operators. Each part asks its own places and those
across a border that any of its places sees; a mask leaves out what single places do not see. That multiplies less than one masked call over
the whole canvas, and launches less than a call for each group of places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device_costs import seconds
from .isolation import Parts
from .isolation_labels import COMMON, near_labels, sees
from .regional import split_heads

MOST_BYTES = 128 * 2**20
"""Masks beyond this size are not made."""


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

    own: Tensor
    beyond: Tensor
    sees: Tensor


def batched_of(labels: Tensor, reach: int, device: torch.device, dtype: torch.dtype) -> Batched | None:
    """labels (B, h, w) on the CPU -> the parts on the batch axis. Places of two labels see each other where each lies within ``reach``
    cells (of a square's side) of the other's label.

    None where places of `COMMON` see everything, where rows have different numbers of parts, or where the mask would be too large.
    """
    flat, of_row = labels.flatten(1).unique(dim=0, return_inverse=True)
    kinds = [row.unique().tolist() for row in flat]
    if any(COMMON in row for row in kinds) or len({len(row) for row in kinds}) > 1:
        return None
    near = near_labels(flat.view(-1, *labels.shape[1:]), reach)
    parts = [[_part(row, seen, kind) for kind in own] for row, seen, own in zip(flat, near, kinds, strict=True)]
    size = max(len(one.own) for row in parts for one in row)
    width = size + max(len(one.beyond) for row in parts for one in row)
    if len(labels) * len(kinds[0]) * size * width * dtype.itemsize > MOST_BYTES:
        return None
    masks = [_mask(one, size, width, dtype) for row in parts for one in row]
    rows, tokens, count = of_row.tolist(), flat.shape[1], len(kinds[0])
    queries, keys = (
        _indices([[_padded(one.own, size) for one in parts[row]] for row in rows], tokens),
        _indices([[torch.cat([_padded(one.own, size), _padded(one.beyond, width - size)]) for one in parts[row]] for row in rows], tokens),
    )
    back = [torch.empty(tokens, dtype=torch.long) for _ in rows]
    for at, (row, here) in enumerate(zip(rows, back, strict=True)):
        for number, one in enumerate(parts[row]):
            here[one.own] = (at * count + number) * size + torch.arange(len(one.own))
    chosen = [masks[row * count + number] for row in rows for number in range(count)]
    return Batched(len(chosen), queries.to(device), keys.to(device), torch.cat(back).to(device), _together(chosen, device))


def _part(labels: Tensor, near: Tensor, label: int) -> _Part:
    """The part of a ``label``: labels (L,), near (L, kinds). Places that see nothing beyond it come first."""
    own = torch.nonzero(labels == label)[:, 0]
    beyond = torch.nonzero((labels != label) & near[:, label])[:, 0]
    sees = near[own][:, labels[beyond]]
    order = sees.any(1).int().sort(stable=True).indices
    return _Part(own[order], beyond[sees.any(0)], sees[order][:, sees.any(0)])


def _padded(places: Tensor, size: int) -> Tensor:
    return F.pad(places, (0, size - len(places)), value=int(places[0]) if len(places) else 0)


def _mask(part: _Part, size: int, width: int, dtype: torch.dtype) -> Tensor:
    """(S, K): 0 or −∞. Padded places ask what the first one does, which nobody reads."""
    mask = torch.full((size, width), -torch.inf, dtype=dtype)
    mask[:, : len(part.own)] = 0
    if len(part.beyond):
        mask[: len(part.own), size : size + len(part.beyond)].masked_fill_(part.sees, 0)
    return mask


def _indices(places: Sequence[Sequence[Tensor]], tokens: int) -> Tensor:
    """Flat places of each part of each row among all rows'."""
    return torch.cat([one + at * tokens for at, row in enumerate(places) for one in row])


def _together(masks: Sequence[Tensor], device: torch.device) -> Tensor | None:
    """Masks of all parts on the batch axis; one where they are alike, None where it leaves nothing out."""
    if all(one is masks[0] or torch.equal(one, masks[0]) for one in masks):
        return None if not bool(masks[0].any()) else masks[0][None, None].to(device)
    return torch.stack(list(masks))[:, None].to(device)


def attention_mask(labels: Tensor, reach: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """labels (B, h, w) on the CPU -> what is added to scores, (B, 1, L, L), or (1, 1, L, L) where all rows are alike: 0 or −∞.

    Places of two labels see each other where each lies within ``reach`` cells (of a square's side) of the other's label.
    """
    rows = labels[:1] if bool((labels == labels[:1]).all()) else labels
    mine, near = rows.flatten(1).to(device), near_labels(rows, reach).to(device)
    tokens = mine.shape[1]
    reached = near.gather(2, mine[:, None].expand(-1, tokens, -1))
    seen = sees(mine[:, :, None], mine[:, None]) | (reached & reached.mT)
    return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))[:, None]


def attend_masked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C)"""
    asked, keys, values = (split_heads(z, heads) for z in (q, k, v))
    return F.scaled_dot_product_attention(asked, keys, values, mask, scale=scale).transpose(1, 2).flatten(2)


Way = Literal["masked", "batched", "groups"]


def cheapest_isolation(parts: Parts, batched: Batched | None, rows: int, tokens: int, channels: int, device: str, size: int) -> Way:
    """The cheapest way on ``device``: one masked call, all parts on the batch axis, or a call for each group of places.

    ``size`` is that of a number in bytes.
    """

    def cost(operators: int, asked: int, passes: int, mask: int = 0) -> float:
        return seconds(device, operators, 4 * asked * channels, (passes * channels + mask) * size)

    groups = [(len(here), places.shape[1], seen.shape[1]) for here, places, seen in parts.groups]
    ways: dict[Way, float] = {
        "groups": cost(5 * len(groups), sum(n * s * k for n, s, k in groups), sum(n * (2 * s + 4 * k) for n, s, k in groups))
    }
    if rows * tokens * tokens * size <= MOST_BYTES:
        ways["masked"] = cost(1, rows * tokens * tokens, 0, tokens * tokens)
    if batched is not None:
        asked, keys = batched.sizes
        masks = 0 if batched.mask is None else batched.mask.numel()
        ways["batched"] = cost(5, batched.parts * asked * keys, batched.parts * (4 * asked + 4 * keys), masks)
    return min(ways, key=lambda way: ways[way])
