"""The colours of a drawing, and which of them every pixel has.

What is done for each pixel is one sort and three look-ups, however many colours there are; distances are taken between colours alone.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Packed = NDArray[np.uint32]
"""(…) ``red << 16 | green << 8 | blue``."""

RGB = tuple[int, int, int]

_MOST = 4096
_LEAST_SHARE = 0.0003
_ALIKE = 40
_PALETTE_REACH = 14
_PALETTE = 32
_GREY = 24
_CELLS = 1 << 18
_BLOCK = 1 << 14


def palette_colour(index: int) -> RGB:
    """Colour ``index`` of Regional Prompter's palette: hues 0, 180, 90, 270, 45, 135 … at half saturation and value."""
    level = 1 << (max(1, index).bit_length() - 1)
    hue = (index - level + 0.5) / level if index else 0.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.5, 0.5)
    return round(red * 255 + 0.01), round(green * 255 + 0.01), round(blue * 255 + 0.01)


_FIRST = np.array([palette_colour(at) for at in range(_PALETTE)], np.int32)


def palette_index(colour: RGB) -> int:
    """Number of the nearest of the palette's first 32 colours, -1 where none is near."""
    return int(_palette_indices(np.array([colour], np.int32))[0])


def is_colour(colour: RGB) -> bool:
    """Whether it is more than a shade of grey."""
    return max(colour) - min(colour) >= _GREY


def main_colours(values: Packed, counts: NDArray[np.int64]) -> list[RGB]:
    """Colours that fill a noticeable share, the commonest first; what is nearly like a commoner one joins it.

    ``values`` (n,) are the colours of a picture and ``counts`` (n,) their pixels.
    """
    order = np.argsort(-counts, kind="stable")[:_MOST]
    colours, numbers = _unpacked(values[order]), counts[order]
    palette = _palette_indices(colours)
    left = np.arange(len(colours))
    kept: list[RGB] = []
    least = _LEAST_SHARE * max(1, int(counts.sum()))
    while len(left):
        first = left[0]
        apart = np.square(colours[left] - colours[first]).sum(-1)
        both = (palette[left] >= 0) & (palette[first] >= 0) & (palette[left] != palette[first])
        near = apart < np.where(both, 1, _ALIKE**2)
        if numbers[left[near]].sum() >= least:
            kept.append(_rgb(colours[first]))
        left = left[~near]
    return kept


def solid_colours(packed: Packed, values: Packed, colours: Sequence[RGB]) -> list[RGB]:
    """The colours that fill areas; those that are but the soft or noisy borders of others vanish when two pixels are taken off."""
    owner = owners(packed, values, colours)
    areas = np.bincount(owner.ravel(), minlength=len(colours))
    inner = np.bincount(owner[_inside(owner)], minlength=len(colours))
    kept = [colour for colour, area, rest in zip(colours, areas, inner, strict=True) if rest > 0.1 * area]
    return kept if any(map(is_colour, kept)) else list(colours)


def owners(packed: Packed, values: Packed, colours: Sequence[RGB]) -> NDArray[np.int16]:
    """packed (h, w) -> (h, w): position of the nearest of ``colours``. ``values`` (n,) are the colours that the picture has.

    Of pictures with more than 262 144 colours, which no drawing has, those that share the upper six bits of each channel go together.
    """
    fine = len(values) <= _CELLS
    known = values if fine else np.unique(values & 0xFCFCFC | 0x020202)
    table = np.zeros(1 << 24, np.int16)
    table[known] = _nearest(_unpacked(known), np.array(colours, np.int32))
    return table[packed if fine else packed & 0xFCFCFC | 0x020202]


def _nearest(colours: NDArray[np.int32], among: NDArray[np.int32]) -> NDArray[np.int16]:
    """colours (n, 3), among (k, 3) -> (n,): position of the nearest, the first of those that are equally near. Exact in float32."""
    points = among.astype(np.float32)
    lengths = np.square(points).sum(-1)
    found = np.empty(len(colours), np.int16)
    for start in range(0, len(colours), _BLOCK):
        part = colours[start : start + _BLOCK].astype(np.float32)
        found[start : start + _BLOCK] = (lengths - 2 * (part @ points.T)).argmin(-1)
    return found


def _palette_indices(colours: NDArray[np.int32]) -> NDArray[np.int64]:
    """colours (n, 3) -> (n,): see `palette_index`."""
    apart = np.square(colours[:, None] - _FIRST).sum(-1)
    return np.where(apart.min(-1) <= (_PALETTE_REACH / 2) ** 2, apart.argmin(-1), -1)


def _inside(owner: NDArray[np.int16], radius: int = 2) -> NDArray[np.bool_]:
    """(h, w): whether all pixels within ``radius`` of each other, those beyond the picture left out, have the same owner."""
    across = _all_within(owner[:, 1:] == owner[:, :-1], radius, 2 * radius, 1)
    down = _all_within(owner[1:] == owner[:-1], radius, 2 * radius, 0)
    return _all_within(across, radius, 2 * radius + 1, 0) & down


def _all_within(true: NDArray[np.bool_], radius: int, count: int, axis: int) -> NDArray[np.bool_]:
    """AND of ``count`` neighbours along ``axis``, ``radius`` before and the rest from there on; beyond the ends all is true."""
    padded = np.pad(true, [(radius, radius) if each == axis else (0, 0) for each in (0, 1)], constant_values=True)
    size = padded.shape[axis] - count + 1
    return reduce(np.logical_and, (padded[at : at + size] if axis == 0 else padded[:, at : at + size] for at in range(count)))


def _unpacked(values: Packed) -> NDArray[np.int32]:
    """(n,) -> (n, 3)."""
    channels: NDArray[np.int32] = np.stack([values >> 16, values >> 8 & 255, values & 255], -1).astype(np.int32)
    return channels


def _rgb(colour: NDArray[np.int32]) -> RGB:
    red, green, blue = colour.tolist()
    return red, green, blue
