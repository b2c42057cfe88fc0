"""Which way of regional cross-attention is the cheapest on a device: all parts on all tokens, combined, or in buckets.

Beside operators, multiplications (4 · tokens · context · channels a part) and the parts' answers count, which are written and read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ..device_costs import seconds
from .regional import SUPPORT, Part, Recipe, make_recipe

Way = Literal["stacked", "combined", "buckets"]

_STACKED = 3, 3
"""Operators beyond the rows' own attention, and how often as many numbers as the answers have are read or written (`stacked`)."""
_COMBINED = 4, 4, 2
"""The same (`combined`), and how often what the tokens gather is."""
_BUCKETS = 1, 4, 4
"""Operators for the rows' own share, and for each bucket; numbers as above (`regional`)."""
_CLEARLY = 0.6
"""Combining must cost less than this share of the other ways: gathers move their bytes slower than other operators."""


@dataclass(frozen=True)
class _Sizes:
    """``supports``: tokens on which each part acts; at most ``most`` parts act on one; ``gathered``: as many times all rows' tokens."""

    supports: tuple[int, ...]
    tokens: int
    most: int
    gathered: int

    @classmethod
    def of(cls, parts: Sequence[Part]) -> _Sizes:
        acts = torch.stack([part.weights for part in parts]) > SUPPORT
        rows = sorted({part.row for part in parts})
        counts = torch.zeros(len(rows), acts.shape[1], dtype=torch.long)
        counts.index_add_(0, torch.tensor([rows.index(part.row) for part in parts]), acts.long())
        most = int(counts.max())
        return cls(tuple(acts.sum(1).tolist()), acts.shape[1], most, most * counts.numel())


def cheapest_way(
    parts: Sequence[Part], channels: int, device: str, size: int = 2, recipe: Callable[[Sequence[Part]], Recipe] = make_recipe
) -> tuple[Way, Recipe | None]:
    """The way for the regions' ``parts`` in layers of some ``channels``, numbers of ``size`` bytes; the ``recipe`` where it was made."""
    sizes = _Sizes.of(parts)
    if not any(sizes.supports):
        return "buckets", recipe(parts)

    def cost(operators: int, tokens: Sequence[int], passes: int, more: int = 0) -> float:
        asked = sum(n * part.length for n, part in zip(tokens, parts, strict=True))
        return seconds(device, operators, 4 * asked * channels, (passes * sum(tokens) + more) * channels * size)

    stacked = cost(_STACKED[0], [sizes.tokens] * len(parts), _STACKED[1])
    widest = [max(sizes.supports) if support else 0 for support in sizes.supports]
    combined = cost(_COMBINED[0], widest, _COMBINED[1], _COMBINED[2] * sizes.gathered)
    one_length = len({part.length for part in parts}) == 1

    def way(buckets: int) -> Way:
        in_buckets = cost(_BUCKETS[0] + _BUCKETS[1] * buckets, sizes.supports, _BUCKETS[2])
        if one_length and combined < _CLEARLY * min(stacked, in_buckets):
            return "combined"
        return "stacked" if stacked <= in_buckets else "buckets"

    at_best = way(sizes.most)  # parts that meet at a token are in different buckets: what is cheaper than so few is cheaper anyway
    if at_best != "buckets":
        return at_best, None
    made = recipe(parts)
    return way(len(made.buckets)), made
