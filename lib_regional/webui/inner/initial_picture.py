"""The initial picture of an img2img generation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ...engine.plan import Picture


def initial_picture(p: Any) -> Picture | None:
    """The initial picture of an img2img generation; None for txt2img."""
    latent, pictures = getattr(p, "init_latent", None), getattr(p, "init_images", None)
    if latent is None or not pictures:
        return None
    return Picture(latent, tuple(getattr(pictures[0], "size", (p.width, p.height))), _name_of(pictures))


def _name_of(pictures: Sequence[Any]) -> str:
    """A hash of the pictures' pixels; "" where one of them is no picture of Pillow's."""
    if not all(hasattr(picture, "tobytes") for picture in pictures):
        return ""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.convert("RGB").tobytes())
    return digest.hexdigest()
