"""Mask strings (PNG data URLs, run-length) as tensors of the size they are used at.

A mask is read in strips of rows, one byte per pixel (two for 16-bit PNGs), and every strip is reduced before the next one is read. What is
kept is the mask as it was read or as it was used, whichever is smaller, and `CACHE_BYTES` of all of them together.
"""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...request.errors import settings_error
from ...request.layout.mask_codecs import RLE_PREFIX, check_mask, decode_rle
from ...request.layout.pixels import DAMAGED
from ...request.layout.png import pixels_only
from ..byte_cache import ByteCache

Levels = NDArray[Any]
"""(rows, W) uint8 or uint16, full scale is inside."""

CACHE_BYTES = 64 * 1024 * 1024
_STRIP = 1024 * 1024
"""Pixels that are read at a time."""

_LARGE = 4 * _STRIP
"""Pixels from which on a mask is read alone: several at once would multiply what a picture costs while it is decoded."""

_LONGEST = 65536

_kept = ByteCache(CACHE_BYTES)
_reading_large = threading.Lock()


def mask_at(data: str, height: int, width: int) -> Tensor:
    """Mask string -> (height, width) float in [0, 1]: luminance times alpha, resampled linearly with antialiasing.

    Raises `request.errors.SettingsError` for an invalid mask.
    """
    name = hashlib.sha256(data.encode("utf-8", "surrogatepass")).digest()
    used = _kept.get((name, height, width))
    if used is not None:
        return torch.from_numpy(used.copy())
    size = check_mask(data)
    read = _kept.get(name)
    if read is None and size[0] * size[1] <= height * width * 4:
        read = _whole(data)
        _kept.put(name, read)
    if read is not None:
        return _reduced(iter([read]), size, (height, width))
    with _alone(size):
        result = _reduced(_strips(data), size, (height, width))
    _kept.put((name, height, width), result.numpy().copy())
    return result


def decode_mask(data: str) -> Tensor:
    """Mask string -> (H, W) float in [0, 1] of its own size. Raises `request.errors.SettingsError` for an invalid mask."""
    with _alone(check_mask(data)):
        levels = _whole(data)
        return torch.from_numpy(levels.astype(np.float32)) / _full(levels)


def _alone(size: tuple[int, int]) -> AbstractContextManager[Any]:
    return _reading_large if size[0] * size[1] > _LARGE else nullcontext()


def _whole(data: str) -> Levels:
    return np.concatenate(list(_strips(data)))


def _floats(levels: Levels) -> Tensor:
    """Levels (n, W) as float; rows beyond `_LONGEST` pixels, which no picture has, as that many averages."""
    if levels.shape[1] <= _LONGEST:
        return torch.from_numpy(levels.astype(np.float32))
    starts = np.linspace(0, levels.shape[1], _LONGEST, endpoint=False).astype(np.int64)
    sums = np.add.reduceat(levels, starts, axis=1, dtype=np.float64)
    return torch.from_numpy((sums / np.diff(starts, append=levels.shape[1])).astype(np.float32))


def _full(levels: Levels) -> float:
    return float(np.iinfo(levels.dtype).max)


def _reduced(strips: Iterator[Levels], size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Strips of rows of a mask of ``size`` (W, H) -> ``grid`` (height, width) float.

    The filter is separable: one side is reduced strip by strip, then the other. First comes the side that leaves less in between.
    """
    (across, down), (height, width) = size, grid
    if down * width <= height * across:
        between = torch.cat([_across(_floats(strip), width) / _full(strip) for strip in strips])
        return _across(between.T, height).T.clamp(0, 1).contiguous()
    levels, columns = np.concatenate(list(strips)), max(1, _STRIP // down)
    parts = (levels[:, left : left + columns].T for left in range(0, across, columns))
    between = torch.cat([_across(_floats(part), height) / _full(part) for part in parts])
    return _across(between.T, width).clamp(0, 1)


def _across(image: Tensor, width: int) -> Tensor:
    """(n, W) -> (n, width), every row by itself. Columns come as rows: PyTorch (2.13) errs in those of narrow images."""
    return F.interpolate(image[None, None], (image.shape[0], width), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _strips(data: str) -> Iterator[Levels]:
    if data.startswith(RLE_PREFIX):
        width, height, raw = decode_rle(data)
        levels = np.frombuffer(raw, np.uint8).reshape(height, width)
        yield from (levels[top:bottom] for top, bottom in _spans(width, height))
        return
    raw = pixels_only(base64.b64decode(data.partition(",")[2]))
    try:
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as picture:
            for top, bottom in _spans(*picture.size):
                yield _luminance(picture.crop((0, top, picture.width, bottom)))
    except DAMAGED as error:
        text = "mask is a damaged PNG: its pixels cannot be read. Save it again."
        raise settings_error("mask", data, "a whole PNG", text=text) from error


def _spans(width: int, height: int) -> Iterator[tuple[int, int]]:
    rows = max(1, _STRIP // width)
    yield from ((top, min(top + rows, height)) for top in range(0, height, rows))


def _luminance(picture: Image.Image) -> Levels:
    """(rows, W): luminance times alpha; 16-bit greys are unchanged."""
    if picture.mode.startswith("I"):
        return np.asarray(picture).clip(0, 65535).astype(np.uint16)
    if picture.mode in ("1", "L", "RGB") and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    product = Image.new("L", rgba.size)
    product.paste(rgba.convert("L"), mask=rgba.getchannel("A"))  # over black, rounded
    return np.asarray(product)
