"""Regional cross-attention with all parts of a layer stacked on the batch axis: one scaled dot product, however many regions there are.

``out(p) = w_own(p) · A(q, own)(p) + Σ_r w_r(p) · A(q, r)(p)`` with ``A`` softmax attention and ``w_own = 1 − Σ w_r``. Every region is asked
by all tokens of its rows, which costs (regions × tokens × context length) multiplications and, beside the layer's own attention, four
launches. `tensors.attention.regional` asks every region by the tokens of its support alone, in more launches; `stacking_pays` chooses.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device_costs import seconds
from .regional import SUPPORT, Part, Recipe

KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Stack:
    """Contexts of one length on a group of rows: ``members`` (positions of parts) in the order of keys and values.

    ``weights`` (n, R, L, 1, 1). ``joined``: the R rows ask the same n contexts, and are asked as one row of R·L tokens; otherwise keys and
    values are those of (context, row), n·R.
    """

    members: tuple[int, ...]
    weights: Tensor
    joined: bool


@dataclass(frozen=True)
class RowGroup:
    """Rows with the same number of contexts of each length: a slice where they lie together. ``own`` (R, L, 1, 1) is what is their own."""

    rows: slice | Tensor
    own: Tensor
    stacks: tuple[Stack, ...]


Stacked = tuple[RowGroup, ...]
"""Rows without regions are in no group."""


def stack_parts(
    parts: Sequence[Part], names: Sequence[Hashable], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Stacked:
    """Groups of the regions' ``parts`` (none of the rows' own contexts); ``names[i]`` says which context part i asks."""
    by_row: dict[int, list[int]] = {}
    for at, part in enumerate(parts):
        by_row.setdefault(part.row, []).append(at)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, members in by_row.items():
        members.sort(key=lambda at: parts[at].length)  # stable: regions of one length keep their order
        groups.setdefault(tuple(parts[at].length for at in members), []).append(row)
    return tuple(_group(rows, by_row, parts, names, device, dtype) for rows in groups.values())


def _group(
    rows: list[int],
    by_row: dict[int, list[int]],
    parts: Sequence[Part],
    names: Sequence[Hashable],
    device: torch.device | str,
    dtype: torch.dtype,
) -> RowGroup:
    lengths = [parts[at].length for at in by_row[rows[0]]]
    weights = torch.stack([torch.stack([parts[at].weights for at in by_row[row]]) for row in rows], 1)  # (slots, R, L)
    stacks = []
    for length in dict.fromkeys(lengths):
        slots = [slot for slot, other in enumerate(lengths) if other == length]
        asked = [tuple(names[by_row[row][slot]] for slot in slots) for row in rows]
        joined = len(set(asked)) == 1
        members = [by_row[row][slot] for slot in slots for row in (rows[:1] if joined else rows)]
        stacks.append(Stack(tuple(members), weights[slots][..., None, None].to(device, dtype), joined))
    own = (1 - weights.sum(0)).clamp_min(0)[..., None, None].to(device, dtype)
    together = rows == list(range(rows[0], rows[0] + len(rows)))
    return RowGroup(slice(rows[0], rows[-1] + 1) if together else torch.tensor(rows, device=device), own, tuple(stacks))


def attend_stacked(
    groups: Stacked, q: Tensor, own: KeysValues, pairs: Sequence[KeysValues], heads: int, scale: float | None = None
) -> Tensor:
    """q (B, L, C), ``own`` K and V (B, heads, T, d), K and V of every stack in order -> (B, L, C), before the output projection."""
    asked = q.view(*q.shape[:2], heads, -1)
    total, left = _attended(asked, own, scale), iter(pairs)
    for group in groups:
        here = asked[group.rows]
        heard = [_ask(stack, here, next(left), scale) for stack in group.stacks]
        if len(heard) == 1 and len(heard[0]) == 1:
            total = _put(total, group.rows, heard[0][0], group.stacks[0].weights[0])
        else:
            said = [(each * stack.weights).sum(0) for each, stack in zip(heard, group.stacks, strict=True)]
            total = _put(total, group.rows, sum(said[1:], said[0]), None, group.own)
    return total.flatten(2)


def _ask(stack: Stack, q: Tensor, pair: KeysValues, scale: float | None) -> Tensor:
    """q (R, L, heads, d) -> what each context says (n, R, L, heads, d)."""
    rows, tokens = q.shape[:2]
    count = len(stack.weights)
    if stack.joined:
        asked = q.reshape(1, rows * tokens, *q.shape[2:]).expand(count, -1, -1, -1)
    else:
        asked = q[None].expand(count, -1, -1, -1, -1).flatten(0, 1)
    return _attended(asked, pair, scale).reshape(count, rows, tokens, *q.shape[2:])


def _attended(q: Tensor, pair: KeysValues, scale: float | None) -> Tensor:
    """q (n, L, heads, d), K and V (n, heads, T, d) -> (n, L, heads, d)"""
    return F.scaled_dot_product_attention(q.transpose(1, 2), *pair, scale=scale).transpose(1, 2)


def _put(total: Tensor, rows: slice | Tensor, said: Tensor, share: Tensor | None, own: Tensor | None = None) -> Tensor:
    """total (B, L, heads, d) with ``rows`` mixed: by ``share`` from theirs to ``said``, or theirs times ``own`` and ``said`` added.

    In place where nothing follows the gradient.
    """
    here = total[rows]
    follows = total.requires_grad or said.requires_grad
    into = here if isinstance(rows, slice) and not follows else None
    if share is not None:
        mixed = torch.lerp(here, said, share, out=into)
    else:
        assert own is not None
        mixed = torch.addcmul(said, here, own, out=into)
    if into is not None or len(mixed) == len(total):
        return total if into is not None else mixed
    index = torch.arange(len(total), device=total.device)[rows] if isinstance(rows, slice) else rows
    return total.index_copy(0, index, mixed)


STACKED_LAUNCHES, BUCKET_LAUNCHES = 4, 4
"""Operators beyond the rows' own attention: for all stacks of a layer, and for each bucket, beside one for the rows' own share."""


def stacking_pays(parts: Sequence[Part], recipe: Recipe, channels: int, device: str, size: int = 2) -> bool:
    """Whether asking the regions' ``parts`` by all tokens is cheaper on ``device`` than by their supports alone, as in ``recipe``.

    ``size`` is that of a number in bytes. Beside operators, multiplications (4 · tokens · context · channels a part) and the parts' answers
    count, which are written or read four times.
    """

    def cost(operators: int, tokens: Sequence[int]) -> float:
        asked = sum(n * part.length for n, part in zip(tokens, parts, strict=True))
        return seconds(device, operators, 4 * asked * channels, 4 * sum(tokens) * channels * size)

    supports = [int((part.weights > SUPPORT).sum()) for part in parts]
    bucketed = cost(1 + BUCKET_LAUNCHES * len(recipe.buckets), supports)
    return cost(STACKED_LAUNCHES, [len(part.weights) for part in parts]) <= bucketed
