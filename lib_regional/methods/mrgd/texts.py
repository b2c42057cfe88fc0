"""Texts of both trajectories: encoded once, tokenised once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...core.errors import RegionalError
from ...core.prompt import split_and
from ...plan import Plan
from ...ports import Conditioning, ContextSchedule, EditingHost, Role, StepInfo, Token, context_at
from ...tensors.alignment import words
from .sides import Side, total_text


@dataclass
class Texts:
    """Contexts and tokens by text. Attention control follows the tokens of a prompt schedule's last text."""

    host: EditingHost
    schedules: Mapping[tuple[Role, str], ContextSchedule]
    _tokens: dict[str, list[Token]] = field(default_factory=dict)

    def conditioning(self, role: Role, text: str, step: StepInfo) -> Conditioning:
        """What the model is told of ``text`` at ``step``."""
        schedule = self.schedules[role, text]
        return schedule[context_at(schedule, step.index)][1]

    def tokens(self, text: str) -> list[Token]:
        """Pieces of ``text`` with their positions in its context."""
        if text not in self._tokens:
            self._tokens[text] = self.host.tokens(text)
        return self._tokens[text]

    def positions(self, text: str) -> dict[str, tuple[int, ...]]:
        """Words of ``text`` -> positions of all their pieces, over all occurrences."""
        found: dict[str, tuple[int, ...]] = {}
        for word, where in words(self.tokens(text)):
            found[word] = found.get(word, ()) + where
        return found

    def positions_within(self, whole: str, parts: list[str]) -> list[dict[str, tuple[int, ...]]]:
        """Per part, where its words stand in ``whole``, in which the parts follow each other."""
        rest, found = words(self.tokens(whole)), []
        for part in parts:
            here: dict[str, tuple[int, ...]] = {}
            for word, _ in words(self.tokens(part)):
                while rest and rest[0][0] != word:
                    rest = rest[1:]
                if rest:
                    here[word] = here.get(word, ()) + rest[0][1]
                    rest = rest[1:]
            found.append(here)
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
    return list(dict.fromkeys(_speaking(plan, plan.active(step)) for step in steps))


def _speaking(plan: Plan, active: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in active if plan.first.texts[0].regions[i])


def check_texts(plan: Plan) -> None:
    """Raise for what an edit cannot follow."""
    for texts in plan.first.texts:
        if any(len(split_and(text)) > 1 for text in (texts.base, texts.negative, *texts.regions)):
            raise RegionalError("Edits cannot follow prompts with AND: write the parts as regions, or without AND.")
