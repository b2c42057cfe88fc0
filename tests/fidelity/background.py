"""How often the main prompt's background shows everywhere, with two objects in two regions: joined to the regions' prompts, and not.

    python tests/fidelity/background.py [pictures]

prints objects in their places, and pictures whose four quarters all have the background, for both ways.
"""

from __future__ import annotations

import base64
import io
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image
from scipy import ndimage

from lib_regional.standalone.server import app as host_app
from lib_regional.standalone.train.measures.evaluate import find_objects, judge

COLOURS = ("red", "yellow", "cyan", "blue", "purple")
"""Without green, which is the background's."""
SHAPES = ("circle", "square", "triangle", "diamond", "ring", "cross")
CELLS = {"columns": ((0, 0, 0.5, 1), (0.5, 0, 1, 1)), "rows": ((0, 0, 1, 0.5), (0, 0.5, 1, 1))}
GREENER = 8
"""Levels by which the mean green of grass is above its red and blue."""


@dataclass(frozen=True)
class Pair:
    """Two objects, (colour, shape) each, in two cells."""

    things: tuple[tuple[str, str], tuple[str, str]]
    direction: str
    seed: int


def pairs(count: int) -> Iterator[Pair]:
    """The first ``count`` pairs of a fixed series."""
    rng = random.Random(5)
    for number in range(count):
        first, second = rng.sample(COLOURS, 2)
        things = ((first, rng.choice(SHAPES)), (second, rng.choice(SHAPES)))
        yield Pair(things, ("columns", "rows")[number % 2], 1000 + number)


def picture(client: TestClient, pair: Pair, joined: bool) -> np.ndarray:
    """The picture of ``pair`` with the main prompt "grass", (H, W, 3)."""
    regions = [{"prompt": f"a {colour} {shape}"} for colour, shape in pair.things]
    grid = {"ratios": "1,1", "direction": pair.direction}
    settings = {"version": 2, "enabled": True, "regions": regions, "grid": grid, "base": {"joined": joined}}
    sampling = {"width": 128, "height": 128, "seed": pair.seed, "sampler_name": "Euler a", "steps": 20, "cfg_scale": 5.0}
    body = {"prompt": "grass", **sampling, "alwayson_scripts": {"Regional": {"args": [settings]}}}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    answer.raise_for_status()
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).convert("RGB"))


def is_grass_everywhere(image: np.ndarray) -> bool:
    """Whether every quarter of the picture is green beside its objects."""
    objects = np.zeros(image.shape[:2], bool)
    for found in find_objects(image):
        objects |= found.mask
    free = ~ndimage.binary_dilation(objects, iterations=4)
    height, width = free.shape
    for rows in (slice(0, height // 2), slice(height // 2, None)):
        for columns in (slice(0, width // 2), slice(width // 2, None)):
            pixels = image[rows, columns][free[rows, columns]].astype(float)
            if len(pixels) < 50:
                continue
            red, green, blue = pixels.mean(0)
            if green <= max(red, blue) + GREENER:
                return False
    return True


def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        application, host = host_app.create(nowebui=True, output=Path(folder))
        client = TestClient(application, "http://127.0.0.1")
        for joined in (False, True):
            images = [(pair, picture(client, pair, joined)) for pair in pairs(count)]
            right = sum(
                region.right
                for pair, image in images
                for region in judge(image, [(cell, *thing) for cell, thing in zip(CELLS[pair.direction], pair.things, strict=True)]).regions
            )
            grass = sum(is_grass_everywhere(image) for _, image in images)
            print(f"joined {joined}: {right} of {2 * count} objects in their places, grass everywhere in {grass} of {count} pictures")
        host.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
