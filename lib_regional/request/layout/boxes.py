"""Boxes and ellipses in the unit square: two corners, and the pixels between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import Problem, raise_any, settings_error, shown
from ..fields import FRACTION, to_plain


def _edge(position: float, size: int) -> int:
    """A border in pixels, rounded half up: both neighbours of a border get the same number."""
    return math.floor(position * size + 0.5)


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """Borders of an interval in pixels, at least one pixel apart and inside ``size``."""
    first, last = _edge(low, size), _edge(high, size)
    if last > first:
        return first, last
    first = min(first, size - 1)
    return first, first + 1


@dataclass(frozen=True)
class _Corners:
    """Two corners: x0, y0 upper left, x1, y1 lower right, each from 0 to 1."""

    x0: float
    y0: float
    x1: float
    y1: float
    KIND: ClassVar[str]

    def __post_init__(self) -> None:
        names = ("x0", "y0", "x1", "y1")
        corners = [getattr(self, name) for name in names]
        raise_any(problem for at, name in enumerate(names) if (problem := self._problem(at, name, corners[at])))
        for name, corner in zip(names, corners, strict=True):
            object.__setattr__(self, name, float(corner) + 0.0)
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise settings_error(self.KIND, to_plain(corners), "x0, y0, x1, y1 with x0 < x1 and y0 < y1")

    def _problem(self, at: int, name: str, value: object) -> Problem | None:
        fault = FRACTION.fault(value)
        return (
            Problem(f"{self.KIND}[{at}]", value, fault, text=f"{self.KIND}: {name} must be {fault}, got {shown(value)}.") if fault else None
        )

    @classmethod
    def from_json(cls, value: object) -> _Corners:
        """``[x0, y0, x1, y1]`` -> shape. Raises SettingsError."""
        if not isinstance(value, (list, tuple)) or len(value) != 4:
            raise settings_error(cls.KIND, value, "a list of four numbers x0, y0, x1, y1")
        return cls(*value)

    def to_json(self) -> dict[str, Any]:
        """``{"box": [x0, y0, x1, y1]}`` (or ``ellipse``)."""
        return {self.KIND: to_plain([self.x0, self.y0, self.x1, self.y1])}

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in whole pixels of a ``width`` x ``height`` picture, right and bottom excluded, at least 1 px."""
        left, right = _span(self.x0, self.x1, width)
        top, bottom = _span(self.y0, self.y1, height)
        return left, top, right, bottom


@dataclass(frozen=True)
class Box(_Corners):
    """A rectangle."""

    KIND: ClassVar[str] = "box"

    @property
    def bounds(self) -> Box:
        """The smallest box around the shape: itself."""
        return self


@dataclass(frozen=True)
class Ellipse(_Corners):
    """The ellipse that touches the four sides of its box."""

    KIND: ClassVar[str] = "ellipse"

    @property
    def bounds(self) -> Box:
        """The smallest box around the shape."""
        return Box(self.x0, self.y0, self.x1, self.y1)


WHOLE = Box(0.0, 0.0, 1.0, 1.0)
"""The whole picture."""


def hull(boxes: Sequence[Box]) -> Box:
    """The smallest box around some boxes."""
    return Box(min(box.x0 for box in boxes), min(box.y0 for box in boxes), max(box.x1 for box in boxes), max(box.y1 for box in boxes))
