"""Attention maps of a generation: token positions of words in the running host, and the stored form of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..engine.capabilities import TokenHost
from ..engine.records.attention_record import Owner, WordPositions
from ..engine.records.score_record import WordPlaces
from ..request.attention_maps import ImageMaps, RegionMap
from ..tensors.guidance.alignment import words
from .token_counts import CHUNK, count_tokens


def word_positions(host: object) -> WordPositions:
    """Token positions of words in a context of ``host``; on hosts that only count tokens, the positions of all tokens."""
    if not isinstance(host, TokenHost):
        return lambda text: token_places(count_tokens([text])[0][0])
    return lambda text: [position for _, places in words(host.tokens(text)) for position in places]


def word_places(host: object) -> WordPlaces:
    """Words of a text and their token positions in a context of ``host``; where only tokens are counted, each is a word of its own."""
    if isinstance(host, TokenHost):
        return lambda text: words(host.tokens(text))
    return lambda text: [(f"token {at}", (at,)) for at in token_places(count_tokens([text])[0][0])]


def token_places(count: int) -> list[int]:
    """Positions of ``count`` tokens in chunks of 75 between a mark of the beginning and one of the end."""
    return [at // CHUNK * (CHUNK + 2) + at % CHUNK + 1 for at in range(count)]


def kept_maps(maps: Mapping[Owner, Tensor], images: int) -> Sequence[ImageMaps]:
    """Maps (h, w) by image and region as bytes, for every image of the batch."""
    return [tuple(_kept(region, maps[at, region]) for at, region in sorted(maps) if at == image) for image in range(images)]


def _kept(region: int, share: Tensor) -> RegionMap:
    peak = float(share.max())
    levels = (share / max(peak, 1e-12) * 255).round().clamp(0, 255).to(torch.uint8)
    return RegionMap(region, (share.shape[0], share.shape[1]), peak, bytes(levels.flatten().tolist()))
