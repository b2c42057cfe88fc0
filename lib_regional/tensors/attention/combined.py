"""Regional cross-attention with every region asked by the tokens of its support, in one call whatever the supports, and combined by tokens.

``out(p) = w_own(p) · A(q, own)(p) + Σ_r w_r(p) · A(q, r)(p)``: answers are not added where they belong, region by region, but gathered by
each token, from at most ``K`` regions that act on one. Four operators however many regions there are, where `tensors.attention.regional`
needs a call for each group of regions that do not overlap; but a token gathers K answers even where fewer act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import in_type
from .regional import SUPPORT, Part, split_heads
from .stacked import KeysValues

_BAGS = ("cpu", "cuda", "meta")
"""Kinds of devices that are known to gather and sum in one operator, whatever the precision."""


@dataclass(frozen=True)
class Combined:
    """Parts of one context length: ``queries`` (n·S,) are flat tokens (B·L) that ask, ``answers`` (B·L, K) those of n·S that a token gets,
    ``weights`` (B·L, 1, K) how much of each, 0 where there are fewer; ``own`` (B, L, 1) is the rows' own share; ``starts`` (B·L,) is where
    each token's answers begin in all of theirs."""

    members: tuple[int, ...]
    queries: Tensor
    answers: Tensor
    weights: Tensor
    own: Tensor
    starts: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Combined:
        """The same on another device, weights in another precision."""
        weights, own = (one.to(device, dtype) for one in (self.weights, self.own))
        queries, answers, starts = (one.to(device) for one in (self.queries, self.answers, self.starts))
        return Combined(self.members, queries, answers, weights, own, starts)


def combine(parts: Sequence[Part], own: Tensor) -> Combined:
    """The regions' ``parts`` of one length, and what is the rows' ``own`` (B, L, 1)."""
    rows, tokens = own.shape[:2]
    weights = torch.stack([part.weights for part in parts])  # (n, L)
    members = torch.nonzero((weights > SUPPORT).any(1))[:, 0]
    weights, row = weights[members], torch.tensor([part.row for part in parts])[members]
    acts = weights > SUPPORT
    size, number = int(acts.sum(1).max()), (acts.cumsum(1) - 1)  # of a token among those of its part
    queries = _true_first(acts)[:, :size]
    queries = torch.where(acts.gather(1, queries), queries, queries[:, :1]) + row[:, None] * tokens
    here = (row == torch.arange(rows)[:, None])[:, None] & acts.T  # (B, L, n)
    chosen = _true_first(here)[..., : int(here.sum(-1).max())]
    at = torch.arange(tokens)[:, None]
    gets = torch.where(here.gather(-1, chosen), weights[chosen, at], 0.0).flatten(0, 1)
    answers = (chosen * size + number[chosen, at].clamp_min(0)).flatten(0, 1)
    starts = torch.arange(len(answers)) * answers.shape[1]
    return Combined(tuple(members.tolist()), queries.flatten(), answers, gets[:, None], own, starts)


def _true_first(mask: Tensor) -> Tensor:
    """Along the last axis: the places where ``mask`` is true, in order, then the others."""
    return mask.int().sort(dim=-1, descending=True, stable=True).indices


def attend_combined(combined: Combined, q: Tensor, own: KeysValues, pair: KeysValues, heads: int, scale: float | None = None) -> Tensor:
    """q (B, L, C), ``own`` K and V (B, heads, T, d), those of the members (n, heads, T, d) -> (B, L, C), before the output projection."""
    base = _attended(q, own, heads, scale)
    asked = q.flatten(0, 1)[combined.queries].view(len(combined.members), -1, q.shape[-1])
    mixed = _gathered(_attended(asked, pair, heads, scale).flatten(0, 1), combined)
    return torch.addcmul(mixed.view(base.shape), base, combined.own)


def _gathered(answers: Tensor, combined: Combined) -> Tensor:
    """answers (n·S, C) -> (B·L, C), each token's by their weights: one operator where nothing follows the gradient."""
    weights = in_type(combined.weights, answers.dtype)
    if answers.requires_grad or answers.device.type not in _BAGS:
        return torch.bmm(weights, answers[combined.answers]).flatten(0, 1)
    index, starts = combined.answers.flatten(), combined.starts
    found: Tensor = torch.embedding_bag(answers, index, starts, False, 0, False, weights.flatten())[0]
    return found


def _attended(q: Tensor, pair: KeysValues, heads: int, scale: float | None) -> Tensor:
    return F.scaled_dot_product_attention(split_heads(q, heads), *pair, scale=scale).transpose(1, 2).flatten(2)
