"""The small model's guidance model: locates words in pictures by saturation and hue, differentiably and without a network.

The small model's objects are saturated and its backgrounds are not. A colour word is located where that hue is, a shape word
where any object is, every other word on the background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..train.data.scene import BASE_SHAPES, COLOURS, EXTRA_SHAPES

CHROMA = 0.28
"""Chroma (largest less smallest channel, 0..1) at which a pixel is half an object."""
SHARPNESS = 20.0
"""Of the step from background to object, per unit of chroma."""
HUE_WIDTH = 0.07
"""Standard deviation of a hue, in turns; the six colours are a sixth apart or less."""


def hue(pictures: Tensor) -> Tensor:
    """(…, 3, H, W) -> (…, H, W) in turns, 0..1."""
    r, g, b = pictures.unbind(-3)
    return torch.atan2(math.sqrt(3) * (g - b), 2 * r - g - b + 1e-6) / (2 * math.pi) % 1


def segment(pictures: Tensor, words: Sequence[Sequence[str]]) -> Tensor:
    """pictures (B, 3, H, W) in -1..1 and R lists of words -> (B, R, H, W) in 0..1; see `capabilities.GuidanceModel`."""
    scaled = (pictures + 1) / 2
    chroma = scaled.amax(-3) - scaled.amin(-3)
    thing = torch.sigmoid((chroma - CHROMA) * SHARPNESS)
    hues = hue(scaled)
    return torch.stack([_located(thing, hues, [word.lower() for word in region]) for region in words], 1)


def _located(thing: Tensor, hues: Tensor, words: Sequence[str]) -> Tensor:
    colours = [word for word in words if word in COLOURS]
    if colours:
        return thing * torch.stack([_closeness(hues, colour) for colour in colours]).amax(0)
    return thing if any(word in BASE_SHAPES + EXTRA_SHAPES for word in words) else 1 - thing


def _closeness(hues: Tensor, colour: str) -> Tensor:
    wanted = float(hue(torch.tensor(COLOURS[colour], dtype=torch.float32).view(3, 1, 1)))
    gap = (hues - wanted + 0.5) % 1 - 0.5
    return torch.exp(-(gap**2) / (2 * HUE_WIDTH**2))
