"""Pictures of regions: a grey mask, one colour for each region, or one region in each of red, green and blue."""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..request.errors import RegionalError
from ..request.layout.mask_codecs import PNG_PREFIX
from ..request.layout.regions import MAX_REGIONS
from .picture import open_drawn

Bytes = NDArray[np.uint8]
RGB = tuple[int, int, int]

LONGEST_SIDE = 512
_ENOUGH = 6000
_LOOKED_AT = 1024
_LEAST_SHARE = 0.0003
_FAINT = 8
_ALIKE = 40
_PALETTE_REACH = 14
_GREY = 24
_PALETTE_SIZE = 360


@dataclass(frozen=True)
class FoundMask:
    """One region of a picture: its mask (h, w) from 0 to 255, a name, and its number in Regional Prompter's palette (-1: none).

    An ``exact`` mask is stored as it is, others with fewer greys where that is smaller.
    """

    mask: Bytes
    name: str = ""
    palette: int = -1
    exact: bool = False

    @property
    def url(self) -> str:
        """The mask as a small PNG data URL."""
        return _url(_png(Image.fromarray(self.mask))) if self.exact else mask_url(self.mask)


def palette_colour(index: int) -> RGB:
    """Colour ``index`` of Regional Prompter's palette: hues 0, 180, 90, 270, 45, 135 … at half saturation and value."""
    level = 1 << (max(1, index).bit_length() - 1)
    hue = (index - level + 0.5) / level if index else 0.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.5, 0.5)
    return round(red * 255 + 0.01), round(green * 255 + 0.01), round(blue * 255 + 0.01)


def grey_mask(picture: Image.Image) -> list[FoundMask]:
    """Brightness times opacity, greys kept; opacity alone where all that is visible has one brightness.

    Raises RegionalError for a picture that is black all over.
    """
    rgba = np.asarray(_small(picture.convert("RGBA")), np.float32)
    bright, opacity = rgba[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32), rgba[..., 3]
    visible = bright[opacity > _FAINT]
    says_nothing = opacity.min() < opacity.max() and (visible.size == 0 or np.ptp(visible) <= _FAINT)
    mask = np.rint(opacity if says_nothing else bright * opacity / 255).astype(np.uint8)
    if mask.max() == 0:
        raise RegionalError("The mask is black all over: nothing is inside.")
    return [FoundMask(mask)]


def channel_masks(picture: Image.Image) -> list[FoundMask]:
    """Red, green and blue as three masks, greys kept; a channel that is empty, or has but another's noise (JPEG), gives none.

    Raises RegionalError where all are empty.
    """
    rgba = np.asarray(_small(picture.convert("RGBA")), np.float32)
    planes = np.rint(rgba[..., :3] * rgba[..., 3:] / 255).astype(np.uint8)
    least = max(_FAINT, int(planes.max()) // _FAINT)
    found = [FoundMask(planes[..., at], name) for at, name in enumerate(("red", "green", "blue")) if planes[..., at].max() > least]
    if not found:
        raise RegionalError("The picture is black all over: none of its channels holds a region.")
    return found


def colour_masks(picture: Image.Image, fill_lowest: bool = False) -> list[FoundMask]:
    """One mask per colour. White, black, grey and transparent pixels belong to no region.

    Colours that are nearly alike (JPEG noise, soft brushes) are one. Regional Prompter's colours keep their order, others come in reading
    order. ``fill_lowest`` assigns the pixels of no region to the first one, as Regional Prompter does without a base.
    Raises RegionalError for a picture without colours.
    """
    pixels = np.asarray(_shrunk(picture.convert("RGBA"), _LOOKED_AT * 2, Image.Resampling.NEAREST))
    rgb, seen = pixels[..., :3].astype(np.int32), pixels[..., 3] > 127
    colours = _main_colours(rgb[seen])
    if not any(map(_is_colour, colours)):
        raise RegionalError("The picture has no colours, only greys: load it as the mask of one region.")
    colours = _solid(rgb, colours)
    owner = np.where(seen, _nearest(rgb, colours), -1)
    masks = [FoundMask((owner == at).astype(np.uint8) * 255, _hex(colour), _palette_index(colour)) for at, colour in enumerate(colours)]
    chosen = _ordered([(mask, colour) for mask, colour in zip(masks, colours, strict=True) if _is_colour(colour)])
    if fill_lowest:
        rest = ~np.any([mask.mask > 0 for mask in chosen], axis=0)
        chosen[0] = FoundMask(np.where(rest, 255, chosen[0].mask).astype(np.uint8), chosen[0].name, chosen[0].palette)
    return [FoundMask(reduced(mask.mask), mask.name, mask.palette) for mask in chosen[:MAX_REGIONS]]


def palette_masks(text: str, fill_lowest: bool = True) -> list[tuple[int, str]]:
    """A picture in Regional Prompter's colours (data URL or base64) -> (number of the colour, mask as data URL), in order.

    ``fill_lowest``: see `colour_masks`.
    """
    found = colour_masks(open_drawn(text), fill_lowest)
    return [(mask.palette if mask.palette >= 0 else _PALETTE_SIZE + at, mask.url) for at, mask in enumerate(found)]


# ---------------------------------------------------------------- colours


def _main_colours(pixels: NDArray[np.int32]) -> list[RGB]:
    """Colours of pixels (n, 3) that fill a noticeable share, the commonest first; what is nearly like a commoner one joins it."""
    packed = (pixels[:, 0] << 16) | (pixels[:, 1] << 8) | pixels[:, 2]
    values, counts = np.unique(packed, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:4096]
    kept: list[RGB] = []
    shares: list[float] = []
    for value, number in zip(values[order].tolist(), counts[order].tolist(), strict=True):
        colour = (value >> 16, value >> 8 & 255, value & 255)
        near = next((at for at, other in enumerate(kept) if _distance(colour, other) < _reach(colour, other)), None)
        if near is None:
            kept.append(colour)
            shares.append(number)
        else:
            shares[near] += number
    least = _LEAST_SHARE * max(1, len(pixels))
    return [colour for colour, share in zip(kept, shares, strict=True) if share >= least]


def _solid(rgb: NDArray[np.int32], colours: list[RGB]) -> list[RGB]:
    """The colours that fill areas; those that are but the soft or noisy borders of others vanish when two pixels are taken off."""
    owner = _nearest(rgb, colours)
    areas = [(owner == at) for at in range(len(colours))]
    kept = [colour for colour, area in zip(colours, areas, strict=True) if _eroded(area).sum() > 0.1 * area.sum()]
    return kept if any(map(_is_colour, kept)) else colours


def _eroded(area: NDArray[np.bool_], radius: int = 2) -> NDArray[np.bool_]:
    """Erosion by ``radius`` pixels; the picture's own border is kept."""
    for axis in (0, 1):
        width = [(radius, radius) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(area, width, constant_values=True)
        size = area.shape[axis]
        area = np.logical_and.reduce([padded.take(range(at, at + size), axis) for at in range(2 * radius + 1)])
    return area


def _reach(one: RGB, other: RGB) -> float:
    """The distance below which two colours count as one, smaller for two colours of the palette."""
    both = _palette_index(one), _palette_index(other)
    return 1.0 if min(both) >= 0 and both[0] != both[1] else _ALIKE


def _distance(one: RGB, other: RGB) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def _is_colour(colour: RGB) -> bool:
    return max(colour) - min(colour) >= _GREY


def _hex(colour: RGB) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)


def _palette_index(colour: RGB) -> int:
    """Number of the nearest of the palette's first 32 colours, -1 where none is near."""
    distance, index = min((_distance(colour, palette_colour(at)), at) for at in range(32))
    return index if distance <= _PALETTE_REACH / 2 else -1


def _nearest(rgb: NDArray[np.int32], colours: Sequence[RGB]) -> NDArray[np.int64]:
    """(h, w, 3) -> (h, w): position of the nearest colour."""
    best = np.full(rgb.shape[:2], np.iinfo(np.int32).max, np.int64)
    owner = np.zeros(rgb.shape[:2], np.int64)
    for at, colour in enumerate(colours):
        distance = ((rgb - np.array(colour)) ** 2).sum(-1)
        owner[distance < best] = at
        best = np.minimum(best, distance)
    return owner


def _ordered(found: Sequence[tuple[FoundMask, RGB]]) -> list[FoundMask]:
    masks = [mask for mask, _ in found]
    if all(mask.palette >= 0 for mask in masks):
        return sorted(masks, key=lambda mask: mask.palette)
    return sorted(masks, key=lambda mask: int(mask.mask.argmax()))


# ---------------------------------------------------------------- sizes and text


def _shrunk(picture: Image.Image, longest: int, how: Image.Resampling) -> Image.Image:
    scale = min(1.0, longest / max(picture.size))
    return picture if scale == 1 else picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), how)


def _small(picture: Image.Image) -> Image.Image:
    return _shrunk(picture, LONGEST_SIDE, Image.Resampling.BOX)


def reduced(mask: Bytes) -> Bytes:
    """A mask with a longest side of at most `LONGEST_SIDE`."""
    return np.asarray(_small(Image.fromarray(mask)))


def mask_url(mask: Bytes) -> str:
    """(h, w) bytes -> PNG data URL. Fewer greys (33), then half the size, are taken only where it would not be a few kilobytes."""
    coarse = np.minimum(255, np.rint(mask / 8) * 8).astype(np.uint8)
    half = Image.fromarray(coarse).resize((-(-mask.shape[1] // 2), -(-mask.shape[0] // 2)), Image.Resampling.BOX)
    png = b""
    for picture in (Image.fromarray(mask), Image.fromarray(coarse), half):
        png = _png(picture)
        if len(png) <= _ENOUGH:
            break
    return _url(png)


def exact_size(mask: Bytes) -> int:
    """Bytes of the mask as a PNG with all its greys."""
    return len(_png(Image.fromarray(mask)))


def _url(png: bytes) -> str:
    return PNG_PREFIX + base64.b64encode(png).decode("ascii")


def _png(picture: Image.Image) -> bytes:
    values = np.unique(np.asarray(picture))
    plain = picture.convert("1", dither=Image.Dither.NONE) if set(values.tolist()) <= {0, 255} else picture
    buffer = io.BytesIO()
    plain.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
