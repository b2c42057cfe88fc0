"""Cross-attention maps: probabilities, keywords by entropy, and what keywords add to self-attention."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import full_precision, single
from .regional import split_heads

BINS = 256


def probabilities(q: Tensor, k: Tensor, heads: int, scale: float, bias: Tensor | None = None) -> Tensor:
    """q (B, L, C), k (B, T, C) -> softmax(q kᵀ·scale + bias) (B, heads, L, T) in fp32 at least.

    ``bias`` (B, T) is added to every query's scores.
    """
    with full_precision(q.device):
        scores = split_heads(single(q), heads) @ split_heads(single(k), heads).transpose(-1, -2) * scale
    if bias is not None:
        scores = scores + bias[:, None, None].to(scores)
    return scores.softmax(-1)


def attended(p: Tensor, v: Tensor) -> Tensor:
    """p (B, heads, L, T), v (B, T, C) -> (B, L, C) in the type of v, before the output projection."""
    return (p.to(v.dtype) @ split_heads(v, p.shape[1])).transpose(1, 2).flatten(2)


def resized(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """maps (R, h, w) -> (R, H, W), bilinear."""
    return F.interpolate(maps[None], grid, mode="bilinear", align_corners=False)[0]


def normalised(maps: Tensor) -> Tensor:
    """maps (R, …) -> each stretched to 0..1, in fp32 at least; a flat one is 0 everywhere."""
    flat = single(maps.flatten(1))
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    return ((flat - low) / (high - low).clamp_min(1e-12)).view_as(maps)


def histogram_entropy(maps: Tensor, bins: int = BINS) -> Tensor:
    """maps (R, …) -> (R,) Shannon entropy in bits of the histogram of each map, normalised to 0..255 (MRGD, section 3.4).

    A map that is concentrated in a place has most cells in few bins: a low entropy.
    """
    levels = (normalised(maps).flatten(1) * (bins - 1)).round().long()
    share = (levels[..., None] == torch.arange(bins, device=levels.device)).float().mean(1)
    return -(share * share.clamp_min(1e-12).log2()).sum(1)


def choose_keywords(entropy: Mapping[str, float], number: int, kept: Collection[str] = ()) -> tuple[str, ...]:
    """The user's own words first, then those of lowest entropy, ``number`` in all (but never fewer than the user gave)."""
    own = tuple(dict.fromkeys(kept))
    others = sorted((word for word in entropy if word not in own), key=lambda word: (entropy[word], word))
    return (*own, *others[: max(0, number - len(own))])


def word_maps(maps: Tensor, positions: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """maps (T, h, w) per token -> per word, the mean over its pieces and occurrences."""
    return {word: maps[list(where)].mean(0) for word, where in positions.items()}


def marked_half(scores: Tensor) -> Tensor:
    """scores (L,) -> (L,) bool: the half of the image tokens with the highest score."""
    marks = torch.zeros_like(scores, dtype=torch.bool)
    marks[scores.topk(max(1, len(scores) // 2)).indices] = True
    return marks


def kssa_bias(marks: Tensor, gain: float) -> Tensor:
    """marks (…, L) bool -> log gain on marked tokens, 0 elsewhere: as keys they weigh ``gain`` times as much (MRGD, section 3.4)."""
    return marks.float() * math.log(gain)
