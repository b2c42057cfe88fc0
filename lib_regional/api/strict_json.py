"""JSON that every part can hold: finite numbers, whole characters, no bottomless nesting. One place for all routes."""

from __future__ import annotations

import json
import math
from typing import Any

from ..request.errors import RegionalError, SettingsError, settings_error
from ..request.fields import is_unicode

DEEPEST = 100
"""Objects and lists inside each other; settings have nine."""


def parse_body(raw: bytes) -> Any:
    """The value of a request's JSON. Raises RegionalError where it is not valid, SettingsError naming a field as `check_value` does."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RegionalError("The request is not valid JSON.") from error
    check_value(data)
    return data


def check_value(data: Any) -> None:
    """Raise SettingsError with the field of a number that is not finite, of text with lone surrogates, or of too deep a nesting."""
    waiting: list[tuple[Any, str, int]] = [(data, "", 0)]
    while waiting:
        value, path, depth = waiting.pop()
        error = _fault(value, path, depth)
        if error is not None:
            raise error
        if isinstance(value, dict):
            waiting += [(inner, f"{path}.{key}" if path else key, depth + 1) for key, inner in value.items() if _is_inner(key, inner)]
            _check_keys(value, path)
        elif isinstance(value, list):
            waiting += [(inner, f"{path}[{at}]", depth + 1) for at, inner in enumerate(value) if _is_inner("", inner)]


def _is_inner(key: str, value: Any) -> bool:
    """Whether a value can hold a fault: most are plain numbers and texts, which are judged without a path."""
    return not (value is None or isinstance(value, (bool, int)) or (isinstance(value, str) and value.isascii()))


def _check_keys(value: dict[str, Any], path: str) -> None:
    for key in value:
        if not is_unicode(key):
            raise settings_error(path, key, "keys without broken characters (lone surrogates)")


def _fault(value: Any, path: str, depth: int) -> SettingsError | None:
    name = path[:200].encode("utf-8", "backslashreplace").decode()
    if depth > DEEPEST:
        return settings_error(name, None, f"nested at most {DEEPEST} deep", text=f"This is nested more than {DEEPEST} deep: {name[:80]}.")
    if isinstance(value, float) and not math.isfinite(value):
        return settings_error(name, value, "a finite number")
    if isinstance(value, str) and not is_unicode(value):
        return settings_error(name, value, "a text without broken characters (lone surrogates)")
    return None
