"""Texts to contexts in AUTOMATIC1111: its own prompt parser and text encoders, so that schedules, emphasis, textual inversion
and text-encoder LoRAs act as they do on its own prompts."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...engine.calls import Conditioning, ContextSchedule

logger = logging.getLogger("regional")

_FOREVER = 2**31
_OLD = "use_old_scheduling"
"""An option of the host, and the parameter of its parser for it, which Forge Neo has dropped."""


def encode(
    model: Any, texts: Sequence[str], *, steps: tuple[int, int | None], negative: bool, size: tuple[int, int]
) -> list[ContextSchedule]:
    """Conditionings of ``texts`` for schedules that refer to ``steps`` (first pass, hires pass or None)."""
    from modules import devices, prompt_parser

    prompts = prompt_parser.SdConditioning(_without_tags(texts), is_negative_prompt=negative, width=size[0], height=size[1])
    parse = prompt_parser.get_learned_conditioning
    with torch.no_grad(), devices.autocast():
        found = parse(model, prompts, *steps, **_old(parse))
    return [_schedule(entries) for entries in found]


def schedule(text: str, steps: tuple[int, int | None]) -> list[tuple[int, str]]:
    """``((end step, text), …)`` of a prompt by the host's parser, with the end steps of `encode`."""
    from modules import prompt_parser

    parse = prompt_parser.get_learned_conditioning_prompt_schedules
    found = [(int(end) + 1, str(one)) for end, one in parse([text], *steps, **_old(parse))[0]]
    return found if len(found) == 1 else [*found, (_FOREVER, found[0][1])]


def _old(parse: Callable[..., Any]) -> dict[str, bool]:
    """The host's option for old schedules, where its parser takes it."""
    from modules import shared

    return {_OLD: bool(getattr(shared.opts, _OLD, False))} if _OLD in inspect.signature(parse).parameters else {}


def _without_tags(texts: Sequence[str]) -> list[str]:
    """``texts`` without extra network tags, which the host removes from its own prompts before it encodes them."""
    from modules import extra_networks

    parsed = [extra_networks.parse_prompt(text) for text in texts]
    for text, (_, found) in zip(texts, parsed, strict=True):
        if found:
            logger.warning("Extra networks in a region's prompt are left out: %s", text)
    return [plain for plain, _ in parsed]


def schedule_steps(p: Any, steps: int, hires_steps: int | None = None) -> tuple[int, int | None]:
    """Steps as the user counts them -> calls of the model, two for each step of a second-order sampler. ``p`` may be None."""
    if p is None:
        return steps, hires_steps
    first = getattr(p, "firstpass_steps", None) or _calls(p.sampler_name, steps)
    if hires_steps is None:
        return first, None
    return first, _calls(getattr(p, "hr_sampler_name", None) or p.sampler_name, hires_steps)


def hires_size(p: Any, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the hires pass, part of SDXL's conditioning; ``size`` where the host has none."""
    return (getattr(p, "hr_upscale_to_x", 0) or size[0], getattr(p, "hr_upscale_to_y", 0) or size[1])


def _calls(sampler: str, steps: int) -> int:
    from modules import sd_samplers

    config = sd_samplers.find_sampler_config(sampler)
    return config.total_steps(steps) if config else steps


def _schedule(entries: Sequence[Any]) -> ContextSchedule:
    """The host's ``end_at_step`` is the last step of an entry, ours the first after it; past all ends it starts over."""
    found = tuple((entry.end_at_step + 1, _conditioning(entry.cond)) for entry in entries)
    return found if len(found) == 1 else (*found, (_FOREVER, found[0][1]))


def _conditioning(cond: Tensor | dict[str, Tensor]) -> Conditioning:
    if not isinstance(cond, dict):
        return Conditioning(cond.flatten(0, -2))
    return Conditioning(cond["crossattn"], cond.get("vector"))
