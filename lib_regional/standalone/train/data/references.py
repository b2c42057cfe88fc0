"""Reference pictures that an image adapter is trained on: one thing each, of every kind."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .drawing import draw
from .scene import BASE_SHAPES, COLOURS, random_scene

SIDE = 48
"""Side in pixels of what the image encoder sees."""
KINDS = tuple((shape, colour) for shape in BASE_SHAPES for colour in COLOURS)
VARIANTS = 60
"""Reference pictures of each kind."""


def reference_picture(kind: tuple[str, str], variant: int) -> NDArray[np.uint8]:
    """A thing of a kind alone on some ground, (SIDE, SIDE, 3); always the same."""
    rng = np.random.default_rng((91, KINDS.index(kind), variant))
    scene = random_scene(rng, count=1)
    thing = replace(scene.things[0], shape=kind[0], colour=kind[1])
    picture = Image.fromarray(draw(replace(scene, things=(thing,))))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@lru_cache(maxsize=1)
def reference_pictures() -> NDArray[np.uint8]:
    """All of them, (kinds, VARIANTS, SIDE, SIDE, 3)."""
    return np.stack([np.stack([reference_picture(kind, variant) for variant in range(VARIANTS)]) for kind in KINDS])
