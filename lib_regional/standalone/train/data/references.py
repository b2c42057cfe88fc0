"""What an image adapter is trained on: the thing of a scene that a reference shows, where it acts, and what is left to words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .captions import caption
from .drawing import draw
from .scene import BASE_SHAPES, COLOURS, Scene, Thing, random_scene

SIDE = 64
"""Side in pixels of what the image encoder sees."""
KINDS = tuple((shape, colour) for shape in BASE_SHAPES for colour in COLOURS)
VARIANTS = 24
"""Reference pictures of each kind."""

WHOLE = 0.4
"""Share of the references that act on the whole picture."""
MISSING = 0.1
"""Share of the pictures without a reference, for classifier-free guidance."""


@dataclass(frozen=True)
class Task:
    """One training picture's reference: the kind of thing (None: there is none), its cells' weights (h, w) and the words beside it."""

    kind: tuple[str, str] | None
    weights: NDArray[np.float32]
    text: str


def random_task(rng: np.random.Generator, scene: Scene) -> Task:
    """One of the scene's things as a reference, in a random box around it; the words name the others and the ground."""
    cells = (scene.height // 8, scene.width // 8)
    if not scene.things or rng.random() < MISSING:
        return Task(None, np.zeros(cells, np.float32), caption(rng, scene))
    at = int(rng.integers(len(scene.things)))
    thing = scene.things[at]
    others = replace(scene, things=scene.things[:at] + scene.things[at + 1 :])
    weights = np.ones(cells, np.float32) if rng.random() < WHOLE and len(scene.things) == 1 else box_around(rng, scene, thing)
    return Task((thing.shape, thing.colour), weights, caption(rng, others))


def box_around(rng: np.random.Generator, scene: Scene, thing: Thing) -> NDArray[np.float32]:
    """(h, w): how much of each latent cell lies in a random box that holds the thing."""
    spans = []
    for length, centre in ((scene.height, thing.y), (scene.width, thing.x)):
        low, high = rng.uniform(0, max(0.0, centre - thing.reach)), rng.uniform(min(length, centre + thing.reach), length)
        edges = np.arange(length // 8) * 8.0
        spans.append(np.clip(np.minimum(edges + 8, high) - np.maximum(edges, low), 0, 8) / 8)
    return np.outer(*spans).astype(np.float32)


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
