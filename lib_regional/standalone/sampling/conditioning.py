"""Conditionings over the steps: schedules in the WebUI's structures, and the batches built from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ...request.prompt.schedules import split_and

CondValue = Tensor | dict[str, Tensor]
"""A tensor (…, 77n, D) for SD1, or ``{"crossattn": …, "vector": …}`` for SDXL, as in the WebUI."""


@dataclass(frozen=True)
class Cond:
    """One encoded text: ``crossattn`` (77n, D); for SDXL also ``vector``: the pooled text and six size numbers."""

    crossattn: Tensor
    vector: Tensor | None = None

    @property
    def value(self) -> CondValue:
        """The WebUI's form of it."""
        return self.crossattn if self.vector is None else {"crossattn": self.crossattn, "vector": self.vector}


@dataclass
class ScheduledPromptConditioning:
    """``cond`` holds up to and including step ``end_at_step`` as the WebUI counts them."""

    end_at_step: int
    cond: CondValue


@dataclass
class ComposableScheduledPromptConditioning:
    """One ``AND`` part of a prompt with its weight."""

    schedules: list[ScheduledPromptConditioning]
    weight: float = 1.0


@dataclass
class MulticondLearnedConditioning:
    """``batch[image][AND part]``."""

    shape: tuple[int]
    batch: list[list[ComposableScheduledPromptConditioning]]


class SdConditioning(list[str]):
    """Prompts with the picture's size and whether they are negative, as the WebUI passes them to the text encoder."""

    def __init__(
        self,
        prompts: Sequence[str],
        is_negative_prompt: bool = False,
        width: int | None = None,
        height: int | None = None,
        copy_from: Any = None,
        distilled_cfg_scale: float | None = None,
    ) -> None:
        super().__init__(prompts)
        source = prompts if copy_from is None else copy_from
        self.is_negative_prompt = is_negative_prompt or getattr(source, "is_negative_prompt", False)
        self.width = width or getattr(source, "width", None)
        self.height = height or getattr(source, "height", None)
        self.distilled_cfg_scale = distilled_cfg_scale or getattr(source, "distilled_cfg_scale", None)


def get_learned_conditioning(
    model: Any, prompts: Sequence[str], steps: int, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> list[list[ScheduledPromptConditioning]]:
    """Scheduled conditionings of each prompt, without ``AND``."""
    size = (getattr(prompts, "width", None) or 512, getattr(prompts, "height", None) or 512)
    negative = getattr(prompts, "is_negative_prompt", False)
    schedules = model.encode_schedules(list(prompts), hires_steps or steps, negative=negative, size=size)
    return [[ScheduledPromptConditioning(end - 1, cond.value) for end, cond in schedule] for schedule in schedules]


def get_multicond_learned_conditioning(
    model: Any, prompts: Sequence[str], steps: int, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> MulticondLearnedConditioning:
    """Scheduled conditionings of each ``AND`` part of each prompt."""
    parts = [split_and(prompt) for prompt in prompts]
    flat = SdConditioning([text for prompt in parts for text, _ in prompt], copy_from=prompts)
    schedules = iter(get_learned_conditioning(model, flat, steps, hires_steps))
    batch = [[ComposableScheduledPromptConditioning(next(schedules), weight) for _, weight in prompt] for prompt in parts]
    return MulticondLearnedConditioning((len(prompts),), batch)


def cond_at(schedules: Sequence[ScheduledPromptConditioning], step: int) -> CondValue:
    """The conditioning that holds at ``step`` (from 0): the first whose end lies at or after it; the last one holds to the end."""
    return next((entry.cond for entry in schedules if step <= entry.end_at_step), schedules[-1].cond)


def reconstruct_cond_batch(c: Sequence[Sequence[ScheduledPromptConditioning]], current_step: int) -> CondValue:
    """Conditionings of a step for each row: (B, 77n, D), or a dictionary of such."""
    return stack_conds([cond_at(schedules, current_step) for schedules in c])


def reconstruct_multicond_batch(c: MulticondLearnedConditioning, current_step: int) -> tuple[list[list[tuple[int, float]]], CondValue]:
    """For each image its parts as (row, weight), and the conditionings of all rows."""
    rows: list[CondValue] = []
    images: list[list[tuple[int, float]]] = []
    for parts in c.batch:
        images.append([(len(rows) + index, part.weight) for index, part in enumerate(parts)])
        rows.extend(cond_at(part.schedules, current_step) for part in parts)
    return images, stack_conds(rows)


def stack_conds(conds: Sequence[CondValue]) -> CondValue:
    """Stack rows; a shorter context repeats its last vector up to the longest, as the WebUI pads."""
    if isinstance(conds[0], dict):
        dicts = cast("Sequence[dict[str, Tensor]]", conds)
        return {
            "crossattn": stack_contexts([cond["crossattn"] for cond in dicts]),
            "vector": torch.stack([cond["vector"] for cond in dicts]),
        }
    return stack_contexts(cast("Sequence[Tensor]", conds))


def stack_contexts(contexts: Sequence[Tensor]) -> Tensor:
    """Contexts (T_i, D) -> (B, max T, D)."""
    longest = max(len(context) for context in contexts)
    return torch.stack([torch.cat([context, context[-1:].expand(longest - len(context), -1)]) for context in contexts])


def crossattn_of(cond: CondValue) -> Tensor:
    """The context (B, T, D) of a batch."""
    return cond["crossattn"] if isinstance(cond, dict) else cond


def rows_of(cond: CondValue, rows: slice) -> CondValue:
    """Some rows of a batch."""
    return {key: value[rows] for key, value in cond.items()} if isinstance(cond, dict) else cond[rows]


def joined(first: CondValue, second: CondValue) -> CondValue:
    """Two batches one after the other; their contexts are equally long."""
    if isinstance(first, dict):
        assert isinstance(second, dict)
        return {key: torch.cat([value, second[key]]) for key, value in first.items()}
    assert isinstance(second, Tensor)
    return torch.cat([first, second])
