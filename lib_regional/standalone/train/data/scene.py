"""What a training picture shows: things of one shape and colour on a background. Pure data and the random choice of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BASE_SHAPES = ("circle", "square", "triangle", "diamond", "ring", "cross")
EXTRA_SHAPES = ("star",)
"""Shapes that can be drawn but that the base model never sees."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (225, 30, 35),
    "yellow": (240, 215, 25),
    "green": (30, 170, 50),
    "cyan": (30, 205, 215),
    "blue": (35, 60, 215),
    "purple": (165, 40, 200),
}
BACKGROUNDS = ("sky", "grass", "brick", "sand", "night", "snow")

EXTENT: dict[str, float] = {"circle": 1.0, "square": 1.2, "triangle": 1.1, "diamond": 1.15, "ring": 1.0, "cross": 1.05, "star": 1.1}
"""Radius of the circle around a shape, in units of its radius."""

SIZES = ((128, 128), (192, 128), (128, 192))
"""Width and height in pixels."""

COUNTS = (0.05, 0.52, 0.28, 0.15)
"""Share of the scenes with 0, 1, 2 and 3 things."""

_LARGEST = {1: 34.0, 2: 30.0, 3: 25.0}
_TILT = math.radians(10)


@dataclass(frozen=True)
class Thing:
    """One object: centre and radius in pixels, angle in radians, shade as a factor on the colour."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    angle: float = 0.0
    shade: float = 1.0

    def __post_init__(self) -> None:
        if self.shape not in EXTENT:
            raise ValueError(f"shape must be one of {', '.join(EXTENT)}, got {self.shape!r}")
        if self.colour not in COLOURS:
            raise ValueError(f"colour must be one of {', '.join(COLOURS)}, got {self.colour!r}")

    @property
    def reach(self) -> float:
        """Radius in pixels of the circle around the thing."""
        return self.radius * EXTENT[self.shape]


@dataclass(frozen=True)
class Scene:
    """A picture to draw. One background, or two that meet at the pixel `split` along `axis` (0 rows, 1 columns)."""

    width: int
    height: int
    backgrounds: tuple[str, ...]
    things: tuple[Thing, ...] = ()
    axis: int = 1
    split: int = 0
    brightness: float = 1.0

    def __post_init__(self) -> None:
        if self.width % 8 or self.height % 8:
            raise ValueError(f"width and height must be multiples of 8, got {self.width}x{self.height}")
        unknown = [name for name in self.backgrounds if name not in BACKGROUNDS]
        if unknown or not 1 <= len(self.backgrounds) <= 2:
            raise ValueError(f"one or two backgrounds of {', '.join(BACKGROUNDS)} are needed, got {self.backgrounds}")


def random_scene(
    rng: np.random.Generator,
    size: tuple[int, int] = (128, 128),
    count: int | None = None,
    shapes: tuple[str, ...] = BASE_SHAPES,
) -> Scene:
    """A scene of (width, height) pixels with `count` things, or a number drawn from COUNTS."""
    width, height = size
    wanted = int(rng.choice(4, p=COUNTS)) if count is None else count
    things = place(rng, size, pick(rng, wanted, shapes))
    backgrounds, axis, split = _ground(rng, size)
    return Scene(width, height, backgrounds, things, axis, split, float(rng.uniform(0.94, 1.04)))


def pick(rng: np.random.Generator, count: int, shapes: tuple[str, ...] = BASE_SHAPES) -> list[tuple[str, str]]:
    """`count` pairs (shape, colour), no colour and no shape twice in most scenes so that captions distinguish the things."""
    distinct = rng.random() < 0.9 and count <= min(len(shapes), len(COLOURS))
    kinds = rng.choice(len(shapes), count, replace=not distinct)
    hues = rng.choice(len(COLOURS), count, replace=not distinct)
    names = tuple(COLOURS)
    return [(shapes[k], names[h]) for k, h in zip(kinds, hues, strict=True)]


def place(rng: np.random.Generator, size: tuple[int, int], kinds: list[tuple[str, str]]) -> tuple[Thing, ...]:
    """Things of random size at random places that neither overlap nor leave the picture."""
    largest = _LARGEST.get(len(kinds), 34.0)
    for attempt in range(400):
        scale = max(0.0, 1 - attempt / 200)
        things = [_throw(rng, size, shape, colour, largest, scale) for shape, colour in kinds]
        if _apart(things):
            return tuple(things)
    raise ValueError(f"{len(kinds)} things do not fit into {size[0]}x{size[1]} pixels")


def _throw(rng: np.random.Generator, size: tuple[int, int], shape: str, colour: str, largest: float, scale: float) -> Thing:
    smallest = 22.0 if shape == "ring" else 18.0
    radius = smallest + max(0.0, largest - smallest) * scale * float(rng.random())
    margin = radius * EXTENT[shape] + 1.5
    x = float(rng.uniform(margin, size[0] - margin))
    y = float(rng.uniform(margin, size[1] - margin))
    return Thing(shape, colour, x, y, radius, float(rng.uniform(-_TILT, _TILT)), float(rng.uniform(0.9, 1.04)))


def _apart(things: list[Thing], gap: float = 3.0) -> bool:
    pairs = ((a, b) for i, a in enumerate(things) for b in things[i + 1 :])
    return all(math.hypot(a.x - b.x, a.y - b.y) > a.reach + b.reach + gap for a, b in pairs)


def _ground(rng: np.random.Generator, size: tuple[int, int]) -> tuple[tuple[str, ...], int, int]:
    if rng.random() >= 0.15:
        return (str(rng.choice(BACKGROUNDS)),), 1, 0
    first, second = rng.choice(len(BACKGROUNDS), 2, replace=False)
    axis = int(rng.integers(2))
    length = size[1 - axis]
    split = 8 * int(rng.integers(length // 24, length // 12 + 1))
    return (BACKGROUNDS[first], BACKGROUNDS[second]), axis, split
