"""Joint attention with placed texts (`tensors.attention.joint.bias`) without a bias for most of its tokens.

A text and the picture's tokens on which it alone acts ask the same keys, ``[text | picture | references]``, and nothing is added to their
scores: one ordinary call for each text, which fused kernels without a mask can take. Tokens on which several texts act (soft borders, base
shares, references) ask those texts, with a bias of their own: (such tokens · keys) numbers, not (T + P)². Tokens of one set of texts are
asked by themselves where that saves more than its operators cost, the others together. Where regions are isolated, the keys of a group are
those of the picture that its label sees.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...device_costs import seconds
from ..isolation_labels import COMMON, sees
from ..regional import SUPPORT
from .bias import Isolated, Isolation, Placed, is_plain, joint_bias, longest
from .calls import Asked, Grouped, Ints, Range, alike_rows, count_of, ranges
from .order import InOrder

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
_OPERATORS = 5
"""What a further call has to be worth: keys and values gathered, attention, and what has to wait for them."""
_WORTH = 0.85
"""Groups of which some have a bias are taken where they cost at most this share of one call: each operator may wait for the one before."""


class JointAttention:
    """Attention of ``rows`` with placed texts, arranged at the first call of its kind: in groups, or with a bias over all tokens."""

    def __init__(
        self,
        rows: Sequence[Sequence[Placed]],
        references: int = 0,
        picture_first: bool = False,
        isolation: Isolation | None = None,
    ) -> None:
        """``references``: tokens behind the picture's. ``picture_first``: ``[picture | references | texts]``. Weights may lie on any
        device."""
        self._rows = [[(length, weights.cpu()) for length, weights in texts] for texts in rows]
        self._references, self._picture_first, self._isolation = references, picture_first, isolation
        self.arranged: dict[tuple[Hashable, ...], Grouped | Tensor] = {}
        """By device, precision, heads and their width."""
        self._in_order: dict[torch.device, InOrder] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens."""
        return len(self._rows), longest(self._rows) + len(self._rows[0][0][1]) + self._references

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, heads, L, d) -> (B, heads, L, d); padding gives what it finds itself or another token's answer: nobody reads it."""
        name = (q.device, q.dtype, q.shape[1], q.shape[3])
        if name not in self.arranged:
            self.arranged[name] = self._cheapest(q)
        arranged = self.arranged[name]
        return arranged(q, k, v) if isinstance(arranged, Grouped) else F.scaled_dot_product_attention(q, k, v, arranged)

    def in_order(self, device: torch.device) -> InOrder | None:
        """The same for tokens in an order of its own, where that has fewer operators.

        None too before the first call on ``device``, which finds out which groups are worth it.
        """
        return self._in_order.get(device)

    def _cheapest(self, q: Tensor) -> Grouped | Tensor:
        kind, heads, channels = q.device.type, q.shape[1], q.shape[1] * q.shape[3]
        least = seconds(kind, _OPERATORS, 0, 0) / seconds(kind, 0, 4 * channels, 0)
        made = grouped(self._rows, self._references, q.device, q.dtype, least, self._picture_first, self._isolation)
        groups = Grouped(made, q.shape[2], q.device)
        if groups_pay(groups, self.shape, heads, channels, kind, q.element_size()):
            ordered = InOrder(made, q.shape[2], q.device)
            if ordered.attend.operators < groups.operators:
                self._in_order.setdefault(q.device, ordered)
            return groups
        rows = [[(length, weights.to(q.device)) for length, weights in texts] for texts in self._rows]
        bias = joint_bias(rows, q.dtype, self._references, self._picture_first, self._isolation)
        return groups if bias is None else bias


def joint_attention(
    rows: Sequence[Sequence[Placed]], references: int = 0, picture_first: bool = False, isolation: Isolation | None = None
) -> JointAttention | None:
    """Attention of each row's texts with their weights; None where it is the plain one."""
    return None if is_plain(rows, isolation) else JointAttention(rows, references, picture_first, isolation)


def groups_pay(found: Grouped, shape: tuple[int, int], heads: int, channels: int, device: str, size: int) -> bool:
    """Whether groups are cheaper on ``device`` than one call of ``shape`` (rows, tokens) with a bias, which every head reads.

    Kernels without a bias are the faster ones, so that groups without any are not asked to save much.
    """
    rows, tokens = shape
    flops, moved, biased = 0, 0, 0
    for group in found.groups:
        count, queries, keys = group.sizes(tokens)
        flops += 4 * count * queries * keys * channels
        moved += count * (4 * queries + 4 * keys) * channels + (0 if group.bias is None else count * heads * group.bias.numel())
        biased += 0 if group.bias is None else count * queries * keys
    whole = rows * tokens**2
    worth = _WORTH if biased > whole / 4 else 1
    return seconds(device, found.operators, flops, moved * size) <= worth * seconds(device, 1, 4 * whole * channels, whole * heads * size)


def grouped(
    rows: Sequence[Sequence[Placed]],
    references: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    least: float = math.inf,
    picture_first: bool = False,
    isolation: Isolation | None = None,
) -> tuple[Asked, ...]:
    """Texts of each row with their weights (P,) on the CPU -> the groups of its tokens; adjacent rows that are alike share theirs.

    Tokens on which one set of several texts acts are a group of their own where that saves more than ``least`` scores.
    """
    total, found = longest(rows), list[Asked]()
    labels = [_labels(row, None if isolation is None else isolation[at], references) for at, row in enumerate(rows)]
    for run in alike_rows(list(zip(rows, labels, strict=True)), _alike):
        made = _of_row(rows[run[0]], *labels[run[0]], total, references, least, picture_first)
        found.extend(_moved(run, *one, device, dtype) for one in made)
    return tuple(found)


_Labels = tuple[Ints, Ints]
"""Labels of a row's texts (S,), and of the picture's tokens with what is behind them (P + references,)."""


def _labels(texts: Sequence[Placed], isolated: Isolated | None, references: int) -> _Labels:
    if isolated is None:
        return np.full(len(texts), COMMON), np.full(len(texts[0][1]) + references, COMMON)
    return np.array(isolated.texts, np.int64), np.pad(isolated.picture.numpy(), (0, references), constant_values=COMMON)


def _alike(one: tuple[Sequence[Placed], _Labels], other: tuple[Sequence[Placed], _Labels]) -> bool:
    (texts, labels), (others, beside) = one, other
    same = len(texts) == len(others) and all(a == b and torch.equal(v, w) for (a, v), (b, w) in zip(texts, others, strict=True))
    return same and all(np.array_equal(a, b) for a, b in zip(labels, beside, strict=True))


def _of_row(
    texts: Sequence[Placed], labels: Ints, picture: Ints, total: int, references: int, least: float, picture_first: bool
) -> Iterator[tuple[Ints | None, tuple[Range, ...], Floats | None]]:
    """Groups of one row: queries, keys and bias (Q, K) as in `Asked`."""
    shares, lengths = _shares(texts, references), [length for length, _ in texts]
    size = total + len(shares)
    text, place = (len(shares), 0) if picture_first else (0, total)  # where texts and picture begin
    starts = np.cumsum([text, *lengths]).tolist()
    spans = list(zip(starts[:-1], starts[1:], strict=True))
    alone = (shares >= 1 - SUPPORT) & ((shares > SUPPORT).sum(1, keepdims=True) == 1)
    kinds = np.union1d(picture, labels).tolist()
    seen = {kind: ranges(np.flatnonzero(sees(kind, picture)) + place) for kind in kinds}
    for number, span in enumerate(spans):
        for kind in kinds:
            own = np.arange(*span if labels[number] == kind else (0, 0))
            queries = np.concatenate([own, place + np.flatnonzero(alone[:, number] & (picture == kind))])
            if len(queries):
                yield None if len(queries) == size else queries, _joined(sorted([span, *seen[kind]])), None
    for kind in kinds:
        for tokens in _by_texts(shares > SUPPORT, np.flatnonzero(~alone.any(1) & (picture == kind)), np.array(lengths), least):
            acting = np.flatnonzero((shares[tokens] > SUPPORT).any(0))
            bias = _bias(shares[np.ix_(tokens, acting)], [lengths[text] for text in acting], seen[kind], picture_first)
            keys = [spans[text] for text in acting], seen[kind]
            yield place + tokens, _joined([*keys[picture_first], *keys[not picture_first]]), bias


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
    return Asked(rows, queries, keys, None if bias is None else torch.from_numpy(bias)[None, None].to(device, dtype))


def _shares(texts: Sequence[Placed], references: int) -> Floats:
    """Weights (P + references, S) of all texts at the picture's tokens, and at references, which ask each by its share of the picture."""
    shares = np.stack([weights.float().clamp_min(0).numpy() for _, weights in texts], 1)
    return np.concatenate([shares, np.repeat(shares.mean(0, keepdims=True), references, 0)])


def _bias(shares: Floats, lengths: Sequence[int], others: Sequence[Range], others_first: bool) -> Floats:
    """log of the shares (Q, S) for every token of texts of these ``lengths``, 0 for the ``others`` -> (Q, K)."""
    with np.errstate(divide="ignore"):
        scores = np.repeat(np.log(shares), lengths, 1)
    free = np.zeros((len(shares), count_of(others)), np.float32)
    return np.concatenate([free, scores] if others_first else [scores, free], 1)


def _joined(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Those that follow each other as one."""
    found: list[Range] = []
    for start, stop in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return tuple(found)
