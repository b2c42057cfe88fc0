"""One very large picture with regions on the standalone host: time, peak memory, and the picture.

    OMP_NUM_THREADS=1 python tests/bench/canvas.py [--width 6144] [--height 2560] [--steps 4] [--overlap 0.25] [--out canvas.png]

MultiDiffusion with eight regions in two rows, four columns, each an object of its own, by the small model with its LCM-LoRA at CFG 1.
*Memory* is the most that the process had (resident, `getrusage`), beside what it had with the model loaded and a picture of 512×512 made.
"""

from __future__ import annotations

import argparse
import base64
import resource
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

TOP = ("a red circle", "a blue square", "a yellow star", "a green triangle")
BOTTOM = ("a purple ring", "a cyan cross", "a red diamond", "a yellow square")


def request_of(width: int, height: int, steps: int, overlap: float) -> dict[str, Any]:
    """A txt2img request of that size."""
    regions = []
    for row, objects in enumerate((TOP, BOTTOM)):
        for column, prompt in enumerate(objects):
            box = [column / 4, row / 2, (column + 1) / 4, (row + 1) / 2]
            regions.append({"box": box, "prompt": f"{prompt} on grass"})
    options = {"multidiffusion": {"overlap": overlap}}
    asked = {"enabled": True, "version": 2, "method": "multidiffusion", "regions": regions, "options": options}
    size = {"width": width, "height": height}
    request = {"prompt": "grass <lora:lcm:1>", **size, "seed": 1, "steps": steps, "cfg_scale": 1, "sampler_name": "LCM"}
    return {**request, "alwayson_scripts": {"Regional": {"args": [asked]}}}


def peak() -> float:
    """GiB, the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=6144)
    parser.add_argument("--height", type=int, default=2560)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--out", type=Path, help="write the picture to this file")
    args = parser.parse_args()
    from fastapi.testclient import TestClient

    from lib_regional.standalone.model.loading import load_model
    from lib_regional.standalone.server.app import create

    client = TestClient(create(model=load_model(None, None))[0], "http://127.0.0.1")
    print("| picture | seconds, of them of the processor | peak memory, GiB |\n|---|---|---|")
    for width, height in ((512, 512), (args.width, args.height)):
        start, busy = time.perf_counter(), time.process_time()
        answer = client.post("/sdapi/v1/txt2img", json=request_of(width, height, args.steps, args.overlap))
        if answer.status_code != 200:
            raise SystemExit(answer.text)
        seconds, used = time.perf_counter() - start, time.process_time() - busy
        print(f"| {width}×{height} | {seconds:.0f}, {used:.0f} | {peak():.2f} |", flush=True)
    if args.out:
        args.out.write_bytes(base64.b64decode(answer.json()["images"][0]))


if __name__ == "__main__":
    main()
