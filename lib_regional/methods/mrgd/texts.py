"""Texts of both trajectories: encoded once, tokenised once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...engine.calls import Conditioning, ContextSchedule, Role, StepInfo
from ...engine.capabilities import EditingHost
from ...engine.plan import Plan
from ...request.errors import RegionalError
from ...request.prompt.splitting import split_and
from ...tensors.guidance.alignment import words
from ...tensors.guidance.tokens import Token
from ..common.contexts import context_at
from .sides import Side, total_text


@dataclass
class Texts:
    """Contexts and tokens by text. Attention control follows the tokens of a prompt schedule's last text."""

    host: EditingHost
    schedules: Mapping[tuple[Role, str], ContextSchedule]
    _tokens: dict[str, list[Token]] = field(default_factory=dict)

    def conditioning(self, role: Role, text: str, step: StepInfo) -> Conditioning:
        """The conditioning of ``text`` at ``step``."""
        schedule = self.schedules[role, text]
        return schedule[context_at(schedule, step.index)][1]

    def tokens(self, text: str) -> list[Token]:
        """Pieces of ``text`` with their positions in its context."""
        if text not in self._tokens:
            self._tokens[text] = self.host.tokens(text)
        return self._tokens[text]

    def positions(self, text: str) -> dict[str, tuple[int, ...]]:
        """Words of ``text`` -> positions of all their pieces, over all occurrences."""
        return _places(self.tokens(text))

    def tokens_within(self, whole: str, parts: Sequence[str]) -> list[list[Token]]:
        """Per part, its tokens in ``whole``, in which the parts follow each other; from the first to the last word of each."""
        rest, cursor, found = self.tokens(whole), 0, []
        runs = words(rest)
        for part in parts:
            places: list[int] = []
            for word, _ in words(self.tokens(part)):
                at = next((i for i in range(cursor, len(runs)) if runs[i][0] == word), None)
                if at is not None:
                    places += runs[at][1]
                    cursor = at + 1
            found.append([token for token in rest if places and places[0] <= token.position <= places[-1]])
        return found

    def positions_within(self, whole: str, parts: Sequence[str]) -> list[dict[str, tuple[int, ...]]]:
        """Per part, where its words stand in ``whole``."""
        return [_places(tokens) for tokens in self.tokens_within(whole, parts)]


def _places(tokens: Sequence[Token]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for word, where in words(tokens):
        found[word] = found.get(word, ()) + where
    return found


def encode_sides(host: EditingHost, sides: Iterable[Side]) -> dict[tuple[Role, str], ContextSchedule]:
    """Every text that a trajectory needs, each once."""
    roles: tuple[Role, ...] = ("cond", "uncond")
    result: dict[tuple[Role, str], ContextSchedule] = {}
    every = list(sides)
    for role in roles:
        wanted = list(dict.fromkeys(text for side in every for text in _texts(side, role)))
        first = every[0].plan
        found = host.encode(wanted, steps=first.first.steps, negative=role == "uncond", size=first.size)
        result.update({(role, text): schedule for text, schedule in zip(wanted, found, strict=True)})
    return result


def _texts(side: Side, role: Role) -> Iterable[str]:
    for texts in side.plan.first.texts:
        if role == "uncond":
            yield texts.negative
            yield from (text for text in texts.region_negatives if text is not None)
            continue
        yield texts.base
        yield from (text for text in texts.regions if text)
        yield from (total_text(texts, active) for active in possible_regions(side.plan))


def possible_regions(plan: Plan) -> list[tuple[int, ...]]:
    """Every set of regions that acts together at some step."""
    steps = (StepInfo(index, plan.first.steps) for index in range(plan.first.steps))
    return list(dict.fromkeys(_with_text(plan, plan.active(step)) for step in steps))


def _with_text(plan: Plan, active: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in active if plan.first.texts[0].regions[i])


def check_texts(plan: Plan) -> None:
    """Raise for what an edit cannot follow."""
    for texts in plan.first.texts:
        if any(len(split_and(text)) > 1 for text in (texts.base, texts.negative, *texts.regions)):
            raise RegionalError("Edits cannot follow prompts with AND: write the parts as regions, or without AND.")
