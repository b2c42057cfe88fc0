"""PIL pictures: resize modes, masks, inpainting's crops and fills, PNG with the parameters chunk."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageColor, ImageFilter, ImageOps, PngImagePlugin
from torch import Tensor

from ...request import files
from ...request.errors import RegionalError
from ...request.layout.pixels import DAMAGED, MAX_PIXELS, too_many_pixels
from ...sources.picture import infotext_of, opened, upright
from ..faults import RequestError

logger = logging.getLogger("regional.standalone")

JUST_RESIZE, CROP, FILL, LATENT = range(4)
"""The WebUI's resize modes."""

LATENT_UPSCALERS: dict[str, dict[str, object]] = {
    "Latent": {"mode": "bilinear", "antialias": False},
    "Latent (antialiased)": {"mode": "bilinear", "antialias": True},
    "Latent (bicubic)": {"mode": "bicubic", "antialias": False},
    "Latent (bicubic antialiased)": {"mode": "bicubic", "antialias": True},
    "Latent (nearest)": {"mode": "nearest", "antialias": False},
    "Latent (nearest-exact)": {"mode": "nearest-exact", "antialias": False},
}

PIXEL_UPSCALERS: dict[str, Image.Resampling] = {
    "None": Image.Resampling.LANCZOS,
    "Lanczos": Image.Resampling.LANCZOS,
    "Nearest": Image.Resampling.NEAREST,
}

Crop = tuple[int, int, int, int]
"""left, top, right, bottom in pixels."""


def to_pil(image: Tensor) -> Image.Image:
    """(3, H, W) in 0..1 -> an RGB picture."""
    array = (image.clamp(0, 1) * 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array)


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB picture -> (3, H, W) in 0..1."""
    return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)


def flatten(image: Image.Image, background: str = "#ffffff") -> Image.Image:
    """RGB; transparent parts show the background colour."""
    image = upright(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGB", image.size, ImageColor.getrgb(background)[:3])
        ground.paste(image, mask=image.getchannel("A"))
        return ground
    return image.convert("RGB")


def resize_image(mode: int, image: Image.Image, width: int, height: int, upscaler: str | None = None) -> Image.Image:
    """Bring a picture to a size: 0 stretch, 1 crop what is too much, 2 fit and fill the rest with the edges' colours."""
    how = PIXEL_UPSCALERS.get(upscaler or "Lanczos", Image.Resampling.LANCZOS)
    if mode not in (CROP, FILL) or image.width * height == image.height * width:
        return image.resize((width, height), how)
    ratio, own = width / height, image.width / image.height
    by_height = (ratio < own) if mode == CROP else (ratio > own)
    across, down = max(1, round(image.width * height / image.height)), max(1, round(image.height * width / image.width))
    inner = (across, height) if by_height else (width, down)
    resized = image.resize(inner, how)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    result = Image.new(image.mode, (width, height))
    if mode == FILL:
        _fill_edges(result, resized, left, top)
    result.paste(resized, (left, top))
    return result


def _fill_edges(result: Image.Image, inner: Image.Image, left: int, top: int) -> None:
    width, height = result.size
    if top > 0:
        first, last = inner.crop((0, 0, inner.width, 1)), inner.crop((0, inner.height - 1, inner.width, inner.height))
        result.paste(first.resize((width, top)), (0, 0))
        result.paste(last.resize((width, height - top - inner.height)), (0, top + inner.height))
    elif left > 0:
        first, last = inner.crop((0, 0, 1, inner.height)), inner.crop((inner.width - 1, 0, inner.width, inner.height))
        result.paste(first.resize((left, height)), (0, 0))
        result.paste(last.resize((width - left - inner.width, height)), (left + inner.width, 0))


def binary_mask(image: Image.Image) -> Image.Image:
    """A mask picture as grey levels; of one with transparency, its alpha channel."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        return image.getchannel("A").convert("L").point(lambda value: 255 if value > 128 else 0)
    return image.convert("L")


def blurred(mask: Image.Image, x: float, y: float) -> Image.Image:
    """Gaussian blur with the given standard deviations in pixels."""
    return mask.filter(ImageFilter.GaussianBlur((x, y))) if x > 0 or y > 0 else mask


def crop_region(mask: Image.Image, padding: int, width: int, height: int) -> Crop:
    """The mask's bounding box with padding, widened to the shape of width × height where the picture allows."""
    box = mask.getbbox() or (0, 0, mask.width, mask.height)
    left, top = max(0, box[0] - padding), max(0, box[1] - padding)
    right, bottom = min(mask.width, box[2] + padding), min(mask.height, box[3] + padding)
    wanted_w = max(right - left, round((bottom - top) * width / height))
    wanted_h = max(bottom - top, round((right - left) * height / width))
    left, right = _widened(left, right, wanted_w, mask.width)
    top, bottom = _widened(top, bottom, wanted_h, mask.height)
    return left, top, right, bottom


def _widened(low: int, high: int, wanted: int, limit: int) -> tuple[int, int]:
    wanted = min(max(wanted, high - low), limit)
    start = max(0, min(low - (wanted - (high - low)) // 2, limit - wanted))
    return start, start + wanted


def fill(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The masked area in the colours of its surroundings, blurred in from far to near."""
    result = Image.new("RGBA", image.size)
    known = Image.new("RGBA", image.size)
    known.paste(image.convert("RGBA"), mask=ImageOps.invert(mask.convert("L")))
    known = Image.merge("RGBa", known.convert("RGBa").split())  # premultiplied, so that the blur takes no colour from holes
    for radius, repeats in ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)):
        layer = known.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(repeats):
            result.alpha_composite(layer)
    return result.convert("RGB")


def overlay(image: Image.Image, original: Image.Image | None, place: Crop | None) -> Image.Image:
    """The inpainted picture with the untouched parts (RGBA, transparent where inpainted) laid over it."""
    if original is None:
        return image
    if place is not None:
        left, top, right, bottom = place
        whole = Image.new("RGBA", original.size)
        whole.paste(resize_image(JUST_RESIZE, image, right - left, bottom - top), (left, top))
        image = whole
    image = image.convert("RGBA")
    image.alpha_composite(original)
    return image.convert("RGB")


def untouched(image: Image.Image, mask: Image.Image) -> Image.Image:
    """RGBA: the picture where the mask is 0, transparent where it is 255."""
    result = image.convert("RGBA")
    result.putalpha(ImageChops.invert(mask.convert("L")))
    return result


def image_grid(images: Sequence[Image.Image]) -> Image.Image:
    """All pictures side by side in as square a grid as their number allows."""
    columns = max(1, round(len(images) ** 0.5))
    rows = -(-len(images) // columns)
    columns, rows = max(columns, rows), min(columns, rows)
    width, height = images[0].size
    grid = Image.new("RGB", (columns * width, rows * height))
    for index, image in enumerate(images):
        grid.paste(image, (index % columns * width, index // columns * height))
    return grid


def png_bytes(image: Image.Image) -> bytes:
    """A PNG file; text entries of ``image.info`` (such as ``parameters``) go into text chunks."""
    texts = PngImagePlugin.PngInfo()
    for key, value in image.info.items():
        if isinstance(key, str) and isinstance(value, str):
            texts.add_text(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


_COMMENT, _EXIF_BLOCK, _LONGEST_COMMENT = 0x9286, 0x8769, 65_000
"""EXIF's tags of a user's comment and of the block that holds it; bytes that a JPEG's EXIF has room for."""


def file_bytes(image: Image.Image, kind: str = "png", quality: int = 80) -> bytes:
    """A PNG, JPEG (``jpg``) or WebP file; the parameters go into a text chunk, or into EXIF's UserComment as WebUIs write it."""
    if kind == "png":
        return png_bytes(image)
    exif, buffer = Image.Exif(), io.BytesIO()
    comment = b"UNICODE\0" + str(image.info.get("parameters", "")).encode("utf-16-be", "replace")
    if len(comment) <= _LONGEST_COMMENT:
        exif[_EXIF_BLOCK] = {_COMMENT: comment}
    else:
        logger.warning("The parameters (%d bytes) are longer than EXIF has room for: the picture is written without them.", len(comment))
    image.convert("RGB").save(buffer, {"jpg": "JPEG", "webp": "WEBP"}[kind], quality=quality, exif=exif)
    return buffer.getvalue()


def to_base64(image: Image.Image, kind: str = "png", quality: int = 80) -> str:
    """`file_bytes` in base64."""
    return base64.b64encode(file_bytes(image, kind, quality)).decode("ascii")


def from_base64(text: str, field: str = "image") -> Image.Image:
    """A picture from base64, with or without ``data:image/…;base64,`` in front: see :func:`all_from_base64`."""
    return all_from_base64([text], field)[0]


def all_from_base64(texts: Sequence[str], field: str) -> list[Image.Image]:
    """Pictures from base64 whose headers are read before any of them is decoded.

    ValueError for what is no picture, SettingsError (``field``) where one of them, or all together, have too many pixels.
    """
    try:
        images = [_opened(text, f"{field}[{at}]" if len(texts) > 1 else field) for at, text in enumerate(texts)]
        pixels = sum(image.width * image.height for image in images)
        if pixels > MAX_PIXELS:
            raise too_many_pixels(field, pixels, f"{len(images)} pictures together")
        for image in images:
            image.load()
    except RegionalError:
        raise
    except DAMAGED as error:  # binascii's is a ValueError
        raise ValueError("Invalid encoded image") from error
    return images


def _opened(text: str, field: str) -> Image.Image:
    if text.startswith(("http://", "https://")):
        raise RequestError("Requests not allowed: send the picture itself in base64.")
    return opened(base64.b64decode(text.partition(",")[2] if text.startswith("data:image/") else text), field)


def parameters_of(image: Image.Image) -> tuple[str, dict[str, str]]:
    """The ``parameters`` text of a picture, and its other text entries."""
    entries = {key: value for key, value in image.info.items() if isinstance(key, str) and isinstance(value, str)}
    return entries.pop("parameters", None) or infotext_of(image), entries


def save(image: Image.Image, folder: Path, seed: int, kind: str = "png", quality: int = 80) -> Path:
    """Save as the next ``00000-<seed>.png`` (or another ``kind`` of `file_bytes`) in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = [int(path.name.split("-")[0]) for path in folder.glob("*-*.*") if path.name.split("-")[0].isdigit()]
    path = folder / f"{max(taken, default=-1) + 1:05}-{seed}.{kind}"
    files.remove_leftovers(folder)
    files.write_bytes(path, file_bytes(image, kind, quality))
    return path
