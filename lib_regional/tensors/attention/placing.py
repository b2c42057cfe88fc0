"""How well the words of a region found their place, from cross-attention: a score in 0..1 without another pass of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..precision import full_precision, single
from .regional import split_heads

KEYWORDS = 0.25
"""Share of a region's words that are its keywords, one at least."""

_LOW = 0.25
"""Share of a region's own cells, those with the least attention, that stand for the rest where there is nothing beside the region."""

Word = tuple[Tensor, Tensor]
"""Attention on one word at the region's own cells (n,), and at cells where nobody asked for it (m,); m may be 0."""


def word_attention(q: Tensor, k: Tensor, words: Sequence[Sequence[int]], scale: float) -> Tensor:
    """q (L, C), k (heads, T, d) of one text -> (W, L): softmax probability on each word's token positions, mean over heads, in fp32."""
    with full_precision(q.device):
        scores = split_heads(single(q)[None], k.shape[0])[0] @ single(k).transpose(-1, -2) * scale
        shares = scores.softmax(-1).mean(0)
    return torch.stack([shares[:, list(positions)].sum(-1) for positions in words])


def spread(attention: Tensor) -> float:
    """attention (n,) -> entropy of its distribution over the cells ÷ that of an even one: 0 in one cell, 1 everywhere alike."""
    shares = attention / attention.sum().clamp_min(1e-12)
    entropy = -(shares * shares.clamp_min(1e-12).log()).sum()
    return float(entropy) / math.log(max(2, len(attention)))


def placed(inside: Tensor, outside: Tensor) -> float:
    """``sqrt(a · b)``: a the mean inside ÷ the sum of both means, b the same of the maxima. Without any cell outside, the region's
    weakest ones take their place."""
    if not len(outside):
        outside = inside.sort().values[: max(1, round(_LOW * len(inside)))]
    mean, peak = (
        float(own / (own + other).clamp_min(1e-12)) for own, other in ((inside.mean(), outside.mean()), (inside.max(), outside.max()))
    )
    return math.sqrt(mean * peak)


def region_score(words: Sequence[Word]) -> float:
    """The mean of `placed` over the keywords, which are the words of least `spread` (design, section 12).

    Words that everybody asks for have no cells outside; they count only where all words are such.
    """
    distinct = [word for word in words if len(word[1])] or list(words)
    keywords = sorted(distinct, key=lambda word: spread(torch.cat(word)))[: max(1, int(KEYWORDS * len(words)))]
    return sum(placed(*word) for word in keywords) / len(keywords)


def owners(shares: Tensor) -> Tensor:
    """Regions' shares (R, h, w) of a grid's cells -> (h·w,) the region that a cell belongs to, −1 where they have less than half.

    A region that is half of no cell keeps the one where it has most.
    """
    flat = shares.flatten(1)
    best, owner = flat.max(0)
    owner = torch.where(best >= 0.5, owner, torch.full_like(owner, -1))
    for region, line in enumerate(flat):
        if float(line.max()) > 0 and not bool((owner == region).any()):
            owner[int(line.argmax())] = region
    return owner
