"""Joint attention with placed texts (`tensors.attention.joint.bias`) without a bias for most of its tokens.

A text and the picture's tokens on which it alone acts ask the same keys, ``[text | picture | references]``, and nothing is added to their
scores: one ordinary call for each text, which fused kernels without a mask can take. Tokens on which several texts act (soft borders, base
shares, references) ask those texts, with a bias of their own: (such tokens · keys) numbers, not (T + P)². Tokens of one set of texts are
asked by themselves where that saves more than its operators cost, the others together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...device_costs import seconds
from ...precision import in_type
from ..regional import SUPPORT
from .bias import Placed, is_plain, joint_bias, longest

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Row = TypeVar("Row")
Range = tuple[int, int]
"""Tokens from the first to one before the second."""
_OPERATORS = 5
"""Of a call: queries gathered, keys and values joined, attention, answers put in their places."""


@dataclass(frozen=True)
class Asked:
    """Tokens ``queries`` (Q,) of adjacent ``rows``, None for all of them, that ask the same ``keys``; ``bias`` (1, 1, Q, K) or None."""

    rows: Range
    queries: Tensor | None
    keys: tuple[Range, ...]
    bias: Tensor | None

    def sizes(self, tokens: int) -> tuple[int, int, int]:
        """Rows, queries and keys."""
        return self.rows[1] - self.rows[0], tokens if self.queries is None else len(self.queries), _count(self.keys)


def _count(ranges: Sequence[Range]) -> int:
    return sum(stop - start for start, stop in ranges)


class JointAttention:
    """Attention of ``rows`` with placed texts, arranged at the first call of its kind: in groups, or with a bias over all tokens."""

    def __init__(self, rows: Sequence[Sequence[Placed]], references: int = 0, picture_first: bool = False) -> None:
        """``references``: tokens behind the picture's. ``picture_first``: ``[picture | references | texts]``. Weights may lie on any
        device."""
        self._rows = [[(length, weights.cpu()) for length, weights in texts] for texts in rows]
        self._references, self._picture_first = references, picture_first
        self.arranged: dict[Hashable, tuple[Asked, ...] | Tensor] = {}
        """By device, precision, heads and their width."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens."""
        return len(self._rows), longest(self._rows) + len(self._rows[0][0][1]) + self._references

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, heads, L, d) -> (B, heads, L, d); padding gives zeros or what it finds itself: nobody reads it."""
        name = (q.device, q.dtype, q.shape[1], q.shape[3])
        if name not in self.arranged:
            self.arranged[name] = self._cheapest(q)
        arranged = self.arranged[name]
        return attend_in_groups(q, k, v, arranged) if isinstance(arranged, tuple) else F.scaled_dot_product_attention(q, k, v, arranged)

    def _cheapest(self, q: Tensor) -> tuple[Asked, ...] | Tensor:
        kind, heads, channels = q.device.type, q.shape[1], q.shape[1] * q.shape[3]
        least = seconds(kind, _OPERATORS, 0, 0) / seconds(kind, 0, 4 * channels, 0)
        groups = grouped(self._rows, self._references, q.device, q.dtype, least, self._picture_first)
        if groups_pay(groups, self.shape, heads, channels, kind, q.element_size()):
            return groups
        rows = [[(length, weights.to(q.device)) for length, weights in texts] for texts in self._rows]
        bias = joint_bias(rows, q.dtype, self._references, self._picture_first)
        return groups if bias is None else bias


def joint_attention(rows: Sequence[Sequence[Placed]], references: int = 0, picture_first: bool = False) -> JointAttention | None:
    """Attention of each row's texts with their weights; None where it is the plain one."""
    return None if is_plain(rows) else JointAttention(rows, references, picture_first)


def groups_pay(groups: Sequence[Asked], shape: tuple[int, int], heads: int, channels: int, device: str, size: int) -> bool:
    """Whether ``groups`` are cheaper on ``device`` than one call of ``shape`` (rows, tokens) with a bias, which every head reads."""
    rows, tokens = shape
    flops, moved = 0, 0
    for group in groups:
        count, queries, keys = group.sizes(tokens)
        flops += 4 * count * queries * keys * channels
        moved += count * (4 * queries + 4 * keys) * channels + (0 if group.bias is None else count * heads * group.bias.numel())
    biased = seconds(device, 1, 4 * rows * tokens**2 * channels, rows * heads * tokens**2 * size)
    return seconds(device, _OPERATORS * len(groups), flops, moved * size) <= biased


def grouped(
    rows: Sequence[Sequence[Placed]],
    references: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    least: float = math.inf,
    picture_first: bool = False,
) -> tuple[Asked, ...]:
    """Texts of each row with their weights (P,) on the CPU -> the groups of its tokens; adjacent rows that are alike share theirs.

    Tokens on which one set of several texts acts are a group of their own where that saves more than ``least`` scores.
    """
    total, found = longest(rows), list[Asked]()
    for run in alike_rows(rows, _alike):
        made = _of_row(rows[run[0]], total, references, least, picture_first)
        found.extend(_moved(run, *one, device, dtype) for one in made)
    return tuple(found)


def alike_rows(rows: Sequence[Row], alike: Callable[[Row, Row], bool]) -> Iterator[Range]:
    """Adjacent rows that are alike."""
    start = 0
    for stop in range(1, len(rows) + 1):
        if stop == len(rows) or not alike(rows[start], rows[stop]):
            yield start, stop
            start = stop


def _alike(one: Sequence[Placed], other: Sequence[Placed]) -> bool:
    return len(one) == len(other) and all(a == b and torch.equal(v, w) for (a, v), (b, w) in zip(one, other, strict=True))


def _of_row(
    texts: Sequence[Placed], total: int, references: int, least: float, picture_first: bool
) -> Iterator[tuple[Ints | None, tuple[Range, ...], Floats | None]]:
    """Groups of one row: queries, keys and bias (Q, K) as in `Asked`."""
    shares, lengths = _shares(texts, references), [length for length, _ in texts]
    size = total + len(shares)
    text, place = (len(shares), 0) if picture_first else (0, total)  # where texts and picture begin
    starts = np.cumsum([text, *lengths]).tolist()
    spans, picture = list(zip(starts[:-1], starts[1:], strict=True)), (place, place + len(shares))
    alone = (shares >= 1 - SUPPORT) & ((shares > SUPPORT).sum(1, keepdims=True) == 1)
    for number, span in enumerate(spans):
        queries = np.concatenate([np.arange(*span), place + np.flatnonzero(alone[:, number])])
        yield None if len(queries) == size else queries, _joined([span, picture]), None
    for tokens in _by_texts(shares > SUPPORT, np.flatnonzero(~alone.any(1)), np.array(lengths), least):
        acting = np.flatnonzero((shares[tokens] > SUPPORT).any(0))
        bias = _bias(shares[np.ix_(tokens, acting)], [lengths[text] for text in acting], len(shares))
        yield place + tokens, _joined([*(spans[text] for text in acting), picture]), bias


def _by_texts(acts: Bools, tokens: Ints, lengths: Ints, least: float) -> list[Ints]:
    """``tokens`` by the set of texts that act on them, see `grouped`; ``acts`` (P, S), ``lengths`` (S,)."""
    if not len(tokens):
        return []
    sets, number = np.unique(acts[tokens], axis=0, return_inverse=True)
    parts = [tokens[number.ravel() == at] for at in range(len(sets))]
    saved = [len(part) * int(lengths[sets.any(0) & ~one].sum()) for part, one in zip(parts, sets, strict=True)]
    others = [part for part, scores in zip(parts, saved, strict=True) if scores <= least]
    own = [part for part, scores in zip(parts, saved, strict=True) if scores > least]
    return [*own, *([np.sort(np.concatenate(others))] if others else [])]


def _moved(
    rows: Range, queries: Ints | None, keys: tuple[Range, ...], bias: Floats | None, device: torch.device | str, dtype: torch.dtype
) -> Asked:
    asked = None if queries is None else torch.from_numpy(queries).to(device)
    return Asked(rows, asked, keys, None if bias is None else torch.from_numpy(bias)[None, None].to(device, dtype))


def _shares(texts: Sequence[Placed], references: int) -> Floats:
    """Weights (P + references, S) of all texts at the picture's tokens, and at references, which ask each by its share of the picture."""
    shares = np.stack([weights.float().clamp_min(0).numpy() for _, weights in texts], 1)
    return np.concatenate([shares, np.repeat(shares.mean(0, keepdims=True), references, 0)])


def _bias(shares: Floats, lengths: Sequence[int], others: int) -> Floats:
    """log of the shares (Q, S) for every token of texts of these ``lengths``, 0 for the ``others`` -> (Q, K)."""
    with np.errstate(divide="ignore"):
        scores = np.repeat(np.log(shares), lengths, 1)
    return np.concatenate([scores, np.zeros((len(shares), others), np.float32)], 1)


def _joined(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Those that follow each other as one."""
    found: list[Range] = []
    for start, stop in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return tuple(found)


def attend_in_groups(q: Tensor, k: Tensor, v: Tensor, groups: Sequence[Asked]) -> Tensor:
    """q, k, v (B, heads, L, d) -> (B, heads, L, d); zeros for tokens of no group."""
    whole = (0, len(q))
    if [(group.rows, group.queries) for group in groups] == [(whole, None)]:
        return _attended(q, k, v, groups[0])
    out = torch.zeros_like(q)
    for group in groups:
        rows = slice(*group.rows)
        done = in_type(_attended(q[rows], k[rows], v[rows], group), out.dtype)
        if group.queries is None:
            out[rows] = done
        else:
            out[rows].index_copy_(2, group.queries, done)
    return out


def _attended(q: Tensor, k: Tensor, v: Tensor, group: Asked) -> Tensor:
    """q, k, v (b, heads, L, d) -> (b, heads, Q, d)"""
    asked = q if group.queries is None else q.index_select(2, group.queries)
    keys, values = (_of_ranges(z, group.keys) for z in (k, v))
    return F.scaled_dot_product_attention(asked, keys, values, None if group.bias is None else in_type(group.bias, q.dtype))


def _of_ranges(z: Tensor, ranges: Sequence[Range]) -> Tensor:
    """z (b, heads, L, d) -> the tokens of the ranges."""
    parts = [z[:, :, start:stop] for start, stop in ranges]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 2)
