"""Control pictures of scenes: white outlines of the things on black, as lineart and scribble ControlNets read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .drawing import signed_distance
from .scene import Scene

THIN, THICK = 1.5, 4.0
"""Least and largest width of a line in pixels."""
LINE = 2.5


def line_picture(scene: Scene, width: float = LINE) -> NDArray[Any]:
    """(H,W,3) uint8: every thing's edge as a line of ``width`` pixels in the middle of it."""
    picture = np.zeros((scene.height, scene.width), np.float32)
    for thing in scene.things:
        edge = np.abs(signed_distance(thing, scene.width, scene.height)) - width / 2
        picture = np.maximum(picture, np.clip(0.5 - edge, 0, 1))
    return np.repeat((255 * picture + 0.5).astype(np.uint8)[..., None], 3, -1)


def random_lines(scene: Scene, rng: np.random.Generator) -> NDArray[Any]:
    """`line_picture` with lines of a random width."""
    return line_picture(scene, float(rng.uniform(THIN, THICK)))
