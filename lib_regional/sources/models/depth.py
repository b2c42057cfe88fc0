"""Depth of a picture: DPT, ZoeDepth and Depth Anything, and the slices that it is cut into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...request.errors import RegionalError
from ...tensors.masks.slices import depth_positions, even_positions, slice_levels
from ..channels import LONGEST_SIDE, Bytes, FoundMask, exact_size
from .folders import FoundModel
from .loading import PictureModels

_ENOUGH = 6000
"""Bytes of a slice's PNG that are not worth saving."""
_TRIES = ((1, 255), (1, 51), (2, 51), (2, 17))
"""(divisor of the size, levels) from the finest down; levels divide 255."""
_FARTHEST = 1e4
"""Metres: what is farther away, or has no depth, counts as this."""


def nearness(models: PictureModels, found: FoundModel, picture: Image.Image) -> Tensor:
    """Relative inverse depth (h, w), larger is nearer, with the picture's format and a longest side of at most `LONGEST_SIDE`.

    Models in metres give their inverse.
    """
    with models.opened(found) as opened:
        processor = opened.processor("AutoImageProcessor")
        plain = {"do_pad": False} if opened.model.config.model_type == "zoedepth" else {}  # its padding would have depth of its own
        inputs = processor(images=picture.convert("RGB"), return_tensors="pt", **plain).to(opened.device)
        depth = opened.model(pixel_values=inputs["pixel_values"]).predicted_depth.float().cpu()
        if is_metric(opened.model.config):
            depth = 1 / depth.clamp(1 / _FARTHEST, _FARTHEST)
    return _fitted(depth.reshape(1, 1, *depth.shape[-2:]), picture.size)


def is_metric(config: object) -> bool:
    """Whether a model gives metres (larger is farther) and no relative inverse depth."""
    return getattr(config, "model_type", "") == "zoedepth" or getattr(config, "depth_estimation_type", "relative") == "metric"


def _fitted(depth: Tensor, size: tuple[int, int]) -> Tensor:
    scale = min(1.0, LONGEST_SIDE / max(size))
    shape = max(1, round(size[1] * scale)), max(1, round(size[0] * scale))
    fitted: Tensor = torch.nn.functional.interpolate(depth, shape, mode="bilinear", align_corners=False)[0, 0]
    return fitted


def depth_masks(near: Tensor, borders: Sequence[float], softness: float, even: bool = False) -> list[FoundMask]:
    """Nearness (h, w) -> one mask between two neighbouring ``borders`` (0: the nearest, 1: the farthest), which add up to 255 together.

    ``even`` counts pixels in place of depth. One of several masks may be empty. Raises RegionalError where all is equally far, or where the
    only mask is empty.
    """
    try:
        positions = depth_positions(near)
    except ValueError as error:
        raise RegionalError("The model sees no depth in this picture: all of it is equally far.") from error
    for divisor, levels in _TRIES:
        masks = _sliced(_smaller(positions, divisor), borders, softness, even, levels)
        if max(exact_size(mask) for mask in masks) <= _ENOUGH:
            break
    if len(masks) == 1 and not masks[0].any():
        raise RegionalError("No part of the picture lies in this slice: move its borders.")
    return [FoundMask(mask, _name(at, len(masks)), exact=True) for at, mask in enumerate(masks)]


def _smaller(positions: Tensor, divisor: int) -> Tensor:
    if divisor == 1:
        return positions
    height, width = positions.shape
    shape = -(-height // divisor), -(-width // divisor)
    picture = Image.fromarray(positions.float().numpy()).resize(shape[::-1], Image.Resampling.BOX)
    return torch.from_numpy(np.array(picture)).double().clamp(0, 1)


def _sliced(positions: Tensor, borders: Sequence[float], softness: float, even: bool, levels: int) -> list[Bytes]:
    return list(slice_levels(even_positions(positions) if even else positions, borders, softness, levels).numpy())


def _name(at: int, count: int) -> str:
    if count == 1:
        return "depth"
    return "near" if at == 0 else "far" if at == count - 1 else f"depth {at + 1}"
