"""Teaches a decoder to decode each part of a picture by itself.

Group norms take one mean and one variance of the whole picture, so that a change on the left alters colours on the right although its
latents are the same. Here the latents of two pictures are laid over each other, and away from the joins the collage has to decode to the
collage of what the two decode to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...model.stable_diffusion import CELL

JOIN = 8
"""Pixels on either side of a join that may differ."""
APART_WEIGHT = 8.0
COLLAGE_WEIGHT = 0.5

Loss = Callable[[Tensor, Tensor], Tensor]


def random_patch(rng: np.random.Generator, height: int, width: int) -> Tensor:
    """(1,1,h,w) of 0 and 1 in latent cells: a part on one side of a vertical or horizontal line, or a box."""
    patch, kind = torch.zeros(1, 1, height, width), int(rng.integers(3))
    if kind == 0:
        patch[..., : int(rng.integers(width // 4, 3 * width // 4 + 1))] = 1
    elif kind == 1:
        patch[..., : int(rng.integers(height // 4, 3 * height // 4 + 1)), :] = 1
    else:
        top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
        patch[..., top : top + int(rng.integers(height // 4, height)), left : left + int(rng.integers(width // 4, width))] = 1
    return patch if rng.random() < 0.5 else 1 - patch


def laid(batch: Tensor, patch: Tensor) -> Tensor:
    """(B,C,H,W): each member where ``patch`` (1,1,H,W) is 1, the one as far from the batch's other end elsewhere."""
    return patch * batch + (1 - patch) * batch.flip(0)


def enlarged(patch: Tensor) -> Tensor:
    """A patch in cells -> the same in pixels."""
    return functional.interpolate(patch, scale_factor=CELL, mode="nearest")


def inner(patch: Tensor, margin: int = JOIN) -> Tensor:
    """1 where a patch in pixels (1,1,H,W) has one value within ``margin`` pixels, else 0."""
    window = 2 * margin + 1
    highest = functional.max_pool2d(patch, window, 1, margin)
    lowest = 1 - functional.max_pool2d(1 - patch, window, 1, margin)
    return (highest == lowest).float()


def collage_loss(decode: Callable[[Tensor], Tensor], latent: Tensor, output: Tensor, images: Tensor, patch: Tensor, loss: Loss) -> Tensor:
    """How far the collage of latents (B,4,h,w) decodes to something else than the collage of their pictures.

    ``output`` is what ``latent`` decodes to, ``images`` (B,3,H,W) what it should decode to, ``patch`` (1,1,h,w) the collage, ``loss`` that
    of a reconstruction. What lies at the joins does not count.
    """
    patch = patch.to(latent.device)
    joined, whole = decode(laid(latent, patch)).float(), enlarged(patch)
    counts, target = inner(whole), laid(images, whole)
    apart = ((joined - laid(output.float(), whole)).abs() * counts).mean()
    return APART_WEIGHT * apart + COLLAGE_WEIGHT * loss(joined * counts + target * (1 - counts), target)
