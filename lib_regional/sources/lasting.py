"""Masks and pictures of regions in the parameters of pictures: reduced to what has an effect, or to what fits there."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, features

from ..request.errors import RegionalError
from ..request.infotext import picture_texts
from ..request.layout.combined import leaves
from ..request.layout.mask_codecs import PNG_PREFIX, check_mask
from ..request.layout.shapes import MaskImage
from ..request.settings import Settings
from ..tensors.masks.decoding import mask_at
from .picture import open_drawn

LONGEST_SIDE = 512
"""Pixels of the longer side: what the editor draws with, and more than any grid on which a mask acts but those of large pictures."""

ROOM = 24_000
"""Characters for the pictures of all regions together: EXIF, where JPEG files have their parameters, holds 64 KB of UTF-16."""

_SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32)


def lasting_size(data: str) -> tuple[int, int]:
    """(width, height) that a mask text has in a picture's parameters: its own, or with `LONGEST_SIDE` as the longer side."""
    width, height = check_mask(data)
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduction(shape: object) -> str:
    """The note on a reduced mask, to follow a region's name; "" where nothing is reduced. Masks in a combination count too."""
    sizes = ((part.size, lasting_size(part.data)) for part in leaves(shape) if isinstance(part, MaskImage))
    size, kept = next((pair for pair in sizes if pair[0] != pair[1]), (None, None))
    if size is None or kept is None:
        return ""
    return "has a mask of {} × {} pixels: the picture's parameters keep it as {} × {}.".format(*size, *kept)


def lasting_mask(data: str) -> str:
    """A mask text as it goes into a picture's parameters: itself, or a PNG of `lasting_size`. Raises SettingsError."""
    width, height = lasting_size(data)
    if (width, height) == check_mask(data):
        return data
    levels = np.rint(mask_at(data, height, width).numpy() * 255).astype(np.uint8)
    picture = Image.fromarray(levels)
    buffer = io.BytesIO()
    (picture.convert("1") if set(np.unique(levels)) <= {0, 255} else picture).save(buffer, "PNG", optimize=True)
    return PNG_PREFIX + base64.b64encode(buffer.getvalue()).decode("ascii")


def lasting_pictures(texts: Sequence[str | None]) -> list[str | None]:
    """The regions' pictures as they go into a picture's parameters: as they are where all have `ROOM`, else small WebP (PNG) files.

    None for one that finds no room or cannot be read.
    """
    given = [text for text in texts if text]
    if sum(map(len, given)) <= ROOM:
        return list(texts)
    return [_smaller(text, ROOM // len(given)) if text else None for text in texts]


@functools.lru_cache(maxsize=16)
def _smaller(text: str, room: int) -> str | None:
    """A picture text of at most ``room`` characters, its sides as large as that allows."""
    if len(text) <= room:
        return text
    try:
        picture = open_drawn(text).convert("RGBA")
    except RegionalError:  # sampling names it
        return None
    kind = "WEBP" if features.check("webp") else "PNG"
    for side in (one for one in _SIDES if one <= max(picture.size)) if max(picture.size) >= _SIDES[-1] else ():
        scale = side / max(picture.size)
        small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, kind, quality=80)
        made = f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
        if len(made) <= room:
            return made
    return None


def picture_notes(settings: Settings) -> list[list[str]]:
    """For each region the notes on its reduced or lost pictures, to follow the region's name."""
    texts, count = picture_texts(settings), len(settings.regions)
    notes: list[list[str]] = [[] for _ in settings.regions]
    for at, (text, kept) in enumerate(zip(texts, lasting_pictures(texts), strict=True)):
        note = _picture_note("picture" if at < count else "reference picture", text, kept) if text and kept != text else ""
        notes[at % count] += [note] if note else []
    return notes


def _picture_note(what: str, text: str, kept: str | None) -> str:
    try:
        size = open_drawn(text).size
    except RegionalError:
        return ""
    if kept is None:
        return "has a {} of {} × {} pixels, for which the picture's parameters have no room: they leave it out.".format(what, *size)
    small = open_drawn(kept)
    losses = ", with the small losses of WebP" if kept.startswith("data:image/webp") else ""
    how = f"{small.width} × {small.height}{losses}"
    return "has a {} of {} × {} pixels: the picture's parameters keep it as {}.".format(what, *size, how)


def reductions(settings: Settings) -> Iterator[str]:
    """All notes on what a picture's parameters keep smaller, or not at all, with the regions' names."""
    for at, (region, notes) in enumerate(zip(settings.regions, picture_notes(settings), strict=True)):
        for text in (reduction(region.shape), *notes):
            if text:
                yield f"{region.label(at)} {text}"
