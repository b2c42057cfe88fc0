"""How well the small model's own ControlNet holds to an outline, on the whole picture and in a region.

    python tests/fidelity/control.py [--count 48] [--sheet control.png]

*whole*: "a red circle on sand" and the outline of such a thing at a random place. *unnamed*: the prompt says "red" and the background, the
outline alone says the shape. *region*: two halves with a text each and an outline over both; a unit in the right half alone. *placed*:
colour and shape are right and the thing's middle is at most 8 pixels from the outline's; beside it the same without the unit.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from suite import SAMPLING  # noqa: E402

from lib_regional.standalone.controlnet.files import SHIPPED_NAME  # noqa: E402
from lib_regional.standalone.server.app import create  # noqa: E402
from lib_regional.standalone.train.data.drawing import sheet  # noqa: E402
from lib_regional.standalone.train.data.outlines import line_picture  # noqa: E402
from lib_regional.standalone.train.data.scene import BACKGROUNDS, BASE_SHAPES, COLOURS, Scene, Thing  # noqa: E402
from lib_regional.standalone.train.measures.evaluate import Found, find_objects  # noqa: E402

NEAR = 8.0
Picture = np.ndarray[Any, Any]


def scene(number: int, width: int = 128, left: int = 0) -> Scene:
    """One thing at a random place of the 128 pixels from ``left``."""
    rng = np.random.default_rng((97, number, left))
    x, y = rng.uniform(38, 90, 2)
    thing = Thing(str(rng.choice(BASE_SHAPES)), str(rng.choice(list(COLOURS))), left + float(x), float(y), float(rng.uniform(24, 31)))
    return Scene(width, 128, (str(rng.choice(BACKGROUNDS)),), (thing,))


def unit(scenes: Sequence[Scene]) -> dict[str, Any]:
    """A unit with the outlines of all things."""
    lines = np.max([line_picture(one) for one in scenes], 0)
    buffer = io.BytesIO()
    Image.fromarray(lines).save(buffer, "PNG")
    return {"model": SHIPPED_NAME, "image": base64.b64encode(buffer.getvalue()).decode()}


def request_of(kind: str, number: int, with_unit: bool) -> tuple[dict[str, Any], list[Scene]]:
    """The request, and the scenes whose things are asked for, from left to right."""
    width = 256 if kind == "region" else 128
    scenes = [scene(number, width, left) for left in range(0, width, 128)]
    ground = scenes[0].backgrounds[0]
    named = [f"{one.things[0].colour}" if kind == "unnamed" else f"a {one.things[0].colour} {one.things[0].shape}" for one in scenes]
    scripts: dict[str, Any] = {"ControlNet": {"args": [unit(scenes)]}} if with_unit else {}
    if kind == "region":
        regions = [{"prompt": f"{text} on {ground}", "box": [at / 2, 0, (at + 1) / 2, 1]} for at, text in enumerate(named)]
        regions[1]["controlnet"] = 0 if with_unit else None
        options = {"attention_couple": {"isolate_until": 0.3}}
        scripts["Regional"] = {"args": [{"enabled": True, "version": 2, "regions": regions, "options": options}]}
    prompt = ground if kind == "region" else f"{named[0]} on {ground}"
    return {"prompt": prompt, "width": width, "height": 128, "seed": 500 + number, **SAMPLING, "alwayson_scripts": scripts}, scenes


def is_placed(found: Sequence[Found], wanted: Thing) -> bool:
    """Whether one of the objects is the wanted thing at its place."""
    near = (one for one in found if np.hypot(one.centroid[0] - wanted.x, one.centroid[1] - wanted.y) <= NEAR)
    return any(one.matches(wanted.colour, wanted.shape) for one in near)


def measure(client: TestClient, kind: str, count: int) -> tuple[dict[str, int], list[Picture]]:
    """Numbers of things placed, by what they are, and the pictures with the unit."""
    sums: dict[str, int] = {}
    pictures = []
    for number in tqdm(range(count), desc=kind):
        for with_unit in (False, True):
            request, scenes = request_of(kind, number, with_unit)
            answer = client.post("/sdapi/v1/txt2img", json=request)
            assert answer.status_code == 200, answer.text
            picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).convert("RGB"))
            found = find_objects(picture)
            for at, one in enumerate(scenes):
                name = f"{('left', 'right')[at] if kind == 'region' else 'picture'}, {'with' if with_unit else 'without'}"
                sums[name] = sums.get(name, 0) + is_placed(found, one.things[0])
            if with_unit:
                pictures += [np.max([line_picture(one) for one in scenes], 0), picture]
    return sums, pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--sheet", type=Path, help="the control pictures and what was made of them, of the first six")
    args = parser.parse_args()
    client = TestClient(create()[0], "http://127.0.0.1")
    for kind in ("whole", "unnamed", "region"):
        sums, pictures = measure(client, kind, args.count)
        print(f"{kind}: " + "; ".join(f"{name} {placed} of {args.count}" for name, placed in sums.items()))
        if args.sheet is not None and kind != "whole":
            board = sheet([one for at in (0, 1) for one in pictures[at:12:2]], 6)
            Image.fromarray(board).save(args.sheet.with_stem(f"{args.sheet.stem}_{kind}"), optimize=True)


if __name__ == "__main__":
    main()
