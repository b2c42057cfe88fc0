"""What an X/Y/Z plot can vary: each axis reads one value of its list and says how it changes the settings (as JSON)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import settings_error
from .methods import METHODS
from .reading import read_json

Json = dict[str, Any]
Write = Callable[[Json, str], None]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Axis:
    """``name`` as people see it; ``write`` puts a value into settings; ``choices`` where there are only so many."""

    name: str
    write: Write
    choices: tuple[str, ...] = ()


def _enabled(settings: Json, text: str) -> None:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise settings_error("enabled", text, "true or false")
    settings["enabled"] = word in _TRUE


def _method(settings: Json, text: str) -> None:
    settings["method"] = text.strip()


def _layout(settings: Json, text: str) -> None:
    settings["grid"] = {**(settings.get("grid") or {}), "ratios": text.strip()}


def _base_share(settings: Json, text: str) -> None:
    regions, value = _regions(settings, text)
    for region in regions:
        region["base_share"] = _number("base_share", value)


def _weight(settings: Json, text: str) -> None:
    regions, value = _regions(settings, text)
    for region in regions:
        region["weight"] = _number("weight", value)


def _steps(settings: Json, text: str) -> None:
    regions, value = _regions(settings, text)
    start, dash, end = value.partition("-")
    if not dash:
        raise settings_error("steps", text, "two shares with a dash between, like 0-0.5")
    for region in regions:
        region["steps"] = [_number("steps", start), _number("steps", end)]


def _regions(settings: Json, text: str) -> tuple[list[Json], str]:
    """``2: 0.5`` -> (region 2, "0.5"); without a number in front, all regions."""
    number, colon, value = text.partition(":")
    regions: list[Json] = settings.setdefault("regions", [])
    if not colon:
        return regions, text.strip()
    if not number.strip().isdigit() or not 1 <= int(number) <= len(regions):
        raise settings_error("regions", number.strip(), f"the number of a region, 1 to {len(regions)}")
    return [regions[int(number) - 1]], value.strip()


def _number(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise settings_error(field, text, "a number") from None


AXES: Mapping[str, Axis] = {
    "enabled": Axis("Enabled", _enabled, ("true", "false")),
    "method": Axis("Method", _method, tuple(METHODS)),
    "layout": Axis('Layout ("1,1;2,1")', _layout),
    "base_share": Axis("Base share (0.2 or region:0.2)", _base_share),
    "weight": Axis("Weight of region (n:0.5)", _weight),
    "steps": Axis("Step range (0-0.5 or n:0-0.5)", _steps),
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
