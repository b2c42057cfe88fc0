"""The pictures of img2img in the generation's own size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...request.errors import RegionalError
from ...sources.collage import WITHIN


def given_pictures(p: Any) -> Tensor:
    """The initial pictures of img2img, (B or 1, 3, H, W) in 0..1. Raises `RegionalError` for those of another size, and for a part."""
    from modules import images, shared

    background = getattr(shared.opts, "img2img_background_color", "#ffffff")
    pictures = [images.flatten(picture, background) for picture in p.init_images]
    wrong = [picture.size for picture in pictures if picture.size != (p.width, p.height)]
    if wrong or getattr(p, "paste_to", None) is not None:
        size = f"{p.width}×{p.height}"
        raise RegionalError(
            f"This method needs the whole picture in the generation's size, {size}, got {wrong[0] if wrong else 'a part of it'}."
        )
    levels = torch.stack([torch.from_numpy(np.asarray(picture, dtype=np.float32)).permute(2, 0, 1) for picture in pictures])
    return (levels + WITHIN) / 255
