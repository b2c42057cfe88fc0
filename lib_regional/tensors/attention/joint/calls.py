"""Attention of groups of tokens, each of which asks keys of its own, in few calls.

Groups of one size, with a bias or without one, stand beside each other on the batch axis: three gathers, one attention and one gather back,
however many they are. Those of other sizes are calls of their own, and share the gathers of queries and answers. Tokens are an axis before
the heads throughout (B, L, heads, d), as fused kernels leave their answers, so that no layout is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...precision import in_type

Row = TypeVar("Row")
Ints = NDArray[np.int64]
Range = tuple[int, int]
"""Tokens from the first to one before the second."""
_GATHERED = 3
"""Times as many keys as there are tokens may stand beside each other in one call."""
_PADDED = 0.125
"""Share of a group's queries by which it may be smaller than the largest one beside it."""


@dataclass(frozen=True)
class Asked:
    """Tokens ``queries`` (Q,) of adjacent ``rows``, None for all of them, that ask the same ``keys``; ``bias`` (1, 1, Q, K) or None."""

    rows: Range
    queries: Ints | None
    keys: tuple[Range, ...]
    bias: Tensor | None

    def sizes(self, tokens: int) -> tuple[int, int, int]:
        """Rows, queries and keys."""
        return self.rows[1] - self.rows[0], tokens if self.queries is None else len(self.queries), count_of(self.keys)

    def places(self, tokens: int) -> Ints:
        """The queries."""
        return np.arange(tokens) if self.queries is None else self.queries


def count_of(ranges: Sequence[Range]) -> int:
    """Tokens of the ranges."""
    return sum(stop - start for start, stop in ranges)


@dataclass(frozen=True)
class _Call:
    """``count`` groups beside each other, whose queries are those from ``first`` to ``last`` in the run's order, and whose keys are a range
    of tokens or the tokens (count · K,)."""

    first: int
    last: int
    count: int
    keys: Range | Tensor
    bias: Tensor | None

    @property
    def operators(self) -> int:
        """Attention, and keys and values gathered."""
        return _operators(self.keys)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (B, Q', heads, d) in the run's order, k, v (B, L, heads, d) -> (B, last − first, heads, d)"""
        parts = [q[:, self.first : self.last], self._of(k), self._of(v)]
        if self.count > 1:
            parts = [z.unflatten(1, (self.count, -1)).flatten(0, 1) for z in parts]
        asked, keys, values = (z.transpose(1, 2) for z in parts)
        bias = None if self.bias is None else in_type(self.bias, q.dtype)
        done = F.scaled_dot_product_attention(asked, keys, values, bias).transpose(1, 2)
        return done if self.count == 1 else done.unflatten(0, (len(q), self.count)).flatten(1, 2)

    def _of(self, z: Tensor) -> Tensor:
        return z.index_select(1, self.keys) if isinstance(self.keys, Tensor) else z[:, slice(*self.keys)]


@dataclass(frozen=True)
class _Run:
    """Adjacent rows that are alike: tokens (Q',) in the ``order`` of the calls, and where each token's answer is among theirs; None for
    tokens as they stand."""

    rows: Range
    order: Tensor | None
    calls: tuple[_Call, ...]
    back: Tensor | None

    @property
    def operators(self) -> int:
        """How many there are."""
        gathers = (self.order is not None) + (len(self.calls) > 1) + (self.back is not None)
        return gathers + sum(call.operators for call in self.calls)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, L, heads, d) -> (B, L, heads, d)"""
        asked = q if self.order is None else q.index_select(1, self.order)
        done = [call(asked, k, v) for call in self.calls]
        found = in_type(done[0] if len(done) == 1 else torch.cat(done, 1), q.dtype)
        return found if self.back is None else found.index_select(1, self.back)


class Grouped:
    """Attention of ``groups`` of ``tokens`` in as few operators as they take, on one device."""

    def __init__(self, groups: Sequence[Asked], tokens: int, device: torch.device | str = "cpu") -> None:
        self.groups = tuple(groups)
        runs = dict.fromkeys(group.rows for group in self.groups)
        self._runs = [_run([group for group in self.groups if group.rows == rows], tokens, device) for rows in runs]

    @property
    def operators(self) -> int:
        """How many a call takes."""
        return sum(run.operators for run in self._runs) + (len(self._runs) > 1)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, heads, L, d) -> (B, heads, L, d); tokens of no group get the answer of another one."""
        parts = [z.transpose(1, 2) for z in (q, k, v)]
        done = [run(*(z[slice(*run.rows)] for z in parts)) for run in self._runs]
        return (done[0] if len(done) == 1 else torch.cat(done)).transpose(1, 2)


def attend_in_groups(q: Tensor, k: Tensor, v: Tensor, groups: Sequence[Asked]) -> Tensor:
    """q, k, v (B, heads, L, d) -> (B, heads, L, d), see `Grouped`."""
    return Grouped(groups, q.shape[2], q.device)(q, k, v)


def _run(groups: Sequence[Asked], tokens: int, device: torch.device | str) -> _Run:
    order: list[Ints] = []
    calls, first = list[_Call](), 0
    for together in _beside(groups, tokens):
        queries = _padded([group.places(tokens) for group in together])
        last = first + sum(map(len, queries))
        calls.append(_Call(first, last, len(together), _keys_of(together, device), _biases_of(together, len(queries[0]))))
        order.extend(queries)
        first = last
    asked = np.concatenate(order)
    back = np.zeros(tokens, np.int64)
    back[asked[::-1]] = np.arange(len(asked))[::-1]
    if len(asked) == tokens and bool((asked == np.arange(tokens)).all()):
        return _Run(groups[0].rows, None, tuple(calls), None)
    return _Run(groups[0].rows, torch.from_numpy(asked).to(device), tuple(calls), torch.from_numpy(back).to(device))


def _beside(groups: Sequence[Asked], tokens: int) -> Iterator[list[Asked]]:
    """The groups of each call: alike ones together, but where calls of their own have fewer operators."""
    waiting = list(groups)
    while waiting:
        head = waiting[0]
        taken = [group for group in waiting if _fits(group, head, tokens)][: max(1, _GATHERED * tokens // max(1, count_of(head.keys)))]
        if _operators(_places(taken)) > sum(_operators(_places([group])) for group in taken):
            taken = [head]
        waiting = [group for group in waiting if not any(group is one for one in taken)]
        yield taken


def _fits(group: Asked, head: Asked, tokens: int) -> bool:
    (_, own, keys), (_, other, beside) = group.sizes(tokens), head.sizes(tokens)
    same = keys == beside and (group.bias is None) == (head.bias is None)
    return same and abs(own - other) <= _PADDED * max(own, other)


def _padded(queries: Sequence[Ints]) -> list[Ints]:
    """All as long as the longest: what stands behind is asked twice."""
    size = max(map(len, queries))
    return [np.pad(places, (0, size - len(places)), mode="edge") if len(places) < size else places for places in queries]


def _biases_of(groups: Sequence[Asked], queries: int) -> Tensor | None:
    """(rows · groups, 1, Q, K), in the order of the batch axis; (1, 1, Q, K) of one group."""
    biases = [group.bias for group in groups if group.bias is not None]
    if len(biases) < 2:
        return biases[0] if biases else None
    rows = groups[0].rows[1] - groups[0].rows[0]
    filled = [torch.cat([bias, bias[:, :, -1:].expand(-1, -1, queries - bias.shape[2], -1)], 2) for bias in biases]
    return torch.cat(filled).repeat(rows, 1, 1, 1)


def _places(groups: Sequence[Asked]) -> Range | Ints:
    """Keys of the groups one after another."""
    spans = [span for group in groups for span in group.keys]
    if all(stop == start for (_, stop), (start, _) in zip(spans[:-1], spans[1:], strict=True)):
        return spans[0][0], spans[-1][1]
    found: Ints = np.concatenate([np.arange(*span) for span in spans])
    return found


def _operators(keys: Range | Ints | Tensor) -> int:
    """Of a call that asks these keys: attention, and keys and values gathered where they are no range."""
    return 1 if isinstance(keys, tuple) else 3


def _keys_of(groups: Sequence[Asked], device: torch.device | str) -> Range | Tensor:
    found = _places(groups)
    return found if isinstance(found, tuple) else torch.from_numpy(found).to(device)


def ranges(places: Ints) -> list[Range]:
    """Ascending numbers as ranges."""
    ends = np.flatnonzero(np.diff(places) != 1)
    first, last = places[[0, *ends + 1]] if len(places) else places, places[[*ends, -1]] + 1 if len(places) else places
    return list(zip(first.tolist(), last.tolist(), strict=True))


def alike_rows(rows: Sequence[Row], alike: Callable[[Row, Row], bool]) -> Iterator[Range]:
    """Adjacent rows that are alike."""
    start = 0
    for stop in range(1, len(rows) + 1):
        if stop == len(rows) or not alike(rows[start], rows[stop]):
            yield start, stop
            start = stop
