"""Mask strings (PNG data URLs, run-length) as tensors."""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.mask_data import check_mask, decode_rle


@lru_cache(maxsize=32)
def decode_mask(data: str) -> Tensor:
    """Mask string -> (H, W) float in [0, 1]: luminance times alpha. Raises `core.errors.SettingsError` for what is no mask.

    The result is shared between callers: do not write into it.
    """
    check_mask(data)
    if data.startswith("rle:"):
        width, height, raw = decode_rle(data)
        return torch.from_numpy(np.frombuffer(raw, np.uint8).reshape(height, width).astype(np.float32) / 255)
    with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as picture:
        return _luminance(picture)


def _luminance(picture: Image.Image) -> Tensor:
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.asarray(picture, np.float32)
        return torch.from_numpy(grey / (65535.0 if picture.mode.startswith("I") else 1.0)).clamp(0, 1)
    rgba = picture.convert("RGBA")
    alpha = np.asarray(rgba.getchannel("A"), np.float32) / 255
    grey = np.asarray(rgba.convert("RGB").convert("L"), np.float32) / 255
    return torch.from_numpy(grey * alpha)
