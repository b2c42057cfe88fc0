"""A layout of boxes, as data sets have it, and its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...request.errors import settings_error
from ..jobs.requests import SCRIPT

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in the unit square."""
BEYOND = 0.02
"""How far over the picture's edge a box may reach, in its sides: rounding in the data sets does that."""


@dataclass(frozen=True)
class Part:
    """One box and its text; ``label`` is the class or the short name where the data set has one beside the text."""

    text: str
    box: Box
    label: str = ""


@dataclass(frozen=True)
class BoxLayout:
    """A picture to be made: its caption, its boxes, and the name it has in its data set. ``extra`` is what else an evaluator asks for."""

    name: str
    prompt: str
    parts: tuple[Part, ...]
    negative: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, method: str = "attention_couple") -> dict[str, Any]:
        """Regional settings: a region for each box, the caption as the base."""
        regions = [{"box": [round(edge, 5) for edge in part.box], "prompt": part.text} for part in self.parts]
        return {"version": 2, "enabled": True, "method": method, "regions": regions}

    def row(self, size: tuple[int, int], method: str = "attention_couple") -> dict[str, Any]:
        """A row for `jobs.requests.Recipe`: the request of this layout."""
        request = {"prompt": self.prompt, "negative_prompt": self.negative, "width": size[0], "height": size[1]}
        return {"name": self.name, **request, "alwayson_scripts": {SCRIPT: {"args": [self.settings(method)]}}}


def unit_box(field_name: str, corners: Sequence[Any], size: tuple[float, float] = (1.0, 1.0), sized: bool = False) -> Box:
    """Corners, or with ``sized`` a corner with width and height, in units of ``size`` -> a box in the unit square.

    Raises SettingsError (``field_name``) for what is no box, or lies outside.
    """
    allowed = f"four numbers {'x, y, width, height' if sized else 'x0, y0, x1, y1'} inside the picture, with an area"
    try:
        x0, y0, x1, y1 = (float(value) for value in corners)
    except (TypeError, ValueError) as error:
        raise settings_error(field_name, corners, allowed) from error
    if sized:
        x1, y1 = x0 + x1, y0 + y1
    edges = x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1]
    if not all(-BEYOND <= edge <= 1 + BEYOND for edge in edges):
        raise settings_error(field_name, list(corners), allowed)
    left, top, right, bottom = (min(1.0, max(0.0, edge)) for edge in edges)
    if left >= right or top >= bottom:
        raise settings_error(field_name, list(corners), allowed)
    return left, top, right, bottom


def paired(row: Mapping[str, Any], texts: str, boxes: str) -> list[tuple[str, Any]]:
    """The texts and boxes in two lists of a row. Raises SettingsError where one is missing, or their lengths differ."""
    found = [row.get(name) for name in (texts, boxes)]
    for name, values in zip((texts, boxes), found, strict=True):
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise settings_error(name, values, "a list")
    first, second = found
    assert first is not None and second is not None
    if len(first) != len(second):
        raise settings_error(boxes, len(second), f"{len(first)} boxes, one for each of {texts}")
    return list(zip(map(str, first), second, strict=True))


def text_of(row: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that a row has, as text. Raises SettingsError where it has none."""
    for name in names:
        if row.get(name):
            return str(row[name])
    raise settings_error(names[0], None, f"the text of the picture ({' or '.join(names)})")
