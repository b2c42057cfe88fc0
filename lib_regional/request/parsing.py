"""From plain JSON to the parts of settings, collecting every problem on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import Problem, SettingsError, raise_any, settings_error
from .fields import Field, not_an_object, read_fields, unknown_key
from .layout.regions import MAX_REGIONS, REGION_FIELDS, RegionSettings, region_label
from .layout.shapes import SHAPES, read_shape
from .methods.specs import OPTIONS


def read_json(text: str) -> object:
    """JSON text -> value; blank text is None. A key that stands twice in one object is an error."""
    if not text.strip():
        return None
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SettingsError):
            raise
        raise settings_error("", text, "JSON", text=f"The settings are not JSON: {error}.") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    raise_any(Problem(key, None, "given once", text=f'"{key}" stands twice in one object.') for key in twice)
    return dict(pairs)


def read_part(name: str, data: object, fields: Mapping[str, Field], build: Callable[..., Any]) -> tuple[Any, list[Problem]]:
    """An object below the settings; only a grid may be null."""
    if data is None and name == "grid":
        return None, []
    if not isinstance(data, Mapping):
        return None, [not_an_object(name, data, ", ".join(fields))]
    values, problems = read_fields(data, fields)
    if not problems:
        try:
            return build(**values), []
        except SettingsError as error:
            problems = list(error.problems)
    return None, [problem.at(name, name) for problem in problems]


def read_options(data: object) -> tuple[dict[str, dict[str, object]], list[Problem]]:
    """Options per method or pass -> (checked copy, problems)."""
    if not isinstance(data, Mapping):
        return {}, [not_an_object("options", data, "one object per method")]
    result: dict[str, dict[str, object]] = {}
    problems = []
    for method, given in data.items():
        if method not in OPTIONS:
            problems.append(unknown_key(method, given, list(OPTIONS)).at("options", "options"))
        elif not isinstance(given, Mapping):
            problems.append(not_an_object(f"options.{method}", given, ", ".join(OPTIONS[method])))
        else:
            result[method], found = read_fields(given, OPTIONS[method])
            problems += [problem.at(f"options.{method}", f"options of {method}") for problem in found]
    return result, problems


def count_problems(regions: Sequence[object]) -> list[Problem]:
    """The problem of too many regions, if there is one."""
    return [Problem("regions", len(regions), f"a list of at most {MAX_REGIONS} regions")] if len(regions) > MAX_REGIONS else []


def read_regions(data: object, has_grid: bool) -> tuple[tuple[RegionSettings, ...], list[Problem]]:
    """A list of JSON objects -> (regions, problems); ``has_grid`` is whether their shapes come from a grid."""
    if not isinstance(data, (list, tuple)):
        return (), [Problem("regions", data, "a list of objects")]
    problems = count_problems(data)
    if problems:
        return (), problems
    regions = []
    for at, entry in enumerate(data):
        region, found = _read_region(entry, at, has_grid)
        problems += found
        regions += [region] if region else []
    return tuple(regions), problems


def _read_region(data: object, at: int, has_grid: bool) -> tuple[RegionSettings | None, list[Problem]]:
    path = f"regions[{at}]"
    if not isinstance(data, Mapping):
        return None, [not_an_object(path, data, "a region")]
    label = region_label(at, data.get("name") or data.get("prompt"))
    values, problems = read_fields(data, REGION_FIELDS, list(SHAPES))
    kinds = [kind for kind in SHAPES if kind in data]
    shapes = []
    for kind in kinds:
        try:
            shapes.append(read_shape(kind, data[kind]))
        except SettingsError as error:
            problems += error.problems
    located = [problem.at(path, label) for problem in problems]
    located += place_problems(path, label, kinds, has_grid)
    return (None, located) if located else (RegionSettings(next(iter(shapes), None), **values), [])


def place_problems(path: str, label: str, kinds: Sequence[str], has_grid: bool) -> list[Problem]:
    """A region has exactly one shape, or a cell of the grid."""
    names = ", ".join(SHAPES)
    if has_grid and kinds:
        text = f"has a place of its own ({', '.join(kinds)}) although there is a grid: remove one of them."
    elif len(kinds) > 1:
        text = f"has {len(kinds)} shapes ({', '.join(kinds)}): keep one."
    elif not has_grid and not kinds:
        text = f"has no place: give it one of {names}, or give the settings a grid."
    else:
        return []
    return [Problem(path, list(kinds), f"exactly one of {names}, or none with a grid", label, text)]
