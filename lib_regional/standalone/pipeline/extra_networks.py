"""``<name:arguments>`` tags in prompts: LoRAs are activated, tags of other kinds are removed with a warning."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from ...request.prompt.lora_tags import KINDS, LoraTag, replace_tags, split_tags

logger = logging.getLogger("regional.standalone")

NetworkData = dict[str, list[list[str]]]
"""Kind -> arguments of each tag of that kind."""


def parse_prompt(prompt: str) -> tuple[str, NetworkData]:
    """The prompt without its tags, and the tags."""
    found: NetworkData = {}

    def take(match: re.Match[str]) -> str:
        found.setdefault(match[1], []).append(match[2].split(":"))
        return ""

    return replace_tags(prompt, take), found


def parse_prompts(prompts: Iterable[str]) -> tuple[list[str], NetworkData]:
    """All prompts without their tags; the tags are those of the first prompt, as in the WebUI."""
    parsed = [parse_prompt(prompt) for prompt in prompts]
    return [text for text, _ in parsed], parsed[0][1] if parsed else {}


def warn(networks: NetworkData) -> None:
    """Log the tags that have no effect here."""
    for kind, uses in networks.items():
        if kind in KINDS:
            continue
        names = ", ".join(sorted({use[0] for use in uses}))
        logger.warning("<%s:…> has no effect on the standalone host and was left out: %s", kind, names)


def loras(networks: NetworkData) -> tuple[LoraTag, ...]:
    """The LoRAs among the tags, in their order. Raises SettingsError for a tag that cannot be read."""
    uses = [use for kind in KINDS for use in networks.get(kind, ())]
    return tuple(lora for use in uses for lora in split_tags(f"<lora:{':'.join(use)}>").loras)


def strip(prompt: str) -> str:
    """A text for the encoder without tags, with a warning if there are any: tags of prompts have been removed before."""
    text, networks = parse_prompt(prompt)
    warn(networks)
    if any(kind in networks for kind in KINDS):
        logger.warning("A LoRA has no effect in a negative prompt and was left out: %s", prompt)
    return text
