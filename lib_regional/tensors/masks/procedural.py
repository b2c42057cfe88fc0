"""Procedural masks as tensors: gradients, noise, stripes, checks and text, drawn at the centres of pixels.

Lengths are measured in pixels, so that a circle is one in every format: coordinates of the unit square are multiplied by width and height.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...request.layout.procedural import Procedural

Floats = NDArray[np.float64]

FONT = Path(__file__).parent / "font" / "DejaVuSans-Bold.ttf"
_MEASURED = 256
"""Size in pixels at which a text is measured before it is fitted into its box."""


def procedural_mask(shape: Procedural, height: int, width: int) -> Tensor:
    """Mask (height, width) in [0, 1]."""
    values = _DRAW[shape.kind](shape, height, width)
    return torch.from_numpy(np.clip(values, 0, 1).astype(np.float32))


def _pixels(height: int, width: int) -> tuple[Floats, Floats]:
    """x (1, width) and y (height, 1) of the pixels' centres, in pixels."""
    return np.arange(width)[None] + 0.5, np.arange(height)[:, None] + 0.5


# ---------------------------------------------------------------- gradients


def _gradient(way: Callable[[Floats, Floats, float, float], Floats]) -> Callable[[Procedural, int, int], Floats]:
    """A gradient whose position at (x, y) from the first point is ``way(x, y, dx, dy)``, (dx, dy) being the second point."""

    def drawn(shape: Procedural, height: int, width: int) -> Floats:
        x, y = _pixels(height, width)
        (x0, y0), (x1, y1) = ((across * width, down * height) for across, down in (shape["from"], shape["to"]))
        positions, values = zip(*shape["stops"], strict=True)
        found: Floats = np.interp(way(x - x0, y - y0, x1 - x0, y1 - y0), positions, values)
        return found

    return drawn


def _along(x: Floats, y: Floats, dx: float, dy: float) -> Floats:
    return (x * dx + y * dy) / (dx * dx + dy * dy)


def _away(x: Floats, y: Floats, dx: float, dy: float) -> Floats:
    return np.hypot(x, y) / math.hypot(dx, dy)


def _turned(x: Floats, y: Floats, dx: float, dy: float) -> Floats:
    """Share of a full turn, clockwise from the second point."""
    turn: Floats = (np.arctan2(y, x) - math.atan2(dy, dx)) / (2 * math.pi) % 1.0
    return turn


# ---------------------------------------------------------------- noise


def _hashed(columns: NDArray[np.int64], rows: NDArray[np.int64], seed: int) -> Floats:
    """columns (n,), rows (m,) -> numbers (m, n) in [0, 1) that look independent: SplitMix64's finaliser over seed, row and column.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    value: NDArray[np.uint64] = np.full((1, 1), seed, np.uint64)
    for part in (rows[:, None], columns[None]):
        value = _mixed(value ^ _mixed(part.astype(np.uint64)))
    return (value >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed


class _Lattice:
    """The cells of whole coordinates that points x (W,), y (H,) lie in, and random numbers at their corners."""

    def __init__(self, x: Floats, y: Floats, seed: int) -> None:
        self.column, self.row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        self.across, self.down = x - self.column, y - self.row
        columns, rows = (np.arange(axis.min(), axis.max() + 2) for axis in (self.column, self.row))
        self.numbers = _hashed(columns, rows, seed)
        self.column, self.row = self.column - columns[0], self.row - rows[0]

    def corner(self, values: Floats, right: int, low: int) -> Floats:
        """``values`` of the lattice at one corner of every point's cell: (H, W)."""
        found: Floats = values[(self.row + low)[:, None], (self.column + right)[None]]
        return found

    def blended(self, corner: Callable[[int, int], Floats]) -> Floats:
        """Blend of ``corner(right, low)`` over the four corners of each cell, by the fade curve."""
        upper, lower = (_blend(corner(0, low), corner(1, low), _faded(self.across)[None]) for low in (0, 1))
        return _blend(upper, lower, _faded(self.down)[:, None])


def value_noise(x: Floats, y: Floats, seed: int) -> Floats:
    """Random values at whole coordinates, blended between them; x (W,), y (H,) -> (H, W) in [0, 1]."""
    lattice = _Lattice(x, y, seed)
    return lattice.blended(lambda right, low: lattice.corner(lattice.numbers, right, low))


def perlin_noise(x: Floats, y: Floats, seed: int) -> Floats:
    """Gradient noise (Perlin, "Improving noise", 2002, in two dimensions, gradients of length 1); x (W,), y (H,) -> (H, W) in [0, 1]."""
    lattice = _Lattice(x, y, seed)
    angle = 2 * math.pi * lattice.numbers
    cos, sin = np.cos(angle), np.sin(angle)

    def slope(right: int, low: int) -> Floats:
        across, down = lattice.across[None] - right, lattice.down[:, None] - low
        return np.asarray(lattice.corner(cos, right, low) * across + lattice.corner(sin, right, low) * down, np.float64)

    return 0.5 + lattice.blended(slope) / math.sqrt(2)


def _blend(first: Floats, second: Floats, share: Floats) -> Floats:
    return first + (second - first) * share


def _faded(t: Floats) -> Floats:
    """6t⁵ − 15t⁴ + 10t³: first and second derivatives are 0 at both ends."""
    return t * t * t * (t * (t * 6 - 15) + 10)


def _noise(kind: Callable[[Floats, Floats, int], Floats]) -> Callable[[Procedural, int, int], Floats]:
    def drawn(shape: Procedural, height: int, width: int) -> Floats:
        scale = shape["cells"] / min(height, width)
        x, y = ((np.arange(count) + 0.5) * scale for count in (width, height))
        layers = [kind(x * 2**octave, y * 2**octave, shape["seed"] + (octave << 32)) / 2**octave for octave in range(shape["octaves"])]
        total: Floats = sum(layers[1:], layers[0]) / sum(0.5**octave for octave in range(shape["octaves"]))
        return _cut(total, shape["threshold"], shape["softness"])

    return drawn


def _cut(values: Floats, threshold: float | None, softness: float) -> Floats:
    """1 from the threshold on, over a ramp ``softness`` wide around it; the values themselves without a threshold."""
    if threshold is None:
        return values
    if softness == 0:
        return (values >= threshold).astype(np.float64)
    return (values - threshold) / softness + 0.5


# ---------------------------------------------------------------- patterns


def _periods(shape: Procedural, height: int, width: int) -> tuple[Floats, Floats]:
    """Coordinates (H, W) in periods, turned about the centre; at angle 0 they begin in the upper left corner."""
    x, y = _pixels(height, width)
    cos, sin = math.cos(math.radians(shape["angle"])), math.sin(math.radians(shape["angle"]))
    across, down = x - width / 2, y - height / 2
    turned, scale = (across * cos + down * sin, down * cos - across * sin), shape["count"] / min(height, width)
    return (turned[0] + width / 2) * scale + shape["phase"], (turned[1] + height / 2) * scale


def _stripes(shape: Procedural, height: int, width: int) -> Floats:
    stripes: Floats = (_periods(shape, height, width)[0] % 1 < shape["share"]).astype(np.float64)
    return stripes


def _checks(shape: Procedural, height: int, width: int) -> Floats:
    across, down = _periods(shape, height, width)
    checks: Floats = ((np.floor(2 * across) + np.floor(2 * down)) % 2 == 0).astype(np.float64)
    return checks


# ---------------------------------------------------------------- text


def _text(shape: Procedural, height: int, width: int) -> Floats:
    """White letters, as large as the box allows, centred in it."""
    picture = Image.new("L", (width, height))
    left, top, right, bottom = (edge * side for edge, side in zip(shape["box"], (width, height, width, height), strict=True))
    draw, text = ImageDraw.Draw(picture), shape["text"].strip("\n")
    font, bounds = _fitting(draw, text, right - left, bottom - top)
    x = (left + right - bounds[0] - bounds[2]) / 2
    y = (top + bottom - bounds[1] - bounds[3]) / 2
    draw.multiline_text((x, y), text, fill=255, font=font, align="center")
    return np.asarray(picture, np.float64) / 255


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: float, height: float) -> tuple[ImageFont.FreeTypeFont, tuple[float, ...]]:
    """(font, bounds of the text drawn at (0, 0)) of the largest size that fits into ``width`` × ``height``."""
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font=_font(_MEASURED), align="center")
    size = max(1, int(_MEASURED * min(width / max(1, right - left), height / max(1, bottom - top))) + 1)
    while True:
        bounds = draw.multiline_textbbox((0, 0), text, font=_font(size), align="center")
        if size == 1 or (bounds[2] - bounds[0] <= width and bounds[3] - bounds[1] <= height):
            return _font(size), bounds
        size -= 1


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)


_DRAW: dict[str, Callable[[Procedural, int, int], Floats]] = {
    "linear": _gradient(_along),
    "radial": _gradient(_away),
    "angular": _gradient(_turned),
    "value_noise": _noise(value_noise),
    "perlin_noise": _noise(perlin_noise),
    "stripes": _stripes,
    "checks": _checks,
    "text": _text,
}
