"""A control picture as the tensor that a ControlNet reads."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..pipeline import pictures
from .units import MODULES, RESIZE_MODES

_FEW_COLOURS = 200
"""Pictures of up to as many colours (a segmentation's, say) get no new ones, but for lines of one colour on another that become smaller."""


def hint_of(picture: Image.Image, module: str, resize_mode: str, width: int, height: int) -> Tensor:
    """RGB levels (3, height, width) in 0..1. What fills the sides (*Resize and Fill*) is the median of the picture's own border."""
    image = pictures.flatten(picture)
    image = brought(image, resize_mode, width, height)
    levels = torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1) / 255
    return 1 - levels if module == MODULES[1] else levels


def brought(image: Image.Image, resize_mode: str, width: int, height: int) -> Image.Image:
    """An RGB picture in another size, by one of `RESIZE_MODES`."""
    mode = RESIZE_MODES.index(resize_mode)
    if mode == pictures.JUST_RESIZE:
        return _scaled(image, width, height)
    wide, high = width / image.width, height / image.height
    scale = max(wide, high) if mode == pictures.CROP else min(wide, high)
    inner = _scaled(image, max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if mode == pictures.CROP:
        left, top = max(0, (inner.width - width) // 2), max(0, (inner.height - height) // 2)
        return inner.crop((left, top, left + width, top + height))
    whole = Image.new("RGB", (width, height), _border_colour(image))
    whole.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return whole


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    colours, smaller = image.getcolors(_FEW_COLOURS), width * height < image.width * image.height
    if colours is not None and (len(colours) > 2 or not smaller):
        return image.resize((width, height), Image.Resampling.NEAREST)
    return image.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)


def _border_colour(image: Image.Image) -> tuple[int, ...]:
    levels = np.asarray(image)
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    return tuple(int(level) for level in np.median(border, axis=0))
