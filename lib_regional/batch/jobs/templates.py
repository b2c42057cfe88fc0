"""Templates: a request in JSON whose texts hold ``{column}`` in the places that a row fills."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...request.errors import Problem, raise_any

PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
"""A column in braces, or a doubled brace, which stands for one."""

TEXTS = {"prompt", "negative_prompt", "negative", "common", "name", "sampler_name", "scheduler", "ratios", "route", "method"}
"""Keys whose values stay texts where a cell looks like a number."""

_NUMBERS = re.compile(r"\s*-?[\d.]+(?:\s*,\s*-?[\d.]+)+\s*")


def typed(key: str, cell: Any) -> Any:
    """A cell as a value of ``key``: JSON and numbers as what they are, ``0,0,0.5,1`` as a list of numbers, everything else as text."""
    if not isinstance(cell, str) or key in TEXTS:
        return cell
    text = f"[{cell}]" if _NUMBERS.fullmatch(cell) else cell
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return cell


def fill(template: Any, row: Mapping[str, Any]) -> Any:
    """``template`` with the row's values: ``"{box}"`` alone becomes the value itself, ``"a {colour} hat"`` a text.

    Raises SettingsError with every column that the row lacks.
    """
    problems: list[Problem] = []
    filled = _filled(template, row, "", "", problems)
    raise_any(problems)
    return filled


def unused(template: Any, columns: Iterable[str]) -> list[str]:
    """The columns that stand in no text of ``template``."""
    used = set(PLACE.findall(json.dumps(template, ensure_ascii=False)))
    return [column for column in columns if column not in used]


def _filled(part: Any, row: Mapping[str, Any], key: str, path: str, problems: list[Problem]) -> Any:
    if isinstance(part, Mapping):
        return {name: _filled(value, row, name, f"{path}.{name}" if path else name, problems) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, row, key, f"{path}[{at}]", problems) for at, value in enumerate(part)]
    if not isinstance(part, str) or "{" not in part and "}" not in part:
        return part
    missing = [name for name in PLACE.findall(part) if name and name not in row]
    problems += [_missing(path, name, row) for name in missing]
    whole = PLACE.fullmatch(part)
    if missing:
        return part
    if whole and whole[1]:
        return typed(key, row[whole[1]])
    return PLACE.sub(lambda place: place[0][0] if place[1] is None else str(row.get(place[1], place[0])), part)


def _missing(path: str, name: str, row: Mapping[str, Any]) -> Problem:
    allowed = f"one of the row's columns ({', '.join(map(str, row)) or 'it has none'}), or {{{{{name}}}}} for braces"
    return Problem(path, f"{{{name}}}", allowed, text=f"{path}: there is no value in the column {name!r}. It must be {allowed}.")
