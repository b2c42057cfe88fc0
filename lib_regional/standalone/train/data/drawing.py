"""Draws scenes with numpy: shapes by antialiased signed distance functions on textures that fit the 8-pixel latent grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scene import COLOURS, Scene, Thing

Array = NDArray[Any]
Distance = Callable[[Array, Array, float], Array]
"""(x (H,W), y (H,W), radius) -> signed distance (H,W) in pixels, negative inside; y points down."""


def _circle(x: Array, y: Array, r: float) -> Array:
    return np.hypot(x, y) - r


def _square(x: Array, y: Array, r: float) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - 0.84 * r


def _diamond(x: Array, y: Array, r: float) -> Array:
    # Slimmer than high: a turned square would be too near to the square.
    return (np.abs(x) / 0.8 + np.abs(y) / 1.12 - r) / math.hypot(1 / 0.8, 1 / 1.12)


def _polygon(corners: tuple[tuple[float, float], ...]) -> Distance:
    """Intersection of the half planes of a convex polygon around the origin, corners clockwise on the screen, in units of r."""
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))

    def distance(x: Array, y: Array, r: float) -> Array:
        planes = []
        for (ax, ay), (bx, by) in edges:
            length = math.hypot(bx - ax, by - ay)
            nx, ny = (by - ay) / length, (ax - bx) / length
            planes.append(nx * (x - ax * r) + ny * (y - ay * r))
        inside: Array = np.maximum.reduce(planes)
        return inside

    return distance


def _ring(x: Array, y: Array, r: float) -> Array:
    distance: Array = np.abs(np.hypot(x, y) - 0.73 * r) - 0.27 * r
    return distance


def _cross(x: Array, y: Array, r: float) -> Array:
    x, y = np.abs(x), np.abs(y)
    distance: Array = np.maximum(np.maximum(x, y) - r, np.minimum(x, y) - 0.32 * r)
    return distance


def _star(x: Array, y: Array, r: float) -> Array:
    """Five points: the edge line of the sector that the angle falls in."""
    angle = np.abs((np.arctan2(x, -y) + math.pi / 5) % (2 * math.pi / 5) - math.pi / 5)
    length = np.hypot(x, y)
    px, py = length * np.cos(angle), length * np.sin(angle)
    tip, notch = 1.1 * r, 0.45 * r
    nx, ny = notch * math.cos(math.pi / 5), notch * math.sin(math.pi / 5)
    edge = math.hypot(nx - tip, ny)
    distance: Array = ((px - tip) * ny - py * (nx - tip)) / edge
    return distance


DISTANCES: dict[str, Distance] = {
    "circle": _circle,
    "square": _square,
    "triangle": _polygon(((0.0, -1.1), (0.98, 0.62), (-0.98, 0.62))),
    "diamond": _diamond,
    "ring": _ring,
    "cross": _cross,
    "star": _star,
}


def signed_distance(thing: Thing, width: int, height: int) -> Array:
    """Distance in pixels of each pixel's centre from the thing's edge, negative inside, (H,W)."""
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5 - thing.x
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5 - thing.y
    c, s = math.cos(thing.angle), math.sin(thing.angle)
    return DISTANCES[thing.shape](c * x + s * y, c * y - s * x, thing.radius)


def coverage(thing: Thing, width: int, height: int) -> Array:
    """Share of each pixel that the thing covers, (H,W) in 0..1."""
    return np.clip(0.5 - signed_distance(thing, width, height), 0, 1)


def _tint(level: Array, colour: tuple[int, int, int], depth: float) -> Array:
    """(H,W) in -1..1 to (H,W,3) around the colour."""
    return np.asarray(colour, np.float32) + depth * level[..., None]


def _sky(x: Array, y: Array) -> Array:
    return _tint(np.sin(2 * math.pi * (y + 0 * x) / 32), (176, 188, 204), 12)


def _grass(x: Array, y: Array) -> Array:
    return _tint(np.cos(2 * math.pi * x / 8) * np.cos(2 * math.pi * y / 32), (104, 122, 100), 18)


def _brick(x: Array, y: Array) -> Array:
    row = (y // 16) % 2
    mortar = ((y % 16) < 3) | (((x + 16 * row) % 32) < 3)
    return _tint(np.where(mortar, 1.0, -0.25), (136, 116, 112), 36)


def _sand(x: Array, y: Array) -> Array:
    return _tint(np.sin(2 * math.pi * (x + 2 * y) / 32), (192, 180, 158), 12)


def _night(x: Array, y: Array) -> Array:
    row = (y // 16) % 2
    dx, dy = (x + 16 * row) % 32 - 8, y % 16 - 8
    return _tint(np.exp(-(dx**2 + dy**2) / 8), (36, 38, 50), 110)


def _snow(x: Array, y: Array) -> Array:
    return _tint(np.cos(2 * math.pi * x / 16) * np.cos(2 * math.pi * y / 16), (234, 236, 240), 12)


TEXTURES: dict[str, Callable[[Array, Array], Array]] = {
    "sky": _sky,
    "grass": _grass,
    "brick": _brick,
    "sand": _sand,
    "night": _night,
    "snow": _snow,
}


@lru_cache(maxsize=32)
def texture(name: str, width: int, height: int) -> Array:
    """The background alone, (H,W,3) float32 in 0..255. Do not write into it."""
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5
    y = np.arange(height, dtype=np.float32)[:, None] + 0.5
    return np.broadcast_to(TEXTURES[name](x, y), (height, width, 3)).astype(np.float32)


def ground(scene: Scene) -> Array:
    """The background of a scene, (H,W,3) float32 in 0..255."""
    picture = texture(scene.backgrounds[0], scene.width, scene.height)
    if len(scene.backgrounds) == 1:
        return picture.copy()
    other = texture(scene.backgrounds[1], scene.width, scene.height)
    parts = np.split(picture, [scene.split], scene.axis)[0], np.split(other, [scene.split], scene.axis)[1]
    return np.concatenate(parts, scene.axis)


def draw(scene: Scene) -> Array:
    """The picture, (H,W,3) uint8."""
    picture = ground(scene) * scene.brightness
    for thing in scene.things:
        share = coverage(thing, scene.width, scene.height)[..., None]
        colour = np.asarray(COLOURS[thing.colour], np.float32) * thing.shade
        picture += share * (colour - picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def sheet(pictures: list[Array], columns: int, gap: int = 2) -> Array:
    """Pictures (H,W,3) of one size side by side in rows, as one picture on white."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    board = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        board[top : top + height, left : left + width] = picture
    return board
