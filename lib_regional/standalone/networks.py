"""``<name:arguments>`` in prompts: this host has no extra networks, so they are taken out and said aloud."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

logger = logging.getLogger("regional.standalone")

_TAG = re.compile(r"<(\w+):([^>]+)>")

NetworkData = dict[str, list[list[str]]]
"""Kind -> arguments of each tag of that kind."""


def parse_prompt(prompt: str) -> tuple[str, NetworkData]:
    """The prompt without its tags, and the tags."""
    found: NetworkData = {}
    for kind, arguments in _TAG.findall(prompt):
        found.setdefault(kind, []).append(arguments.split(":"))
    return _TAG.sub("", prompt), found


def parse_prompts(prompts: Iterable[str]) -> tuple[list[str], NetworkData]:
    """All prompts without their tags; the tags are those of the first prompt, as in the WebUI."""
    parsed = [parse_prompt(prompt) for prompt in prompts]
    return [text for text, _ in parsed], parsed[0][1] if parsed else {}


def warn(networks: NetworkData) -> None:
    """Say which tags have no effect here."""
    for kind, uses in networks.items():
        names = ", ".join(sorted({use[0] for use in uses}))
        logger.warning("<%s:…> has no effect on the standalone host and was left out: %s", kind, names)


def strip(prompt: str) -> str:
    """The prompt without its tags, with a warning if there were any."""
    text, networks = parse_prompt(prompt)
    warn(networks)
    return text
