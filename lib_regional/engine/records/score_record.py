"""What a score of every region is made of: queries and keys of one attention layer at two steps, kept while sampling goes on.

During sampling only references are kept, so that it costs no operator where the method has queries and keys anyway; `ScoreRecord.scores`
does the arithmetic afterwards (design, section 12; `tensors.attention.placing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...request.layout.regions import Layout
from ...request.layout.windows import Grid, Window, canvas_of
from ...tensors.attention.placing import Word, owners, region_score, word_attention
from ...tensors.masks.pyramid import FoundLayouts, reduce_maps
from ...tensors.masks.weight_maps import weight_maps
from ..calls import AttentionCall

STEPS = (0.6, 0.8)
"""Shares of the first pass at which regions are scored: the composition stands, and the method's last phase has begun."""

DECODER = ("output_blocks.", "up_blocks.")
"""Parts of the names of the decoder's layers."""

WordPlaces = Callable[[str], Sequence[tuple[str, Sequence[int]]]]
"""A text without LoRA tags -> its words, and the token positions of each in the text's context."""

Scores = dict[int, dict[int, float]]
"""Image of the batch -> region -> score in 0..1."""


@dataclass(frozen=True)
class _Seen:
    """Queries (L, C) on the ``grid`` of a ``window``; of the row of ``text`` (None: the base's), or of every text where ``shared``."""

    q: Tensor
    grid: Grid
    window: Window
    text: str | None
    shared: bool


@dataclass
class _Sample:
    """An image at a scored step: ``keys`` (heads, T, d) by text, and the text of every region."""

    scale: float
    image: int
    canvas: Grid
    base: str
    texts: dict[int, str]
    seen: list[_Seen] = field(default_factory=list)
    keys: dict[str, Tensor] = field(default_factory=dict)


class ScoreRecord:
    """Queries and keys of the scored layer: the last cross-attention layer of the decoder's coarsest grid, which places objects.

    That layer is found in the first call of the network. Without a decoder by name every layer counts as one.
    """

    def __init__(self, layout: Layout, places: WordPlaces, found: FoundLayouts | None = None) -> None:
        self._layout = layout
        self._found = found
        self._places = places
        self._tokens: dict[str, int] = {}
        self._site = ""
        self._samples: dict[tuple[int, str, int], _Sample] = {}
        self._steps: dict[int, frozenset[int]] = {}
        self._known: dict[tuple[tuple[int, ...], Grid, Window, Grid, int | None], Tensor] = {}

    def wants(self, call: AttentionCall) -> bool:
        """Whether this layer is to be kept. While the scored layer is unknown, all that may be it are."""
        site, step = call.site, call.model.step
        if site.kind != "cross" or site.controlnet or step.hires or call.model.tile is not None:
            return False
        if not self._site:
            self._note(site.name, call.grid[0] * call.grid[1])
        if step.total not in self._steps:
            self._steps[step.total] = self._chosen(step.total)
        whole = call.x.shape[1] == call.grid[0] * call.grid[1]
        return step.index in self._steps[step.total] and self._site in ("", site.name) and whole

    def _note(self, name: str, tokens: int) -> None:
        if name in self._tokens:
            self._site = self._scored()
        self._tokens[name] = tokens

    def _scored(self) -> str:
        decoder = {name: tokens for name, tokens in self._tokens.items() if any(part in name for part in DECODER)} or self._tokens
        return [name for name, tokens in decoder.items() if tokens == min(decoder.values())][-1]

    def _chosen(self, total: int) -> frozenset[int]:
        """Indices of the scored steps; a region that acts at none of them adds the middle of its own."""
        chosen = {int(share * total) for share in STEPS}
        for region in self._layout.regions:
            first, end = region.steps
            if region.enabled and not any(first <= index / max(1, total) < end for index in chosen):
                chosen.add(int((first + end) / 2 * total))
        return frozenset(chosen)

    def sample(self, call: AttentionCall, image: int, canvas: Grid, base: str, texts: dict[int, str]) -> _Sample:
        """What is kept of ``image`` at this step: of a canvas (H, W) in cells, its base text, and regions' texts without LoRA tags."""
        key = (call.model.step.index, call.site.name, image)
        return self._samples.setdefault(key, _Sample(call.scale, image, canvas, base, texts))

    def add(self, sample: _Sample, call: AttentionCall, text: str | None, q: Tensor, k: Tensor, window: Window) -> None:
        """Keep the queries (L, C) of a row that sees ``window`` with the context of ``text`` alone, and the keys of that text."""
        sample.seen.append(_Seen(q, call.grid, window, text, False))
        if text is not None:
            sample.keys[text] = k

    def add_shared(self, sample: _Sample, call: AttentionCall, q: Tensor) -> None:
        """Keep the queries (L, C) of a row that all texts share; their keys go into ``sample.keys``."""
        sample.seen.append(_Seen(q, call.grid, canvas_of(sample.canvas), None, True))

    def scores(self) -> Scores:
        """The score of every region that has words and acted at a scored step, mean over the steps. Forgets what was kept."""
        site, found = self._site or (self._scored() if self._tokens else ""), dict[tuple[int, int], list[float]]()
        with torch.no_grad():
            for (_, name, image), sample in self._samples.items():
                for region, text in sample.texts.items() if name == site else ():
                    score = self._score(sample, region, text)
                    if score is not None:
                        found.setdefault((image, region), []).append(score)
        self._samples.clear()
        result: Scores = {}
        for (image, region), scores in sorted(found.items()):
            result.setdefault(image, {})[region] = sum(scores) / len(scores)
        return result

    def _score(self, sample: _Sample, region: int, text: str) -> float | None:
        k = sample.keys.get(text)
        words = [] if k is None else [(word, at) for word, at in self._places(text) if at and max(at) < k.shape[1]]
        if k is None or not words:
            return None
        inside: list[Tensor] = []
        others: list[tuple[int, Tensor]] = []
        for seen in sample.seen:
            owner = self._owners(sample, seen)
            attention = word_attention(seen.q, k, [at for _, at in words], sample.scale).cpu()
            for other in owner.unique().tolist():
                if seen.shared or seen.text == sample.texts.get(other):
                    cells = attention[:, owner == other]
                    inside += [cells] if other == region else []
                    others += [(other, cells)] if other != region else []
        return region_score(list(self._words(sample, words, inside, others))) if inside else None

    def _words(
        self, sample: _Sample, words: Sequence[tuple[str, Sequence[int]]], inside: list[Tensor], others: list[tuple[int, Tensor]]
    ) -> list[Word]:
        """Each word's attention in the region, and in the places of texts that do not have the word."""
        texts = {other: sample.texts.get(other, sample.base) for other, _ in others}
        asked = {other: {word for word, _ in self._places(text)} for other, text in texts.items()}
        own, found = torch.cat(inside, 1), []
        for at, (word, _) in enumerate(words):
            rest = [cells[at] for other, cells in others if word not in asked[other]]
            found.append((own[at], torch.cat(rest) if rest else own.new_zeros(0)))
        return found

    def _owners(self, sample: _Sample, seen: _Seen) -> Tensor:
        """The region that each token of the row's grid belongs to (L,), −1 for the base."""
        own = self._found is not None and self._found.varies(list(sample.texts))
        key = (tuple(sample.texts), sample.canvas, seen.window, seen.grid, sample.image if own else None)
        if key not in self._known:
            layout = self._found.layout(sample.image) if self._found is not None and own else self._layout
            maps = weight_maps(layout, *sample.canvas, list(sample.texts)).share
            self._known[key] = owners(reduce_maps(seen.window.of(maps), seen.grid))
        return self._known[key]
