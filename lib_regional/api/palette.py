"""Colours of regions; javascript/src/model/colours.js has the same ones."""

from __future__ import annotations

import math

RGB = tuple[int, int, int]

_START, _GOLDEN_ANGLE = 262.0, 137.508
_SATURATION, _LIGHTNESS = 0.68, 0.56

BASE_COLOUR: RGB = (128, 128, 128)
"""The colour of the base in pictures of the weight maps."""


def region_colour(index: int, own: str | None = None) -> RGB:
    """Colour of region ``index`` (from 0) as 0..255: its ``own`` (#rrggbb), else hues a golden angle apart, so that neighbours in the
    list differ."""
    if own is not None:
        red, green, blue = bytes.fromhex(own[1:])
        return red, green, blue
    return _hsl_to_rgb((_START + index * _GOLDEN_ANGLE) % 360, _SATURATION, _LIGHTNESS)


def _hsl_to_rgb(hue: float, saturation: float, lightness: float) -> RGB:
    reach = saturation * min(lightness, 1 - lightness)

    def channel(offset: int) -> int:
        k = (offset + hue / 30) % 12
        return math.floor(255 * (lightness - reach * max(-1, min(k - 3, 9 - k, 1))) + 0.5)

    return channel(0), channel(8), channel(4)
