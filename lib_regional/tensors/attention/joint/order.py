"""Tokens in an order in which those that ask together stand side by side, so that nothing is gathered for them.

Attention does not ask where a token stands, so blocks that run on one sequence may have theirs in any order, if positions go with them. Two
texts A and B have ``[padding | A, what A acts on alone | what both act on | what B acts on alone, B]``: the keys of each, its text and the
picture, are a range of tokens too. More texts stand one after another, each before what it acts on alone, and their keys are gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .calls import Asked, Grouped, Ints, ranges


@dataclass(frozen=True, eq=False)
class Order:
    """Of every row (B, L), which token stands at each place; (L,) where it is the same one in all."""

    tokens: Tensor
    places: Tensor
    """Where each token stands: the inverse."""

    def there(self, x: Tensor, axis: int = 1) -> Tensor:
        """x, tokens along ``axis``, rows before it or one for all -> in this order."""
        return _taken(x, self.tokens, axis)

    def back(self, x: Tensor, axis: int = 1) -> Tensor:
        """The inverse of `there`."""
        return _taken(x, self.places, axis)


def _taken(x: Tensor, at: Tensor, axis: int) -> Tensor:
    if at.dim() == 1:
        return x.index_select(axis, at)
    shape = [1] * x.dim()
    shape[0], shape[axis] = at.shape
    rows = x.expand(len(at), *x.shape[1:])
    return rows.gather(axis, at.view(shape).expand(rows.shape))


class InOrder:
    """Attention of ``groups`` of ``tokens`` whose tokens stand in `order`, on one device."""

    def __init__(self, groups: Sequence[Asked], tokens: int, device: torch.device | str = "cpu") -> None:
        made, orders = list[Asked](), list[Ints]()
        for rows in dict.fromkeys(group.rows for group in groups):
            own, order = _best([group for group in groups if group.rows == rows], tokens)
            made.extend(own)
            orders.extend([order] * (rows[1] - rows[0]))
        self.attend = Grouped(made, tokens, device)
        alike = all(np.array_equal(order, orders[0]) for order in orders)
        found = orders[0] if alike else np.stack(orders)
        self.order = Order(*(torch.from_numpy(one).to(device) for one in (found, found.argsort(-1))))
        self.shape = len(orders), tokens

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, heads, L, d) in this order -> (B, heads, L, d) in this order"""
        return self.attend(q, k, v)


def _best(groups: Sequence[Asked], tokens: int) -> tuple[list[Asked], Ints]:
    """Groups of one run, their tokens by place, and which token stands at each place: the way that has fewer operators."""
    biased, free = ([group for group in groups if (group.bias is None) == bare] for bare in (False, True))
    ways = [_ordered([free[0], *biased, *free[1:]], free[-1], tokens)] if len(free) > 1 else []
    ways.append(_ordered([*free, *biased], None, tokens))
    return min(ways, key=lambda way: Grouped(way[0], tokens).operators)


def _ordered(groups: Sequence[Asked], last: Asked | None, tokens: int) -> tuple[list[Asked], Ints]:
    """Groups in this order. What one text alone asks stands before the other tokens of its group, behind them in the ``last`` one."""
    asking = np.zeros(tokens, np.int64)
    for start, stop in (span for group in groups if group.bias is None for span in group.keys):
        asking[start:stop] += 1
    parts = [_sides(group.places(tokens), asking == 1, group is last) for group in groups]
    unasked = np.setdiff1d(np.arange(tokens), np.concatenate(parts))
    parts[0] = np.concatenate([unasked, parts[0]])
    order = np.concatenate(parts)
    places, ends = order.argsort(), np.cumsum([0, *map(len, parts)])
    spans = [np.arange(*span) for span in zip(ends[:-1], ends[1:], strict=True)]
    return [_placed(group, places, span) for group, span in zip(groups, spans, strict=True)], order


def _sides(queries: Ints, alone: NDArray[np.bool_], last: bool) -> Ints:
    parts = queries[alone[queries]], queries[~alone[queries]]
    return np.concatenate(parts[::-1] if last else parts)


def _placed(group: Asked, places: Ints, queries: Ints) -> Asked:
    """``group`` with its keys by place, ascending, and with these queries; more than it had are padding before them."""
    keys = places[np.concatenate([np.arange(*span) for span in group.keys])]
    made, bias = replace(group, queries=queries, keys=tuple(ranges(np.sort(keys)))), group.bias
    if bias is None:
        return made
    sorted_keys = bias.index_select(3, torch.from_numpy(keys.argsort()).to(bias.device))
    missing = len(queries) - bias.shape[2]
    return replace(made, bias=torch.cat([sorted_keys[:, :, :1].expand(-1, -1, missing, -1), sorted_keys], 2))
