"""Pictures of regions: a grey mask, one colour for each region, or one region in each of red, green and blue."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..request.errors import RegionalError
from ..request.layout.mask_codecs import PNG_PREFIX
from ..request.layout.regions import MAX_REGIONS
from .colours import RGB, Packed, is_colour, main_colours, owners, palette_index, solid_colours
from .picture import open_drawn

Bytes = NDArray[np.uint8]

LONGEST_SIDE = 512
_ENOUGH = 6000
_LOOKED_AT = 1536
_FAINT = 8
_PALETTE_SIZE = 360
_OPAQUE = {"1": "L", "L": "L", "RGB": "RGB"}


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


def grey_mask(picture: Image.Image) -> list[FoundMask]:
    """Brightness times opacity, greys kept; opacity alone where all that is visible has one brightness.

    Raises RegionalError for a picture that is black all over.
    """
    rgba = _small_rgba(picture)
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
    rgba = _small_rgba(picture)
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
    small = _shrunk(picture, _LOOKED_AT, Image.Resampling.NEAREST)
    rgba = np.ascontiguousarray(small.convert("RGBA"))
    packed: Packed = (rgba.view(">u4")[..., 0] >> 8).astype(np.uint32, copy=False)
    seen = rgba[..., 3] > 127
    values, counts = np.unique(packed if seen.all() else packed[seen], return_counts=True)
    colours = main_colours(values, counts)
    if not any(map(is_colour, colours)):
        raise RegionalError("The picture has no colours, only greys: load it as the mask of one region.")
    known = values if seen.all() else np.unique(packed)
    colours = solid_colours(packed, known, colours)
    owner = np.where(seen, owners(packed, known, colours), np.int16(-1))
    chosen = _ordered(owner, colours)
    if len(chosen) > MAX_REGIONS:
        raise RegionalError(f"The picture has {len(chosen)} colours, as a photograph has: at most {MAX_REGIONS} can be regions.")
    return [
        FoundMask(
            reduced(np.where(area, np.uint8(255), np.uint8(0))), "#{:02x}{:02x}{:02x}".format(*colours[at]), palette_index(colours[at])
        )
        for at, area in _areas(owner, chosen, fill_lowest)
    ]


def _areas(owner: NDArray[np.int16], chosen: Sequence[int], fill_lowest: bool) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """(position of a colour, its pixels (h, w)), one after the other: all of them at once would be gigabytes."""
    for at in chosen:
        area = owner == at
        yield at, area | ~np.isin(owner, chosen) if fill_lowest and at == chosen[0] else area


def palette_masks(text: str, fill_lowest: bool = True) -> list[tuple[int, str]]:
    """A picture in Regional Prompter's colours (data URL or base64) -> (number of the colour, mask as data URL), in order.

    ``fill_lowest``: see `colour_masks`.
    """
    found = colour_masks(open_drawn(text), fill_lowest)
    return [(mask.palette if mask.palette >= 0 else _PALETTE_SIZE + at, mask.url) for at, mask in enumerate(found)]


def _ordered(owner: NDArray[np.int16], colours: Sequence[RGB]) -> list[int]:
    """Positions of the colours that are no greys: in the palette's order where all are of it, else in the order of their first pixels."""
    chosen = [at for at, colour in enumerate(colours) if is_colour(colour)]
    palette = {at: palette_index(colours[at]) for at in chosen}
    if all(number >= 0 for number in palette.values()):
        return sorted(chosen, key=lambda at: palette[at])
    there, pixels = np.unique(owner, return_index=True)
    first = dict(zip(there.tolist(), pixels.tolist(), strict=True))
    return sorted(chosen, key=lambda at: first.get(at, 0))


# ---------------------------------------------------------------- sizes and text


def _shrunk(picture: Image.Image, longest: int, how: Image.Resampling) -> Image.Image:
    scale = min(1.0, longest / max(picture.size))
    return picture if scale == 1 else picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), how)


def _small(picture: Image.Image) -> Image.Image:
    return _shrunk(picture, LONGEST_SIDE, Image.Resampling.BOX)


def _small_rgba(picture: Image.Image) -> NDArray[np.float32]:
    """(h, w, 4) with a longest side of at most `LONGEST_SIDE`; opaque pictures are reduced before they have four channels."""
    mode = _OPAQUE.get(picture.mode, "RGBA") if "transparency" not in picture.info else "RGBA"
    small = _small(picture if picture.mode == mode else picture.convert(mode))
    return np.asarray(small.convert("RGBA"), np.float32)


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
