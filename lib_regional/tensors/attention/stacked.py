"""Regional cross-attention with all parts of a layer stacked on the batch axis: one scaled dot product, however many regions there are.

``out(p) = w_own(p) · A(q, own)(p) + Σ_r w_r(p) · A(q, r)(p)`` with ``A`` softmax attention and ``w_own = 1 − Σ w_r``. Every region is asked
by all tokens of its rows, which costs (regions × tokens × context length) multiplications and, beside the layer's own attention, three
launches. `tensors.attention.regional` asks every region by the tokens of its support alone, in more launches; `tensors.attention.ways`
chooses.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .regional import Part

KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Stack:
    """Contexts of one length on a group of rows: ``members`` (positions of parts) in the order of keys and values.

    ``weights`` (R·L, 1, n). ``joined``: the R rows ask the same n contexts, and are asked as one row of R·L tokens; otherwise keys and
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
    """Groups of the regions' ``parts`` (none of the rows' own contexts); ``names[i]`` is the context of part i."""
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
        stacks.append(Stack(tuple(members), weights[slots].flatten(1).T[:, None].contiguous().to(device, dtype), joined))
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
        outputs = [_ask(stack, here, next(left), scale) for stack in group.stacks]
        if len(outputs) == 1 and len(outputs[0]) == 1:
            total = _put(total, group.rows, outputs[0][0], group.stacks[0].weights.view(group.own.shape))
        else:
            mixture = [_mixed(each, stack.weights) for each, stack in zip(outputs, group.stacks, strict=True)]
            total = _put(total, group.rows, sum(mixture[1:], mixture[0]), None, group.own)
    return total.flatten(2)


def _ask(stack: Stack, q: Tensor, pair: KeysValues, scale: float | None) -> Tensor:
    """q (R, L, heads, d) -> the attention over each context (n, R, L, heads, d)."""
    rows, tokens = q.shape[:2]
    count = stack.weights.shape[-1]
    if stack.joined:
        asked = q.reshape(1, rows * tokens, *q.shape[2:]).expand(count, -1, -1, -1)
    else:
        asked = q[None].expand(count, -1, -1, -1, -1).flatten(0, 1)
    return _attended(asked, pair, scale).reshape(count, rows, tokens, *q.shape[2:])


def _mixed(each: Tensor, weights: Tensor) -> Tensor:
    """each (n, R, L, heads, d), weights (R·L, 1, n) -> (R, L, heads, d), summed over n: each token's (1, n) times (n, C)."""
    return torch.bmm(weights, each.flatten(3).flatten(1, 2).transpose(0, 1)).view(each.shape[1:])


def _attended(q: Tensor, pair: KeysValues, scale: float | None) -> Tensor:
    """q (n, L, heads, d), K and V (n, heads, T, d) -> (n, L, heads, d)"""
    return F.scaled_dot_product_attention(q.transpose(1, 2), *pair, scale=scale).transpose(1, 2)


def _put(total: Tensor, rows: slice | Tensor, mixture: Tensor, share: Tensor | None, own: Tensor | None = None) -> Tensor:
    """total (B, L, heads, d) with ``rows`` mixed: by ``share`` from theirs to ``mixture``, or theirs times ``own`` and ``mixture`` added.

    In place where nothing follows the gradient.
    """
    here = total[rows]
    follows = total.requires_grad or mixture.requires_grad
    into = here if isinstance(rows, slice) and not follows else None
    if share is not None:
        mixed = torch.lerp(here, mixture, share, out=into)
    else:
        assert own is not None
        mixed = torch.addcmul(mixture, here, own, out=into)
    if into is not None or len(mixed) == len(total):
        return total if into is not None else mixed
    index = torch.arange(len(total), device=total.device)[rows] if isinstance(rows, slice) else rows
    return total.index_copy(0, index, mixed)
