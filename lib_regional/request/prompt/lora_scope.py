"""The scope of LoRA tags: the whole picture (applied by the host) or one region.

Tags in the base and common texts apply to the whole picture. In a prompt that is split into regions, tags of a region's part apply to that
region: they are removed from the host's prompt. Tags of texts in the settings (common, base) are appended to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..settings import Settings
from .lora_tags import raw_tags, without_tags
from .region_prompts import ImageTexts
from .splitting import split_prompt


@dataclass(frozen=True)
class ScopedTags:
    """``prompt`` with the tags that the host applies, and the ``tags`` of each region's part of it ("" for none)."""

    prompt: str
    tags: tuple[str, ...] = ()


def scope_tags(settings: Settings, prompt: str) -> ScopedTags:
    """Split the tags of the host's ``prompt`` by scope; without tags it is unchanged. Raises SettingsError as `split_prompt` does."""
    added = [*raw_tags(settings.common), *(raw_tags(settings.base.prompt) if settings.base.prompt is not None else ())]
    if settings.text_from == "regions" or not raw_tags(prompt):
        return ScopedTags(prompt + "".join(added) if added else prompt)
    parts = split_prompt(prompt, settings.text_from)
    shared = [*raw_tags(parts.common or ""), *raw_tags(parts.base or "")]
    return ScopedTags(without_tags(prompt) + "".join((*shared, *added)), tuple("".join(raw_tags(text)) for text in parts.regions))


def with_region_tags(texts: ImageTexts, tags: Sequence[str]) -> ImageTexts:
    """``texts`` with the ``tags`` of each region appended to its text."""
    if len(tags) != len(texts.regions) or not any(tags):
        return texts
    return replace(texts, regions=tuple(text + tag for text, tag in zip(texts.regions, tags, strict=True)))
