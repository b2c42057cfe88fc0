"""Shapes in the unit square: x to the right, y downwards, (0, 0) the upper left corner. Every shape checks itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from ..errors import Problem, raise_any, settings_error, shown
from ..fields import FRACTION, to_plain
from . import mask_codecs

MAX_POINTS = 512
_TINY = 1e-12


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


@dataclass(frozen=True)
class Polygon:
    """3 to 512 corners; it may cross itself (filled even-odd), but must cover something."""

    points: tuple[tuple[float, float], ...]
    KIND: ClassVar[str] = "polygon"

    def __post_init__(self) -> None:
        points = self.points
        if not isinstance(points, (list, tuple)) or not 3 <= len(points) <= MAX_POINTS:
            count = len(points) if isinstance(points, (list, tuple)) else points
            raise settings_error(self.KIND, count, f"a list of 3 to {MAX_POINTS} points", text=self._count_text(count))
        wrong = ((at, point) for at, point in enumerate(points) if not _is_point(point))
        raise_any(Problem(f"{self.KIND}[{at}]", point, "two numbers from 0 to 1") for at, point in wrong)
        object.__setattr__(self, "points", tuple((float(x) + 0.0, float(y) + 0.0) for x, y in points))
        if not _covers(self.points):
            raise settings_error(self.KIND, None, "a polygon with an area", text="polygon has no area: its points lie on a line.")

    @staticmethod
    def _count_text(count: object) -> str:
        got = f"{count}" if isinstance(count, int) else "no list"
        return f"polygon must be a list of 3 to {MAX_POINTS} points, got {got}."

    @classmethod
    def from_json(cls, value: object) -> Polygon:
        """``[[x, y], …]`` -> shape. Raises SettingsError."""
        return cls(value)  # type: ignore[arg-type]  # the constructor judges it

    def to_json(self) -> dict[str, Any]:
        """``{"polygon": [[x, y], …]}``."""
        return {self.KIND: to_plain(self.points)}

    @property
    def bounds(self) -> Box:
        """The smallest box around the shape."""
        xs, ys = zip(*self.points, strict=True)
        return Box(min(xs), min(ys), max(xs), max(ys))


def _is_point(point: object) -> bool:
    return isinstance(point, (list, tuple)) and len(point) == 2 and not any(map(FRACTION.fault, point))


def _covers(points: Sequence[tuple[float, float]]) -> bool:
    """Whether the even-odd fill covers anything. A figure eight has a signed area of zero, so lines across it decide."""
    edges = list(zip(points, [*points[1:], points[0]], strict=True))
    if abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges)) > _TINY:
        return True
    heights = sorted({y for _, y in points})
    lines = (low + (high - low) * share for low, high in pairwise(heights) for share in (0.5, 0.382))
    return any(_filled_length(edges, y) > _TINY for y in lines)


def _filled_length(edges: Sequence[tuple[tuple[float, float], tuple[float, float]]], y: float) -> float:
    """Length of the line at height ``y`` that lies inside, even-odd."""
    cuts = sorted(x0 + (x1 - x0) * (y - y0) / (y1 - y0) for (x0, y0), (x1, y1) in edges if (y0 <= y) != (y1 <= y))
    return sum(right - left for left, right in zip(cuts[::2], cuts[1::2], strict=False))


@dataclass(frozen=True)
class MaskImage:
    """A mask as text (see mask_codecs), stretched over the whole picture; white or 255 is inside."""

    data: str
    size: tuple[int, int] = field(init=False, repr=False, compare=False)
    KIND: ClassVar[str] = "mask"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", mask_codecs.check_mask(self.data))

    @classmethod
    def from_json(cls, value: object) -> MaskImage:
        """Mask text -> shape. Raises SettingsError."""
        return cls(value)  # type: ignore[arg-type]  # the check judges it

    def to_json(self) -> dict[str, Any]:
        """``{"mask": text}``."""
        return {self.KIND: self.data}

    @property
    def bounds(self) -> Box:
        """The whole picture: the pixels are not decoded here."""
        return Box(0.0, 0.0, 1.0, 1.0)


Shape = Box | Ellipse | Polygon | MaskImage

SHAPES: Mapping[str, Callable[[object], Any]] = {
    "box": Box.from_json,
    "ellipse": Ellipse.from_json,
    "polygon": Polygon.from_json,
    "mask": MaskImage.from_json,
}
"""JSON key -> reader of its value."""


def read_shape(kind: str, value: object) -> Shape:
    """The shape that stands under the JSON key ``kind``. Raises SettingsError whose fields begin with ``kind``."""
    shape: Shape = SHAPES[kind](value)
    return shape


def shape_schemas() -> dict[str, dict[str, object]]:
    """JSON schemas of the shape keys."""
    fraction = {"type": "number", "minimum": 0, "maximum": 1}
    corners = {"type": "array", "items": fraction, "minItems": 4, "maxItems": 4}
    point = {"type": "array", "items": fraction, "minItems": 2, "maxItems": 2}
    return {
        "box": {**corners, "description": "A rectangle: x0, y0, x1, y1 in the unit square, x0 < x1 and y0 < y1."},
        "ellipse": {**corners, "description": "The ellipse inside this box: x0, y0, x1, y1 in the unit square."},
        "polygon": {
            "type": "array",
            "items": point,
            "minItems": 3,
            "maxItems": MAX_POINTS,
            "description": "Corners [x, y] in the unit square, filled even-odd; the area must not be zero.",
        },
        "mask": {
            "type": "string",
            "pattern": mask_codecs.PATTERN,
            "description": "A picture over the whole canvas, white is inside: a PNG data URL, or run-length text rle:WxH:value*length,…",
        },
    }
