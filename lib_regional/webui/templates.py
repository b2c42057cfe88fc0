"""Templates of the Dynamic Prompts extension in texts that it does not process: all but the host's own prompts.

It draws ``{red|blue}`` and ``__colour__`` in the main prompt, also where that is split among regions, but not in the texts of the
settings. There the braces would be encoded as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ..request.errors import Problem, raise_any, shown
from ..request.settings import Settings

_TITLE = "Dynamic Prompts"
_ALLOWED = "a text without templates"


def refuse_templates(p: Any, settings: Settings) -> None:
    """Raise SettingsError, before anything is sampled, for every template in a text of ``settings`` while Dynamic Prompts is enabled."""
    if _is_enabled(p):
        find = _finder()
        found = ((field, where, text, find(text)) for field, where, text in _texts(settings))
        raise_any(_problem(field, where, text, template) for field, where, text, template in found if template)


def _is_enabled(p: Any) -> bool:
    """Whether its script is among those of ``p`` with its first argument, the checkbox, set."""
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ():
        if str(getattr(script, "title", str)()).startswith(_TITLE):
            arguments = list(getattr(p, "script_args", None) or ())[script.args_from : script.args_to]
            return bool(arguments and arguments[0])
    return False


def _finder() -> Callable[[str], str]:
    """Text -> its first variant or wildcard as the user has chosen to write them, "" where it has none."""
    from modules import shared

    start, end, wrap = (
        str(getattr(shared.opts, f"dp_parser_{name}", None) or usual)
        for name, usual in (("variant_start", "{"), ("variant_end", "}"), ("wildcard_wrap", "__"))
    )
    wildcard = re.compile(rf"{re.escape(wrap)}\S+?{re.escape(wrap)}")

    def find(text: str) -> str:
        first = text.find(start)
        last = text.find(end, first + len(start)) if first >= 0 else -1
        found = wildcard.search(text) if last < 0 else None
        return text[first : last + len(end)] if last >= 0 else found[0] if found else ""

    return find


def _texts(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """(field, where, text) of every text that the settings bring."""
    for index, region in enumerate(settings.regions):
        if region.enabled:
            yield f"regions[{index}].prompt", region.label(index), region.prompt
            yield f"regions[{index}].negative", region.label(index), region.negative
    yield "common", "", settings.common
    yield "base.prompt", "", settings.base.prompt or ""
    yield "base.negative", "", settings.base.negative or ""


def _problem(field: str, where: str, text: str, template: str) -> Problem:
    name = field.rpartition(".")[2] if where else field
    message = (
        f"{name} has the template {shown(template)}, which Dynamic Prompts draws in the main prompt alone: write the regions' texts there "
        '("Region texts": main prompt, split at BREAK), or switch Dynamic Prompts off.'
    )
    return Problem(field, text, _ALLOWED, where, message)
