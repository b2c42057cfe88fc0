"""Masks of words, found while the base prompt alone makes the first share of the steps (design, section 13).

Image by image, in the last of those steps that has the words: their attention in the base's context, averaged over heads and over sites of
the two finest recorded grids; and the decoder's self-attention, which carries it from where a word is strong to all of its object. In the
steps before, objects are not yet where they will be: with them the masks met the outlines less well (docs/masks.md). When a region with
words is to act for the first time, its mask is made; the layout of the image has it from then on.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ...request.errors import RegionalError, raise_any
from ...request.layout.mask_codecs import encode_rle
from ...request.layout.regions import Layout
from ...request.layout.windows import Grid
from ...request.prompt.schedules import prompt_schedule
from ...request.prompt.splitting import split_and
from ...request.words.search import missing_words, occurrences, probe_of, sought
from ...request.words.shape import Words
from ...tensors.attention.maps import probabilities, resized
from ...tensors.masks.from_words import word_masks
from ..calls import AttentionCall, StepInfo
from .score_record import DECODER, WordPlaces

logger = logging.getLogger(__name__)

_Key = TypeVar("_Key", bound=Hashable)

MOST_TOKENS = 1024
"""Sites with more image tokens are left out: the coarse ones hold the semantics."""

_FROM = 0.5
"""Share of the searching steps after which recording begins: the last one that a sampler or a schedule has is in the rest."""


@dataclass(frozen=True)
class _Place:
    """Token positions of a region's words in an AND part of an image's base prompt, up to and including step ``end`` (from 1)."""

    region: int
    part: int
    end: int
    positions: tuple[int, ...]


class WordRecord:
    """The words of one batch, and what is found. ``bases`` are the base texts of the images, ``steps`` those of their schedules.

    Raises SettingsError for words that the host's tokens of a base text do not have.
    """

    def __init__(self, layout: Layout, bases: Sequence[str], steps: int, places: WordPlaces) -> None:
        self._layout = layout
        self._sought = sought(layout.regions)
        self._until = probe_of(layout.regions)
        self._places = [self._places_in(base, steps, places) for base in bases]
        self._sums: dict[tuple[int, int], dict[Grid, Tensor]] = {}
        self._affinities: dict[tuple[int, Grid], Tensor] = {}
        self._steps: dict[Hashable, int] = {}
        self._found: dict[int, Layout] = {}

    def _places_in(self, base: str, steps: int, places: WordPlaces) -> list[_Place]:
        found: list[_Place] = []
        there: list[str] = []
        for part, (text, _) in enumerate(split_and(base)):
            for end, one in prompt_schedule(text, steps):
                words = list(places(one))
                there += [word for word, _ in words]
                for region, shape in self._sought.items():
                    spans = occurrences([word for word, _ in words], shape.text)
                    positions = sorted({position for span in spans for at in span for position in words[at][1]})
                    found += [_Place(region, part, end, tuple(positions))] if positions else []
        lost = [at for at in self._sought if not any(place.region == at for place in found)]
        raise_any(missing_words(self._layout.regions[at], at, self._sought[at].text, there) for at in lost)
        return found

    def varies(self, active: Sequence[int]) -> bool:
        """Whether the masks of these regions differ from image to image."""
        return any(region in self._sought for region in active)

    def wants(self, call: AttentionCall) -> bool:
        """Whether this layer is recorded: cross-attention, and self-attention of the decoder, on a coarse grid while words are searched."""
        step, tokens = call.model.step, call.grid[0] * call.grid[1]
        steps = math.ceil(self._until * step.total)
        searching = int(steps * _FROM) <= step.index < steps and not step.hires and call.model.tile is None and not self._found
        kind = call.site.kind == "cross" or any(part in call.site.name for part in DECODER)
        return searching and kind and not call.site.controlnet and tokens <= MOST_TOKENS and call.x.shape[1] == tokens

    def add(self, call: AttentionCall, at: int, q: Tensor, k: Tensor) -> None:
        """Record row ``at`` of the call, whose context is the base's: queries (L, C) and keys (T, C), or (L, C) of self-attention."""
        row = call.model.rows[at]
        shares = probabilities(q[None], k[None], call.heads, call.scale)[0].mean(0)
        if call.site.kind == "self":
            self._drop_earlier(self._affinities, (row.image, call.grid), call.model.step)
            _add_to(self._affinities, (row.image, call.grid), shares)
            return
        for place in self._holding(row.image, row.part, call.model.step):
            if place.positions[-1] < len(k):
                self._drop_earlier(self._sums, (row.image, place.region), call.model.step)
                sums = self._sums.setdefault((row.image, place.region), {})
                _add_to(sums, call.grid, shares[:, list(place.positions)].sum(-1).view(call.grid))

    def _drop_earlier(self, kept: dict[_Key, Any], key: _Key, step: StepInfo) -> None:
        """Forget what is kept under ``key`` of an earlier step."""
        if self._steps.get(key) != step.index:
            kept.pop(key, None)
            self._steps[key] = step.index

    def _holding(self, image: int, part: int, step: StepInfo) -> list[_Place]:
        """The places of the text that holds at a step."""
        mine = [place for place in self._places[image] if place.part == part and step.index < place.end]
        first = {place.region: place.end for place in sorted(mine, key=lambda place: -place.end)}
        return [place for place in mine if place.end == first[place.region]]

    def layout(self, image: int) -> Layout:
        """The layout of an image with the masks that were found; to be asked when a region with words is to act.

        Raises RegionalError where no attention was recorded.
        """
        if image not in self._found:
            self._found[image] = self._settled(image)
        return self._found[image]

    def _settled(self, image: int) -> Layout:
        missing = [region for region in self._sought if (image, region) not in self._sums]
        if missing:
            region = self._layout.regions[missing[0]]
            raise RegionalError(
                f"{region.label(missing[0])}: its words {self._sought[missing[0]].text!r} got no attention that could be recorded "
                "(sampling in tiles or without cross-attention has none, and a schedule may bring them too late): give it another shape."
            )
        shapes = list(self._sought.values())
        maps = _mean_maps([self._sums[image, region] for region in self._sought])
        affinity = self._affinities.get((image, (maps[0].shape[0], maps[0].shape[1])))
        masks = word_masks(
            maps, None if affinity is None else affinity.cpu(), [shape.threshold for shape in shapes], [shape.exclusive for shape in shapes]
        )
        regions = list(self._layout.regions)
        for (at, shape), mask in zip(self._sought.items(), masks, strict=True):
            if not mask.any():
                logger.warning("%s has no place in picture %d: other words have more attention there.", regions[at].label(at), image + 1)
            height, width = mask.shape
            text = encode_rle(width, height, bytes((mask.flatten().to(torch.uint8) * 255).tolist()))
            regions[at] = replace(regions[at], shape=shape.with_mask(text))
        return replace(self._layout, regions=tuple(regions))

    def found(self, image: int) -> dict[int, str]:
        """The masks of an image by region, as mask texts; empty where none was needed yet."""
        layout = self._found.get(image)
        return {} if layout is None else {at: _mask_of(layout, at) for at in self._sought}


def _mask_of(layout: Layout, at: int) -> str:
    shape = layout.regions[at].shape
    return (shape.found or "") if isinstance(shape, Words) else ""


def _add_to(sums: dict[_Key, Tensor], key: _Key, value: Tensor) -> None:
    sums[key] = sums[key] + value if key in sums else value


def _mean_maps(sums: Sequence[dict[Grid, Tensor]]) -> list[Tensor]:
    """Sums by grid -> one map each, on the finest grid: those of grids of at least a quarter of its cells, together."""
    finest = max((grid for one in sums for grid in one), key=lambda grid: grid[0] * grid[1])
    least = finest[0] * finest[1] / 4
    kept = [[total for grid, total in one.items() if grid[0] * grid[1] >= least] for one in sums]
    return [torch.stack([resized(total[None].cpu(), finest)[0] for total in one]).sum(0) for one in kept]
