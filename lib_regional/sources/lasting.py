"""Masks in the parameters of pictures: reduced to the resolution that has an effect."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from ..request.layout.combined import leaves
from ..request.layout.mask_codecs import PNG_PREFIX, check_mask
from ..request.layout.shapes import MaskImage
from ..tensors.masks.decoding import mask_at

LONGEST_SIDE = 512
"""Pixels of the longer side: what the editor draws with, and more than any grid on which a mask acts but those of large pictures."""


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
