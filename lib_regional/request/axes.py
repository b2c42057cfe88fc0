"""The axes of X/Y/Z plots: each parses one value of its list and changes the settings (as JSON)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import settings_error
from .fields import Choice, Colour, Field, Flag, Number, Span, Text, declaration_table
from .layout.regions import OVERLAPS, REGION_FIELDS, RegionSettings
from .methods.specs import METHODS, OPTIONS
from .parsing import read_json

Json = dict[str, Any]
Write = Callable[[Json, str], None]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_NONE = ("none", "null")
_NOT_SEEN = ("memory", "cache")
"""Options that change the time a picture takes and nothing else."""


@dataclass(frozen=True)
class Axis:
    """``name`` as people see it; ``write`` puts a value into settings; ``choices`` where there are only so many."""

    name: str
    write: Write
    choices: tuple[str, ...] = ()


def _enabled(settings: Json, text: str) -> None:
    settings["enabled"] = _flag("enabled", text)


def _method(settings: Json, text: str) -> None:
    settings["method"] = text.strip()


def _layout(settings: Json, text: str) -> None:
    settings["grid"] = {**(settings.get("grid") or {}), "ratios": text.strip()}


def _overlap(settings: Json, text: str) -> None:
    settings["overlap"] = text.strip()


def _of_regions(name: str) -> Write:
    """Writes one field of a region or of all of them; ``none`` is null."""
    kind = REGION_FIELDS[name]

    def write(settings: Json, text: str) -> None:
        regions, value = _regions(settings, text, isinstance(kind, Text))
        for region in regions:
            region[name] = value if isinstance(kind, Text) else _span(name, value) if isinstance(kind, Span) else _number(name, value)

    return write


def _reference_weight(settings: Json, text: str) -> None:
    """Weighs the references of the regions that have one."""
    regions, value = _regions(settings, text)
    having = [region for region in regions if isinstance(region.get("reference"), Mapping)]
    if not having:
        raise settings_error("reference", text, "the weight of a region that has a reference picture")
    for region in having:
        region["reference"] = {**region["reference"], "weight": _number("reference", value)}


def _of_options(method: str, name: str) -> Write:
    """Writes one option of a method or a pass."""
    kind = OPTIONS[method][name]

    def write(settings: Json, text: str) -> None:
        value = _flag(name, text) if isinstance(kind, Flag) else _number(name, text) if isinstance(kind, Number) else _word(kind, text)
        options = settings.setdefault("options", {})
        options[method] = {**options.get(method, {}), name: value}

    return write


def _word(kind: Field, text: str) -> str | None:
    """A word, or null where the kind takes it and the word is ``none``."""
    word = text.strip()
    return None if word.lower() in _NONE and kind.fault(None) is None else word


def _span(field: str, text: str) -> list[float | None]:
    start, dash, end = text.partition("-")
    if not dash:
        raise settings_error(field, text, "two shares with a dash between, like 0-0.5")
    return [_number(field, start), _number(field, end)]


def _regions(settings: Json, text: str, words: bool = False) -> tuple[list[Json], str]:
    """``2: 0.5`` -> (region 2, "0.5"); without a number in front, all regions. ``words``: a colon may be part of the value."""
    number, colon, value = text.partition(":")
    regions: list[Json] = settings.setdefault("regions", [])
    if not colon or (words and not number.strip().isdigit()):
        return regions, text.strip()
    if not number.strip().isdigit() or not 1 <= int(number) <= len(regions):
        raise settings_error("regions", number.strip(), f"the number of a region, 1 to {len(regions)}")
    return [regions[int(number) - 1]], value.strip()


def _number(field: str, text: str) -> float | None:
    if text.strip().lower() in _NONE:
        return None
    try:
        return float(text)
    except ValueError:
        raise settings_error(field, text, "a number") from None


def _flag(field: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise settings_error(field, text, "true or false")
    return word in _TRUE


def _option_axes() -> dict[str, Axis]:
    """An axis for every option that changes the picture; those of edits are lists and words for the most part, and have none."""
    labels = {**{name: spec.label for name, spec in METHODS.items() if not spec.edits}, "detail": "Detail pass"}
    return {
        f"{owner}.{name}": Axis(f"{label}: {name.replace('_', ' ')}", _of_options(owner, name), _choices(kind))
        for owner, label in labels.items()
        for name, kind in OPTIONS[owner].items()
        if name not in _NOT_SEEN and isinstance(kind, (Choice, Colour, Flag, Number))
    }


def _region_axes() -> dict[str, Axis]:
    """An axis for every field of a region that declares one."""
    return {name: Axis(row.axis, _of_regions(name)) for name, row in declaration_table(RegionSettings).items() if row.axis}


def _choices(kind: Field) -> tuple[str, ...]:
    return kind.choices if isinstance(kind, Choice) else ("true", "false") if isinstance(kind, Flag) else ()


AXES: Mapping[str, Axis] = {
    "enabled": Axis("Enabled", _enabled, ("true", "false")),
    "method": Axis("Method", _method, tuple(METHODS)),
    "layout": Axis('Layout ("1,1;2,1")', _layout),
    "overlap": Axis("Overlap", _overlap, OVERLAPS),
    **_region_axes(),
    "reference": Axis("Weight of region's reference picture (n:0.5)", _reference_weight),
    **_option_axes(),
}
"""Axes by key. A value that names no region is for all of them."""


def with_axes(argument: object, values: Mapping[str, str]) -> object:
    """The script's ``argument`` with a cell's ``values`` in it (key of the axis -> text). Raises `SettingsError` for bad ones.

    An argument that asks for nothing still does, unless the cell enables it.
    """
    if not values:
        return argument
    found = read_json(argument) if isinstance(argument, str) else argument
    settings: Json = copy.deepcopy(dict(found)) if isinstance(found, Mapping) else {"enabled": False}
    for key, text in values.items():
        AXES[key].write(settings, text)
    return settings
