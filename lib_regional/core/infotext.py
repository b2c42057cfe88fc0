"""Settings in the text that pictures carry (the "parameters" of AUTOMATIC1111's WebUI)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from .settings import Settings

KEY = "Regional"

_PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_FEWEST = 3


def to_infotext(settings: Settings) -> dict[str, str]:
    """``{"Regional": compact JSON}``, or ``{}`` where the settings are off. Quoting is the host's work."""
    if not settings.enabled:
        return {}
    lasting = replace(settings, attention_maps="")
    return {KEY: json.dumps(lasting.to_json(), ensure_ascii=False, separators=(",", ":"))}


def from_infotext(fields: Mapping[str, str]) -> Settings | None:
    """Settings from the parameters of a picture, None where it has none. Raises SettingsError where they are damaged."""
    text = fields.get(KEY)
    return Settings.parse(_unquoted(text) if isinstance(text, str) else text) if text else None


def find_in_text(infotext: str) -> Settings | None:
    """Settings from a whole parameters text (prompt, negative prompt, line of parameters); None where it has none.

    Only the last line counts, and only if it is a line of parameters (three or more), so that a prompt cannot pass for settings.
    Raises SettingsError where the settings are damaged.
    """
    last = infotext.strip().rpartition("\n")[2]
    found = _PARAMETER.findall(last) if f"{KEY}:" in last else []
    return from_infotext(dict(found)) if len(found) >= _FEWEST else None


def _unquoted(text: str) -> str:
    """A value without the quotes that the WebUI puts around text with ``,``, ``:`` or a newline."""
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text
