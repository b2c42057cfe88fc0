"""Contexts of the regions' texts, encoded once per pass, and which of them holds at a step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from ..core.texts import ImageTexts
from ..plan import PassPlan, Plan
from ..ports import Conditioning, ContextSchedule, Host, Role, Row, StepInfo, context_at

ContextKey = tuple[bool, Role, str, int]
"""(hires, role, text, position in the text's schedule): equal keys mean the same context."""


def region_text(texts: ImageTexts, region: int, role: Role) -> str | None:
    """What ``region`` says on rows of ``role``; None where it has nothing of its own to say and the base speaks."""
    return (texts.regions[region] or None) if role == "cond" else texts.region_negatives[region]


@dataclass(frozen=True)
class Contexts:
    """Schedules by (hires, role, text)."""

    plan: Plan
    schedules: dict[tuple[bool, Role, str], ContextSchedule]

    def key(self, row: Row, region: int, step: StepInfo) -> ContextKey | None:
        """The context that ``region`` of ``row``'s image uses at ``step``; None if the base speaks for it."""
        hires = step.hires and self.plan.hires is not None
        text = region_text(self.plan.pass_of(step).texts[row.image], region, row.role)
        if text is None:
            return None
        return (hires, row.role, text, context_at(self.schedules[hires, row.role, text], step.index))

    def conditioning(self, key: ContextKey) -> Conditioning:
        """All that the model is told of ``key``'s text."""
        return self.schedules[key[:3]][key[3]][1]

    def tensor(self, key: ContextKey) -> Tensor:
        """Context (T, D) of ``key``."""
        return self.conditioning(key).crossattn


def encode_plan(plan: Plan, host: Host) -> Contexts:
    """Encode every text that a region of the plan needs, each once."""
    schedules: dict[tuple[bool, Role, str], ContextSchedule] = {}
    passes: list[tuple[bool, PassPlan]] = [(False, plan.first), *([(True, plan.hires)] if plan.hires is not None else [])]
    roles: tuple[Role, ...] = ("cond", "uncond")
    for hires, part in passes:
        for role in roles:
            texts = list(dict.fromkeys(_texts(plan, part, role)))
            if texts:
                hires_steps = part.steps if hires else None
                found = host.encode(texts, steps=plan.first.steps, negative=role == "uncond", size=plan.size, hires_steps=hires_steps)
                schedules.update({(hires, role, text): schedule for text, schedule in zip(texts, found, strict=True)})
    return Contexts(plan, schedules)


def _texts(plan: Plan, part: PassPlan, role: Role) -> Iterable[str]:
    for texts in part.texts:
        for region, _ in enumerate(plan.layout.regions):
            text = region_text(texts, region, role)
            if text is not None:
                yield text
