"""Shapes in the unit square: x to the right, y downwards, (0, 0) the upper left corner. Every shape checks itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from ..errors import Problem, raise_any, settings_error
from ..fields import FRACTION, to_plain
from ..words.shape import Words, words_schema
from . import mask_codecs
from .boxes import Box, Ellipse
from .combined import Combined, combined_schema, read_combined
from .procedural import Procedural, procedural_schema

MAX_POINTS = 512
_TINY = 1e-12


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
        object.__setattr__(self, "data", mask_codecs.relabelled(self.data))
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


Shape = Box | Ellipse | Polygon | MaskImage | Procedural | Combined | Words

_ALONE: Mapping[str, Callable[[object], Any]] = {
    "box": Box.from_json,
    "ellipse": Ellipse.from_json,
    "polygon": Polygon.from_json,
    "mask": MaskImage.from_json,
    "procedural": Procedural.from_json,
}
SHAPES: Mapping[str, Callable[[object], Any]] = {
    **_ALONE,
    "combined": lambda value: read_combined(value, _ALONE),
    "words": Words.from_json,
}
"""JSON key -> reader of its value."""

SHAPE_TYPES = (Box, Ellipse, Polygon, MaskImage, Procedural, Combined, Words)


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
        "procedural": procedural_schema(),
        "combined": combined_schema(),
        "words": words_schema(),
    }
