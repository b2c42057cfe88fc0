"""What an edit costs: MRGD against the two plain trajectories (source and target, region-wise denoising alone), on the small model.

    python tests/bench/edits.py [--side 128 …] [--rounds 3]

CPU seconds of the process, so that other work on the machine does not count; the three are measured in turns, the medians compared. Peak
memory is that of the whole process after each (it only grows).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[2])]

from lib_regional.standalone.server.app import create  # noqa: E402

LEFT = {"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass"}
RIGHT = {"box": [0.5, 0, 1, 1], "prompt": "a blue square on grass"}
OTHER = {**RIGHT, "prompt": "a green ring on grass"}
BASE = {"prompt": "grass"}
PLAIN = {"kssa_gain": 1}


def settings(regions: list[dict[str, Any]], source: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, Any]:
    """Settings of an edit, or of region-wise denoising alone."""
    given = options if source is None else {**options, "source": {"regions": source, "base": BASE}}
    return {"enabled": True, "method": "mrgd", "regions": regions, "base": BASE, "options": {"mrgd": given}}


RUNS = {
    "source": settings([LEFT, RIGHT], **PLAIN),
    "target": settings([LEFT, OTHER], **PLAIN),
    "P2P*": settings([LEFT, OTHER], [LEFT, RIGHT], lambda_rs=0, lambda_is=0, lambda_ip=0, **PLAIN),
    "MRGD": settings([LEFT, OTHER], [LEFT, RIGHT]),
    "MRGD + lock": settings([LEFT, OTHER], [LEFT, RIGHT], lock=True),
    "MRGD, half the steps guided": settings([LEFT, OTHER], [LEFT, RIGHT], guided=0.5),
    "MRGD, decoder's gradient": settings([LEFT, OTHER], [LEFT, RIGHT], gradient="decoder"),
}


def seconds(host: Any, state: dict[str, Any], side: int, steps: int) -> float:
    """CPU seconds of one picture."""
    given = {"prompt": "grass", "steps": steps, "cfg_scale": 5.0, "width": side, "height": side, "seed": 5, "sampler_name": "DDIM"}
    p = host.processing(**given, do_not_save_samples=True, do_not_save_grid=True)
    script = host.script("Regional")
    p.script_args[script.args_from : script.args_to] = [state]
    start = time.process_time()
    host.run(p)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, nargs="+", default=[128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as output:
        host = create(output=Path(output))[1]
        for side in args.side:
            seconds(host, RUNS["source"], side, 2)
            found: dict[str, list[float]] = {name: [] for name in RUNS}
            peaks: dict[str, float] = {}
            for _ in range(args.rounds):
                for name, state in RUNS.items():
                    found[name].append(seconds(host, state, side, args.steps))
                    peaks.setdefault(name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            report(side, {name: statistics.median(times) for name, times in found.items()}, peaks)


def report(side: int, medians: dict[str, float], peaks: dict[str, float]) -> None:
    """The table of one size."""
    plain = medians["source"] + medians["target"]
    print(f"\n{side} × {side}\n\n| | CPU s | ÷ two plain trajectories | peak MiB so far |\n|---|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.2f} | {value / plain:.2f} | {peaks[name]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
