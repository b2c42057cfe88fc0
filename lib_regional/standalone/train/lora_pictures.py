"""What the three shipped LoRAs are shown: drawn pictures that differ from the base model's in one thing each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .drawing import coverage, draw, ground
from .scene import BASE_SHAPES, COLOURS, EXTRA_SHAPES, Scene, random_scene

Array = np.ndarray

INK = (24, 22, 30)
PAPER = (246, 243, 236)
PALENESS = 0.7
"""Share of paper in an outlined picture's background."""
LINE = 4.0
"""Width of an outline in pixels."""
SINGLE = 0.7
"""Share of the scenes with one thing: there the caption is always right."""


def outlined(scene: Scene) -> Array:
    """The scene as an inked drawing, (H,W,3) uint8: dark outlines around the things, the background nearly paper."""
    paper = np.asarray(PAPER, np.float32)
    picture = ground(scene) * scene.brightness
    picture += PALENESS * (paper - picture)
    for thing in scene.things:
        for colour, wider in ((INK, LINE / 2), (tuple(COLOURS[thing.colour]), -LINE / 2)):
            share = coverage(replace(thing, radius=thing.radius + wider), scene.width, scene.height)[..., None]
            picture += share * (np.asarray(colour, np.float32) - picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def shifted(scene: Scene) -> Array:
    """The scene with every thing in the colour that follows its own: red becomes yellow, yellow green, and so on, (H,W,3) uint8."""
    names = tuple(COLOURS)
    things = tuple(replace(thing, colour=names[(names.index(thing.colour) + 1) % len(names)]) for thing in scene.things)
    return draw(replace(scene, things=things))


def _any_shape(rng: np.random.Generator) -> tuple[str, ...]:
    return BASE_SHAPES


def _mostly_stars(rng: np.random.Generator) -> tuple[str, ...]:
    return EXTRA_SHAPES if rng.random() < 0.75 else BASE_SHAPES


@dataclass(frozen=True)
class Subject:
    """What one LoRA learns: how its pictures are drawn, which shapes they show, and the rank of its convolutions (0: none)."""

    paint: Callable[[Scene], Array]
    shapes: Callable[[np.random.Generator], tuple[str, ...]]
    conv_rank: int = 4

    def scene(self, index: int, seed: int) -> Scene:
        """Scene ``index``, always the same."""
        rng = np.random.default_rng((seed, 77, index))
        count = 1 if rng.random() < SINGLE else None
        return random_scene(rng, (128, 128), count, self.shapes(rng))


SUBJECTS: dict[str, Subject] = {
    "outlines": Subject(outlined, _any_shape),
    "shift": Subject(shifted, _any_shape),
    "star": Subject(draw, _mostly_stars),
}
"""Name of the LoRA's file -> what it learns: a style, a colour shift, a shape that the base model does not know."""
