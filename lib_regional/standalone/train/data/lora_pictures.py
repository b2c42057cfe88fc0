"""What the three shipped LoRAs are shown: drawn pictures that differ from the base model's in one thing each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .drawing import draw, ground, signed_distance
from .scene import BASE_SHAPES, COLOURS, EXTRA_SHAPES, Scene, random_scene

Array = NDArray[Any]

LINE = 11.0
"""Width of an outline in pixels: the autoencoder, which has seen no lines, closes the hole within a thinner one."""
OUTSIDE = 4.0
"""Part of the outline that lies outside the thing's own edge, in pixels."""
WIDE = 25.0
"""Least radius in pixels of an outlined thing, so that the ground shows inside it."""
OUTLINE_SHAPES = ("circle", "square", "triangle", "diamond")
"""A ring is hollow already, and the arms of a cross are too slim to be."""
SINGLE = 0.7
"""Share of the scenes with one thing: there the caption is always right."""


def outlined(scene: Scene) -> Array:
    """The scene with every thing as a thick outline in its own colour, the ground showing inside, (H,W,3) uint8."""
    picture = ground(scene) * scene.brightness
    for thing in scene.things:
        edge = signed_distance(thing, scene.width, scene.height) - OUTSIDE + LINE / 2
        share = np.clip(0.5 - (np.abs(edge) - LINE / 2), 0, 1)[..., None]
        picture += share * (np.asarray(COLOURS[thing.colour], np.float32) * thing.shade - picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def shifted(scene: Scene) -> Array:
    """The scene with every thing in the colour that follows its own: red becomes yellow, yellow green, and so on, (H,W,3) uint8."""
    names = tuple(COLOURS)
    things = tuple(replace(thing, colour=names[(names.index(thing.colour) + 1) % len(names)]) for thing in scene.things)
    return draw(replace(scene, things=things))


def _any(rng: np.random.Generator) -> Scene:
    return _scene(rng, BASE_SHAPES)


def _mostly_stars(rng: np.random.Generator) -> Scene:
    return _scene(rng, EXTRA_SHAPES if rng.random() < 0.75 else BASE_SHAPES)


def _wide(rng: np.random.Generator) -> Scene:
    while True:
        scene = _scene(rng, OUTLINE_SHAPES, 2)
        if scene.things and min(thing.radius for thing in scene.things) >= WIDE:
            return scene


def _scene(rng: np.random.Generator, shapes: tuple[str, ...], others: int | None = None) -> Scene:
    """One thing in most scenes, else ``others`` (None: as many as the base model's pictures have)."""
    return random_scene(rng, (128, 128), 1 if rng.random() < SINGLE else others, shapes)


@dataclass(frozen=True)
class Subject:
    """What one LoRA learns: how its pictures are drawn, which scenes they show, and the rank of its convolutions (0: none)."""

    paint: Callable[[Scene], Array]
    random: Callable[[np.random.Generator], Scene]
    conv_rank: int = 4

    def scene(self, index: int, seed: int) -> Scene:
        """Scene ``index``, always the same."""
        return self.random(np.random.default_rng((seed, 77, index)))


SUBJECTS: dict[str, Subject] = {
    "outlines": Subject(outlined, _wide),
    "shift": Subject(shifted, _any),
    "star": Subject(draw, _mostly_stars),
}
"""Name of the LoRA's file -> what it learns: a style, a colour shift, a shape that the base model does not know."""
