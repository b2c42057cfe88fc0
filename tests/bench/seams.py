"""Seams of MultiDiffusion on a canvas far larger than the small model's 128×128, and how much the UNet is given at once.

    python tests/bench/seams.py [--size 2048 512] [--steps 20] [--overlap 0.5] [--plain 12] [--seeds 5 6] [--out PICTURE]

Seam energy: mean jump across the columns and rows where a window begins or ends ÷ mean jump across the other columns and rows of the
same phase in the latent's 8-pixel grid, to which textures and decoder are aligned. The same figure for plain pictures of the model's own
size (their quarters as if they were windows), and its spread over pictures, says what textures alone do. ``--overlap 0`` shows windows
that do not overlap, so that it can be seen that the figure finds seams.
"""

from __future__ import annotations

import argparse
import base64
import io
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from fastapi.testclient import TestClient

from lib_regional.request.layout.windows import canvas_of, tiles
from lib_regional.standalone.server.app import create

CELL, TRAINED = 8, 16


def jumps(picture: np.ndarray, axis: int) -> np.ndarray:
    """Mean absolute jump across every line between two cells."""
    moved = np.moveaxis(picture.astype(float), axis, 0)
    return np.abs(moved[CELL::CELL] - moved[CELL - 1 : -1 : CELL]).mean((1, 2))


def seam_energy(picture: np.ndarray, edges: tuple[set[int], set[int]]) -> float:
    """Jump at the lines in ``edges`` (rows, columns, in cells) ÷ jump at all other lines between cells."""
    at, apart = [], []
    for axis in (0, 1):
        for line, jump in enumerate(jumps(picture, axis), 1):
            (at if line in edges[axis] else apart).append(jump)
    return float(np.mean(at) / np.mean(apart))


def window_edges(size: tuple[int, int], overlap: float) -> tuple[set[int], set[int]]:
    """Rows and columns in cells where windows begin or end inside the picture."""
    canvas = (size[1] // CELL, size[0] // CELL)
    windows = tiles(canvas_of(canvas), TRAINED, overlap)
    rows = {edge for w in windows for edge in (w.top, w.bottom)} - {0, canvas[0]}
    columns = {edge for w in windows for edge in (w.left, w.right)} - {0, canvas[1]}
    return rows, columns


def made(client: TestClient, request: dict[str, Any]) -> np.ndarray:
    answer = client.post("/sdapi/v1/txt2img", json=request)
    answer.raise_for_status()
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(2048, 512))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--memory", type=float, default=1.0)
    parser.add_argument("--plain", type=int, default=12, help="pictures of the model's own size to compare with")
    parser.add_argument("--seeds", type=int, nargs="+", default=(5,), help="one wide picture each; the first is written")
    parser.add_argument("--out", type=Path, default=Path("docs/images/multidiffusion_wide.png"))
    args = parser.parse_args()
    app, host = create()
    client, calls = TestClient(app, "http://127.0.0.1"), []
    host.model.unet.conv_in.register_forward_hook(lambda module, given, out: calls.append(given[0].shape))
    common = {"negative_prompt": "", "steps": args.steps, "sampler_name": "Euler a", "cfg_scale": 5.0}
    plain, halves = [], ({8}, {8})
    for seed, background in zip(range(args.plain), ["grass", "sand", "snow", "sky", "night", "brick"] * args.plain, strict=False):
        plain.append(seam_energy(made(client, {**common, "prompt": background, "seed": seed, "width": 128, "height": 128}), halves))
    if len(plain) > 1:
        print(f"plain 128², {len(plain)} pictures: {statistics.mean(plain):.3f} ± {statistics.stdev(plain):.3f}", flush=True)
    calls.clear()
    texts = ["a red circle on grass", "a blue square on sand", "a yellow triangle on snow", "a green ring on grass"]
    regions = [{"box": [(i + 0.3) / 4, 0.2, (i + 0.7) / 4, 0.8], "prompt": text} for i, text in enumerate(texts)]
    settings = {"enabled": True, "method": "multidiffusion", "regions": regions,
                "options": {"multidiffusion": {"overlap": args.overlap, "memory": args.memory}}}  # fmt: skip
    request = {
        **common,
        "prompt": "grass",
        "width": args.size[0],
        "height": args.size[1],
        "alwayson_scripts": {"Regional": {"args": [settings]}},
    }
    pictures = [made(client, {**request, "seed": seed}) for seed in args.seeds]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pictures[0]).save(args.out, optimize=True)
    cells = max(n * h * w for n, _, h, w in calls)
    whole = 2 * args.size[0] * args.size[1] // CELL**2
    energies = ", ".join(f"{seam_energy(picture, window_edges(args.size, args.overlap)):.3f}" for picture in pictures)
    print(f"{args.size[0]}×{args.size[1]}: seam energy {energies}; "
          f"at most {cells} cells in a UNet call, the whole canvas with cond and uncond has {whole}; {len(calls)} calls")  # fmt: skip


if __name__ == "__main__":
    main()
