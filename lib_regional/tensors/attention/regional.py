"""Regional cross-attention in one go.

``out(p) = Σ_r ŵ_r(p) · softmax(q(p) K_rᵀ / √d) V_r`` with one query projection, each region asked only by the tokens in its
support ``{p : ŵ_r(p) > 0}``, and supports of like length answered by one batched call. What depends on masks and rows alone is
a *recipe*, made once and looked up per layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SUPPORT = 1e-6
"""Weights up to this are no support."""
_PADDING = 1.25
"""Supports share a bucket while the longest is at most this many times the shortest."""


@dataclass(frozen=True)
class Part:
    """One row of the batch asking one context: ``weights`` (L,) over the row's tokens, ``length`` T of the context.

    Parts of different ``kind`` are never answered together.
    """

    row: int
    weights: Tensor
    length: int
    kind: str = ""


@dataclass(frozen=True)
class Bucket:
    """Parts answered in one call: ``members`` are positions in the list of parts.

    ``places`` (n·S,) indexes the flattened queries and outputs (B·L); None when every member covers its whole row (then ``rows`` (n,) says
    which). ``weights`` (n, S, 1) are 0 where a member is padded, by its own first place.
    """

    members: tuple[int, ...]
    rows: Tensor
    places: Tensor | None
    weights: Tensor


@dataclass(frozen=True)
class Recipe:
    """Buckets whose members never write to one token twice, so that sums are the same in every run."""

    buckets: tuple[Bucket, ...]

    def to(self, device: torch.device, dtype: torch.dtype) -> Recipe:
        """The same on another device, weights in another precision."""
        moved = [
            Bucket(b.members, b.rows.to(device), None if b.places is None else b.places.to(device), b.weights.to(device, dtype))
            for b in self.buckets
        ]
        return Recipe(tuple(moved))


def make_recipe(parts: Sequence[Part], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Recipe:
    """Group ``parts`` into buckets of equal context length and like support."""
    supports = [torch.nonzero(part.weights > SUPPORT)[:, 0] for part in parts]
    shared = _sharing(parts)
    order = sorted((i for i in range(len(parts)) if len(supports[i])), key=lambda i: (parts[i].kind, parts[i].length, len(supports[i])))
    groups: list[list[int]] = []
    for i in order:
        home = next((g for g in groups if _fits(g, i, parts, supports) and not any(shared[i][j] for j in g)), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return Recipe(tuple(_bucket(group, parts, supports, device, dtype) for group in groups))


def _fits(group: list[int], i: int, parts: Sequence[Part], supports: Sequence[Tensor]) -> bool:
    first, tokens = group[0], len(parts[i].weights)
    if (parts[first].kind, parts[first].length) != (parts[i].kind, parts[i].length) or len(supports[i]) > _PADDING * len(supports[first]):
        return False
    return (len(supports[i]) == tokens) == (len(supports[first]) == tokens)


def _sharing(parts: Sequence[Part]) -> list[list[bool]]:
    """Whether two parts are of one row and have a token of their supports in common."""
    by_row: dict[int, list[int]] = {}
    for at, part in enumerate(parts):
        by_row.setdefault(part.row, []).append(at)
    shared = [[False] * len(parts) for _ in parts]
    for members in by_row.values():
        masks = (torch.stack([parts[at].weights for at in members]) > SUPPORT).float()
        for at, line in zip(members, ((masks @ masks.mT) > 0).tolist(), strict=True):
            for other, overlaps in zip(members, line, strict=True):
                shared[at][other] = overlaps
    return shared


def _bucket(group: list[int], parts: Sequence[Part], supports: Sequence[Tensor], device: torch.device | str, dtype: torch.dtype) -> Bucket:
    tokens = len(parts[group[0]].weights)
    row_index = torch.tensor([parts[i].row for i in group], device=device)
    size = max(len(supports[i]) for i in group)
    if size == tokens:
        weights = torch.stack([parts[i].weights for i in group])
        return Bucket(tuple(group), row_index, None, weights[..., None].to(device, dtype))
    places = torch.empty(len(group), size, dtype=torch.long)
    weights = torch.zeros(len(group), size)
    for n, i in enumerate(group):
        here = supports[i] + parts[i].row * tokens
        places[n] = here[0]
        places[n, : len(here)] = here
        weights[n, : len(here)] = parts[i].weights[supports[i]]
    return Bucket(tuple(group), row_index, places.flatten().to(device), weights[..., None].to(device, dtype))


def split_heads(tensor: Tensor, heads: int) -> Tensor:
    """(n, T, heads·d) -> (n, heads, T, d)"""
    count, length, channels = tensor.shape
    return tensor.view(count, length, heads, channels // heads).transpose(1, 2)


def attend(
    recipe: Recipe,
    q: Tensor,
    keys: Sequence[tuple[Tensor, Tensor]],
    heads: int,
    scale: float | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """q (B, L, C), per bucket K and V (n, heads, T, d) -> (B, L, C), before the output projection; added to ``onto``, in place."""
    rows, tokens, channels = q.shape
    out = torch.zeros_like(q) if onto is None else onto
    by_place, flat = out.view(rows * tokens, channels), q.reshape(rows * tokens, channels)
    for bucket, (k, v) in zip(recipe.buckets, keys, strict=True):
        asked = q[bucket.rows] if bucket.places is None else flat[bucket.places].view(len(bucket.members), -1, channels)
        attended = F.scaled_dot_product_attention(split_heads(asked, heads), k, v, scale=scale)
        weighted = attended.transpose(1, 2).flatten(2) * bucket.weights
        if bucket.places is None:
            out.index_add_(0, bucket.rows, weighted)
        else:
            by_place.index_add_(0, bucket.places, weighted.flatten(0, 1))
    return out
