"""Which of the source's maps the target takes: the three cases of MRGD's equation 5, per region and step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ...engine.calls import StepInfo
from ...request.edit.pairing import Pair
from ...request.layout.windows import Grid
from ...request.prompt.region_prompts import ImageTexts
from ...tensors.guidance.alignment import ColumnEdit, by_parts
from ...tensors.guidance.tokens import Token
from .control import Rule, by_columns, copied
from .sides import BASE, TOTAL, Key, Side, total_text
from .texts import Texts

Part = tuple[str, str]
"""What a part of the source says, and what the same part of the target says."""


@dataclass
class Rules:
    """Makes the rules of a step. An inherent text takes the source's maps; the joined one, if edited, those of the words in common up to
    ``tau`` of the steps, and the source's self-attention up to ``self_until``; all else its own. Rows that see the whole picture take
    them only where ``area`` (grid -> (h, w), 0..1) says that nothing was added or removed (*choice*).

    A re-worded text's own prediction does so up to ``tau_own`` of the steps at most (*choice*: in the paper it has its own maps from the
    first step on). The first steps settle what an object is, the next ones how it looks.
    """

    source: Side
    target: Side
    pairs: tuple[Pair, ...]
    texts: Texts
    area: Callable[[Grid], Tensor]
    tau: float = 0.5
    tau_own: float = 0.25
    self_until: float = 0.0
    _made: dict[tuple[object, ...], Mapping[Key, Rule]] = field(default_factory=dict)

    def at(self, step: StepInfo) -> Mapping[Key, Rule]:
        """Rules by the target's key."""
        early, early_self = step.progress < self.tau, step.progress < self.self_until
        own = step.progress < self.tau_own
        name = (early, early_self, own, self.source.active(0, step), self.target.active(0, step))
        if name not in self._made:
            self._made[name] = self._rules(step, early, early_self, own)
        return self._made[name]

    def _rules(self, step: StepInfo, early: bool, early_self: bool, own: bool) -> dict[Key, Rule]:
        prompts = list(zip(self.source.plan.pass_of(step).texts, self.target.plan.pass_of(step).texts, strict=True))
        both = [pair for pair in self.pairs if pair.source is not None and pair.target is not None]
        keys: list[tuple[Key, Key]] = [(BASE, BASE), *((p.source, p.target) for p in both if p.source is not None and p.target is not None)]
        rules: dict[Key, Rule] = {}
        for source, target in keys:
            parts = [(_text(theirs, source), _text(ours, target)) for theirs, ours in prompts]
            where = self.area if target == BASE else None
            if all(old == new for old, new in parts):
                rules[target] = Rule(source, copied, True, where)
            elif own and (early or early_self):
                edits = [self._edit(*part, [part], step) for part in parts]
                rules[target] = Rule(source, by_columns(edits) if early else None, early_self, where)
        rule = self._total(prompts, keys, step, early, early_self)
        return rules if rule is None else {**rules, TOTAL: rule}

    def _total(
        self,
        prompts: Sequence[tuple[ImageTexts, ImageTexts]],
        keys: Sequence[tuple[Key, Key]],
        step: StepInfo,
        early: bool,
        early_self: bool,
    ) -> Rule | None:
        """The joined prompts, part by part: words of one region never take the maps of another's."""
        actives = self.source.active(0, step), self.target.active(0, step)
        wholes = [(total_text(theirs, actives[0]), total_text(ours, actives[1])) for theirs, ours in prompts]
        if all(old == new for old, new in wholes):
            return Rule(TOTAL, copied, True, self.area)
        if not early and not early_self:
            return None
        edits = []
        for (theirs, ours), whole in zip(prompts, wholes, strict=True):
            orders = [[theirs.base, *(theirs.regions[i] for i in actives[0])], [ours.base, *(ours.regions[i] for i in actives[1])]]
            spans = [self.texts.tokens_within(text, order) for text, order in zip(whole, orders, strict=True)]
            found = [(_span(spans[0], actives[0], source), _span(spans[1], actives[1], target)) for source, target in keys]
            edits.append(self._columns(whole, found, step))
        return Rule(TOTAL, by_columns(edits) if early else None, early_self, self.area)

    def _edit(self, source: str, target: str, parts: Sequence[Part], step: StepInfo) -> ColumnEdit:
        found = [(self.texts.tokens(old), self.texts.tokens(new)) for old, new in parts]
        return self._columns((source, target), found, step)

    def _columns(self, whole: Part, parts: Sequence[tuple[list[Token], list[Token]]], step: StepInfo) -> ColumnEdit:
        lengths = [len(self.texts.conditioning("cond", text, step).crossattn) for text in whole]
        return by_parts(parts, self.texts.tokens(whole[0]), self.texts.tokens(whole[1]), (lengths[0], lengths[1]))


def _text(texts: ImageTexts, key: Key) -> str:
    return texts.regions[key] if isinstance(key, int) else texts.base


def _span(spans: list[list[Token]], active: tuple[int, ...], key: Key) -> list[Token]:
    if not isinstance(key, int):
        return spans[0]
    return spans[1 + active.index(key)] if key in active else []
