"""Collages: the regions' pictures, fitted into their masks and laid over a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..request.collage.pictures import ALLOWED
from ..request.errors import RegionalError, SettingsError, settings_error
from ..request.layout.pixels import MAX_PIXELS, too_many_pixels
from ..request.layout.regions import Layout
from ..tensors.masks.growth import bounding_box
from ..tensors.masks.weight_maps import shape_mask
from .picture import open_drawn

WITHIN = 0.25
"""Added to a level of 0 to 255, so that neither rounding nor cutting off gives another one."""


def region_pictures(layout: Layout) -> dict[int, Image.Image]:
    """Region -> its picture, RGBA, turned as its EXIF says; of the enabled regions that have one.

    Raises SettingsError (field ``regions[n].picture``) for what is no picture, or too large; all together are limited as one is.
    """
    found: dict[int, Image.Image] = {}
    pixels = 0
    for at, region in enumerate(layout.regions):
        if region.picture is None or not region.enabled:
            continue
        field = f"regions[{at}].picture"
        picture = _opened(region.picture, field, region.label(at))
        pixels += picture.width * picture.height
        if pixels > MAX_PIXELS:
            raise too_many_pixels(field, pixels, "with those before it, it", f"{region.label(at)}: picture")
        found[at] = picture.convert("RGBA")
    return found


def _opened(text: str, field: str, label: str) -> Image.Image:
    try:
        return open_drawn(text, field)
    except SettingsError:
        raise
    except RegionalError as error:
        raise settings_error(field, text, ALLOWED, where=label, text=f"picture cannot be used. {error}") from error


def fitted(picture: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    """An RGBA picture -> one of ``size`` (width, height): whole and centred, the rest transparent (contain), filling it with the
    middle shown (cover), or distorted (stretch)."""
    if fit == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS)
    factors = [side / own for side, own in zip(size, picture.size, strict=True)]
    factor = min(factors) if fit == "contain" else max(factors)
    wide, high = (max(1, round(own * factor)) for own in picture.size)
    left, top = (wide - size[0]) // 2, (high - size[1]) // 2
    scaled = picture.resize((wide, high), Image.Resampling.LANCZOS)
    return scaled.crop((left, top, left + size[0], top + size[1]))  # what lies outside the picture is transparent


def laid(base: Tensor, layout: Layout, pictures: Mapping[int, Image.Image]) -> Tensor:
    """base (B, 3, H, W) in 0..1 -> the same with the regions' pictures over it, those of higher priority and later ones on top.

    A picture counts with its own alpha times the region's mask (without its feather).
    """
    result = base.clone()
    for at in sorted(pictures, key=lambda at: (layout.regions[at].priority, at)):
        mask = shape_mask(layout.regions[at].shape, *base.shape[-2:])
        left, top, right, bottom = bounding_box(mask)
        levels = np.asarray(fitted(pictures[at], (right - left, bottom - top), layout.regions[at].fit), dtype=np.float32)
        pixels = torch.from_numpy(levels).permute(2, 0, 1).to(base)
        alpha = pixels[3] / 255 * mask[top:bottom, left:right].to(base)
        part = result[..., top:bottom, left:right]
        part.copy_(torch.where(alpha < 1, part + alpha * ((pixels[:3] + WITHIN) / 255 - part), (pixels[:3] + WITHIN) / 255))
    return result
