"""Attention control: the target's maps from the source's, keywords in self-attention, and the maps that guidance reads.

Prompt-to-Prompt (Hertz et al. 2022) per region, with the three cases of MRGD (Li et al., AAAI-24, equation 5): an inherent region
takes the source's maps, an edited text those of the words in common while the step is early, and everything else its own.
Probabilities are computed at grids of up to 32² cells only; finer ones are the host's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...engine.calls import AttentionCall, StepInfo
from ...request.layout.windows import Grid
from ...tensors.attention.maps import attended, kssa_bias, marked_half, probabilities
from ...tensors.device_copies import Moved
from ...tensors.guidance.alignment import ColumnEdit
from .choice import Positions
from .sides import TOTAL, Key, Tag

LARGEST = 32 * 32

Columns = Callable[[int, Tensor, Tensor], Tensor]
"""(image, source (heads, L, T_s), target (heads, L, T_t)) -> the target's new maps."""


@dataclass(frozen=True)
class Rule:
    """What the target's rows of one key take from which of the source's, at one step.

    ``where`` gives for a grid the cells (h, w), 0..1, whose queries take them; None is all.
    """

    source: Key
    cross: Columns | None
    copies_self: bool
    where: Callable[[Grid], Tensor] | None = None
    moved: Moved = field(default_factory=Moved, compare=False)

    def blend(self, taken: Tensor, own: Tensor, grid: Grid) -> Tensor:
        """taken, own (heads, L, T): the one where the rule acts, the other elsewhere."""
        if self.where is None:
            return taken
        share = self.moved(self.where(grid), own).flatten()[:, None]
        return taken * share + own * (1 - share)


@dataclass
class MapStore:
    """Cross-attention of the joined prediction by (side, image): per grid the sum over sites (T, h, w) and their number."""

    sums: dict[tuple[str, int], dict[Grid, tuple[Tensor, int]]] = field(default_factory=dict)

    def add(self, side: str, image: int, grid: Grid, maps: Tensor) -> None:
        """maps (T, h, w), mean over heads."""
        grids = self.sums.setdefault((side, image), {})
        total, count = grids.get(grid, (torch.zeros_like(maps), 0))
        grids[grid] = (total + maps, count + 1)

    def mean(self, side: str, image: int) -> Tensor | None:
        """(T, h, w) on the finest grid seen: the mean over sites of every grid, the grids weighing alike."""
        grids = self.sums.get((side, image))
        if not grids:
            return None
        finest = max(grids)
        means = [
            torch.nn.functional.interpolate((total / count)[None], finest, mode="bilinear", align_corners=False)[0]
            for total, count in grids.values()
        ]
        return torch.stack(means).mean(0)

    def absorb(self, step: MapStore) -> None:
        """Add what a step has seen."""
        for (side, image), grids in step.sums.items():
            for grid, (maps, count) in grids.items():
                own = self.sums.setdefault((side, image), {})
                total, number = own.get(grid, (torch.zeros_like(maps), 0))
                own[grid] = (total + maps, number + count)


@dataclass
class Control:
    """The two attention hooks of a generation. ``rules`` says what holds at the running step; ``keywords`` where a row's keywords stand."""

    gain: float = 1.0
    wants_maps: bool = False
    rules: Mapping[Key, Rule] = field(default_factory=dict)
    keywords: Callable[[Tag], list[int] | Positions] = lambda tag: []
    scales: Callable[[Tag, int], Tensor | None] = lambda tag, length: None
    maps: MapStore = field(default_factory=MapStore)
    moved: Moved = field(default_factory=Moved)
    _kept: dict[tuple[str, Key, int], Tensor] = field(default_factory=dict)
    _marks: dict[tuple[str, Tag], Tensor] = field(default_factory=dict)

    def begin_step(self, step: StepInfo, rules: Mapping[Key, Rule]) -> None:
        """Another step: its rules, and no maps yet."""
        self.rules, self.maps = rules, MapStore()

    def begin_call(self) -> None:
        """Another call of the UNet: the source's maps of the last one are spent."""
        self._kept.clear()

    def close(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._marks.clear()
        self.maps = MapStore()

    def cross(self, call: AttentionCall) -> Tensor | None:
        """Hook of cross-attention."""
        if not self._takes(call):
            return None
        q, k, v = call.to_q(call.x), call.keys(call.context), call.to_v(call.context)
        p = probabilities(q, k, call.heads, call.scale)
        for at, tag in _conditional(call):
            rule = self.rules.get(tag.key) if tag.side == "target" else None
            if tag.side == "source" and self._is_asked_for(tag, lambda r: r.cross is not None):
                self._kept[call.site.name, tag.key, tag.image] = p[at].clone()
            elif rule is not None and rule.cross is not None:
                p[at] = self._edited(call, tag, rule, p[at])
            self._scale(p, at, tag)
            self._note(call, tag, p[at])
        return call.out(attended(p, v))

    def self_attention(self, call: AttentionCall) -> Tensor | None:
        """Hook of self-attention."""
        if not self._takes(call) or not (self._gains or any(rule.copies_self for rule in self.rules.values())):
            return None
        p = probabilities(call.to_q(call.x), call.to_k(call.x), call.heads, call.scale, self._bias(call))
        for at, tag in _conditional(call):
            rule = self.rules.get(tag.key) if tag.side == "target" else None
            if tag.side == "source" and self._is_asked_for(tag, lambda r: r.copies_self):
                self._kept[call.site.name, tag.key, tag.image] = p[at].clone()
            elif rule is not None and rule.copies_self:
                kept = self._kept.get((call.site.name, rule.source, tag.image))
                if kept is not None and kept.shape == p[at].shape:
                    p[at] = rule.blend(kept, p[at], call.grid)
        return call.out(attended(p, call.to_v(call.x)))

    @property
    def _gains(self) -> bool:
        return self.gain != 1

    def _takes(self, call: AttentionCall) -> bool:
        return bool(call.model.tags) and call.grid[0] * call.grid[1] <= LARGEST

    def _is_asked_for(self, tag: Tag, what: Callable[[Rule], bool]) -> bool:
        return any(rule.source == tag.key and what(rule) for rule in self.rules.values())

    def _edited(self, call: AttentionCall, tag: Tag, rule: Rule, own: Tensor) -> Tensor:
        kept = self._kept.get((call.site.name, rule.source, tag.image))
        if kept is None or rule.cross is None or kept.shape[1] != own.shape[1]:
            return own
        return rule.blend(rule.cross(tag.image, kept, own), own, call.grid)

    def _scale(self, p: Tensor, at: int, tag: Tag) -> None:
        scale = self.scales(tag, p.shape[-1])
        if scale is not None:
            p[at] = p[at] * self.moved(scale, p)

    def _note(self, call: AttentionCall, tag: Tag, p: Tensor) -> None:
        """p (heads, L, T) of one row: maps of the joined prediction, marks of the regions' keywords."""
        if tag.key == TOTAL:
            if self.wants_maps:
                self.maps.add(tag.side, tag.image, call.grid, p.float().mean(0).T.unflatten(1, call.grid))
        elif self._gains and (positions := self.keywords(tag)):
            seen = p.float().mean(0)
            scores = seen[:, positions] if isinstance(positions, list) else seen * positions.weights(seen.shape[1]).to(seen)
            self._marks[_block(call.site.name), tag] = marked_half(scores.sum(1))

    def _bias(self, call: AttentionCall) -> Tensor | None:
        """Keyword-selected self-attention (B, L): the block's own cross-attention comes after it, so the last step's marks count."""
        if not self._gains:
            return None
        marks = torch.zeros(call.x.shape[0], call.x.shape[1], dtype=torch.bool, device=call.x.device)
        for at, tag in _conditional(call):
            found = self._marks.get((_block(call.site.name), tag))
            if found is not None and len(found) == marks.shape[1]:
                marks[at] = found
        return kssa_bias(marks, self.gain)


def _conditional(call: AttentionCall) -> list[tuple[int, Tag]]:
    """Conditional rows, the source's first, so that what it has is there when the target asks."""
    tagged = [(at, tag) for at, tag in enumerate(call.model.tags) if isinstance(tag, Tag) and tag.role == "cond"]
    return sorted(tagged, key=lambda entry: entry[1].side != "source")


def _block(site: str) -> str:
    return site.rpartition(".")[0]


def copied(_: int, source: Tensor, target: Tensor) -> Tensor:
    """The source's maps as they are; its own where the texts have other lengths."""
    return source.to(target) if source.shape == target.shape else target


def by_columns(edits: list[ColumnEdit]) -> Columns:
    """Maps by each image's own edit."""

    def edit(image: int, source: Tensor, target: Tensor) -> Tensor:
        return edits[image].apply(source, target)

    return edit
