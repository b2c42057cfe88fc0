"""A finished picture cut into layers: every region as a transparent picture of its own, which laid over each other are the picture again.

Layer by layer from the top, the picture P is split into a foreground F of opacity α and what lies beneath, B, with ``P = α F + (1 − α) B``.
At soft edges F is not P: the colour of what lies beneath is taken out of it. Source: Forte, "Approximate Fast Foreground Colour
Estimation", ICIP 2021 (blur-fusion in two sizes).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..request.layout.regions import Layout
from ..tensors.masks.weight_maps import weight_maps

_BLURS = (90, 6)
"""Radii in pixels of the two blurs, as in the source."""
_LEAST = 1e-5


@dataclass(frozen=True)
class Layer:
    """One layer: RGBA (H, W, 4) uint8, and the region (from 0) it is of; None for the base, which lies beneath all."""

    pixels: NDArray[np.uint8]
    region: int | None


def layers_of(picture: Image.Image, layout: Layout) -> Iterator[Layer]:
    """The regions' layers from the top down, in order, and the base last. Laid over each other they give the picture within one level."""
    beneath = torch.from_numpy(np.array(picture.convert("RGB"), np.float32)).permute(2, 0, 1) / 255
    maps = weight_maps(layout, picture.height, picture.width)
    left = torch.ones_like(maps.base)
    for at, weight in enumerate(maps.regions):
        alpha = _levels(torch.where(left > _LEAST, weight / left.clamp_min(_LEAST), 0.0).clamp(0, 1))
        foreground, beneath = split(beneath, alpha)
        left = (left - weight).clamp_min(0)
        yield Layer(_rgba(foreground, alpha), at)
    yield Layer(_rgba(beneath, torch.ones_like(maps.base)), None)


def split(picture: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """picture (3, H, W) in 0..1, alpha (H, W) in 0..1 -> (foreground rounded to 8 bits, what lies beneath), both (3, H, W).

    ``alpha · foreground + (1 − alpha) · beneath`` is the picture wherever alpha is below 1.
    """
    foreground = beneath = picture
    for radius in _BLURS:
        foreground, beneath = _fused(picture, foreground, beneath, alpha, radius)
    clear = alpha < 1
    least = (picture - (1 - alpha)) / alpha.clamp_min(_LEAST)
    most = picture / alpha.clamp_min(_LEAST)
    foreground = _levels(foreground.clamp(0, 1).maximum(least.clamp(0, 1)).minimum(most.clamp(0, 1)))
    exact = (picture - alpha * foreground) / (1 - alpha).clamp_min(_LEAST)
    return foreground, torch.where(clear, exact, beneath).clamp(0, 1)


def _fused(picture: Tensor, foreground: Tensor, beneath: Tensor, alpha: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Blurred colours of both sides, and the foreground with the picture's own detail."""
    weights = torch.stack([alpha, 1 - alpha])
    spread = _blur(weights, radius).clamp_min(_LEAST)
    near = _blur(foreground * alpha, radius) / spread[0]
    far = _blur(beneath * (1 - alpha), radius) / spread[1]
    detail = near + alpha * (picture - alpha * near - (1 - alpha) * far)
    return detail.clamp(0, 1), far


def _blur(planes: Tensor, radius: int) -> Tensor:
    """Mean of the square of ``radius`` around each pixel, inside the picture; (N, H, W)."""
    height, width = planes.shape[-2:]
    down, across = min(radius, height - 1), min(radius, width - 1)
    for reach in ((0, across), (down, 0)):
        planes = F.avg_pool2d(planes[None], (2 * reach[0] + 1, 2 * reach[1] + 1), 1, reach, count_include_pad=False)[0]
    return planes


def _levels(values: Tensor) -> Tensor:
    """Values in 0..1, rounded to the 256 levels of a picture."""
    return (values * 255).round() / 255


def _rgba(colour: Tensor, alpha: Tensor) -> NDArray[np.uint8]:
    pixels = torch.cat([colour, alpha[None]]) * 255
    return pixels.round().to(torch.uint8).permute(1, 2, 0).numpy()


def layers_zip(picture: Image.Image, layout: Layout) -> bytes:
    """ZIP of PNGs, the top layer first, and ``manifest.json``: size, and of every layer file, region (from 1), name, prompt and bounds."""
    buffer, rows = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, layer in enumerate(layers_of(picture, layout), 1):
            name = f"{number:03} base.png" if layer.region is None else f"{number:03} region {layer.region + 1}.png"
            file = io.BytesIO()
            Image.fromarray(layer.pixels, "RGBA").save(file, "PNG", optimize=True)
            archive.writestr(name, file.getvalue())
            rows.append({"file": name, **_described(layer, layout)})
        manifest = {"width": picture.width, "height": picture.height, "order": "top first", "layers": rows}
        archive.writestr("manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1))
    return buffer.getvalue()


def _described(layer: Layer, layout: Layout) -> dict[str, object]:
    opaque = np.argwhere(layer.pixels[..., 3] > 0)
    (top, left), (bottom, right) = (opaque.min(0), opaque.max(0) + 1) if len(opaque) else ((0, 0), (0, 0))
    bounds = {"bounds": [int(left), int(top), int(right), int(bottom)]}
    if layer.region is None:
        return {"region": None, "name": "base", **bounds}
    region = layout.regions[layer.region]
    return {"region": layer.region + 1, "name": region.name, "prompt": region.prompt, **bounds}
