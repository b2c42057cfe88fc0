"""Prompt syntax and conditionings."""

from lib_regional.request.prompt.schedules import parse_emphasis, prompt_schedule
from lib_regional.standalone.sampling.conditioning import (
    ComposableScheduledPromptConditioning,
    MulticondLearnedConditioning,
    ScheduledPromptConditioning,
    SdConditioning,
    get_learned_conditioning,
    get_multicond_learned_conditioning,
    reconstruct_cond_batch,
    reconstruct_multicond_batch,
)

__all__ = [
    "ComposableScheduledPromptConditioning",
    "MulticondLearnedConditioning",
    "ScheduledPromptConditioning",
    "SdConditioning",
    "get_learned_conditioning",
    "get_learned_conditioning_prompt_schedules",
    "get_multicond_learned_conditioning",
    "parse_prompt_attention",
    "reconstruct_cond_batch",
    "reconstruct_multicond_batch",
]


def get_learned_conditioning_prompt_schedules(prompts: list[str], base_steps: int) -> list[list[list[object]]]:
    """``[[end_at_step, text], …]`` of each prompt."""
    return [[[end, text] for end, text in prompt_schedule(prompt, base_steps)] for prompt in prompts]


def parse_prompt_attention(text: str) -> list[list[object]]:
    """``[[text, weight], …]`` of a prompt in emphasis syntax."""
    return [[words, weight] for words, weight in parse_emphasis(text)]
