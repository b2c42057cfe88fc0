"""Whose is a LoRA tag: the host's, which acts on the whole picture, or a region's.

Tags in the base and common texts are the host's. In a prompt that is split into regions, tags of a region's part are that region's, so the
host must not see them; tags of texts that stand in the settings (common, base) must be shown to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..settings import Settings
from .lora_tags import raw_tags, without_tags
from .region_prompts import ImageTexts
from .splitting import split_prompt


@dataclass(frozen=True)
class Dealt:
    """``prompt`` for the host to read tags from, and the ``tags`` that stood in each region's part of it ("" for none)."""

    prompt: str
    tags: tuple[str, ...] = ()


def deal_tags(settings: Settings, prompt: str) -> Dealt:
    """Deal the tags of the host's ``prompt``; without any tag about, it is the very prompt. Raises SettingsError as `split_prompt` does."""
    told = [*raw_tags(settings.common), *(raw_tags(settings.base.prompt) if settings.base.prompt is not None else ())]
    if settings.text_from == "regions" or not raw_tags(prompt):
        return Dealt(prompt + "".join(told) if told else prompt)
    parts = split_prompt(prompt, settings.text_from)
    shared = [*raw_tags(parts.common or ""), *raw_tags(parts.base or "")]
    return Dealt(without_tags(prompt) + "".join((*shared, *told)), tuple("".join(raw_tags(text)) for text in parts.regions))


def with_dealt(texts: ImageTexts, tags: Sequence[str]) -> ImageTexts:
    """``texts`` of a prompt whose tags the host took out, with the regions' own put back."""
    if len(tags) != len(texts.regions) or not any(tags):
        return texts
    return replace(texts, regions=tuple(text + tag for text, tag in zip(texts.regions, tags, strict=True)))
