"""Cost of the methods whose regions are predictions of their own ÷ plain, on a UNet with SD1.5's dimensions (random weights).

    python tests/bench/latents.py [--time 512] [--rounds 2]

FLOPs of one step are counted by torch on shapes alone; with ``--time`` steps are also timed at that size, plain and each method in turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from attention_couple import RandomModel, flops, timed  # noqa: E402

from lib_regional.core.cost import estimate  # noqa: E402
from lib_regional.core.settings import Settings  # noqa: E402
from lib_regional.hosts.diffusers import DiffusersHost  # noqa: E402
from lib_regional.plan import Plan, plan_pass  # noqa: E402
from lib_regional.session import Session  # noqa: E402

QUADRANTS = "1,1,1;1,1,1"
CASES: dict[str, tuple[tuple[int, int], str, str, dict[str, Any]]] = {
    "latent couple, full, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "latent_couple", {}),
    "latent couple, crop, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "latent_couple", {"mode": "crop"}),
    "latent couple, full, 4 quadrants, 512²": ((512, 512), QUADRANTS, "latent_couple", {}),
    "latent couple, crop, 4 quadrants, 512²": ((512, 512), QUADRANTS, "latent_couple", {"mode": "crop"}),
    "latent couple, crop, 2 columns, 1024×512": ((1024, 512), "1,1", "latent_couple", {"mode": "crop"}),
    "mask conditioning, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "mask_conditioning", {}),
    "mask conditioning, base strength 1, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "mask_conditioning", {"base_strength": 1}),
    "MultiDiffusion, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "multidiffusion", {}),
    "MultiDiffusion, 4 columns, 2048×512": ((2048, 512), "1,1,1,1", "multidiffusion", {}),
    "latent composite, a step alone, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "latent_composite", {"alone": 1}),
}
"""label -> (size, grid, method, options)"""


def plan_of(size: tuple[int, int], grid: str, method: str, options: dict[str, Any]) -> Plan:
    regions = [{"prompt": f"region {i}"} for i in range(4 if grid != "1,1" else 2)]
    places = {"ratios": grid, "direction": "columns"}
    settings = Settings.parse({"enabled": True, "method": method, "grid": places, "regions": regions, "options": {method: options}})
    return Plan(settings, settings.layout(), size, plan_pass(settings, ["main"], ["negative"], 20))


def session(model: RandomModel, plan: Plan | None) -> Any:
    return nullcontext() if plan is None else Session(DiffusersHost(model), plan)


def counted(model: RandomModel, plan: Plan) -> float:
    latent = torch.randn(1, 4, plan.size[1] // 8, plan.size[0] // 8, device=model.device)
    plain = flops(model, latent, 0)
    with session(model, plan):
        return flops(model, latent, 0) / plain


def measured(size: int, rounds: int) -> None:
    """Seconds of a step, plain and each case of that size in turns; the ratio is the median of the rounds'."""
    model = RandomModel("cpu", torch.float32)
    plans = {label: plan_of(*case) for label, case in CASES.items() if case[0] == (size, size)}
    latent = torch.randn(1, 4, size // 8, size // 8)
    ratios: dict[str, list[float]] = {label: [] for label in plans}
    for number in range(rounds):
        plain = timed(model, latent, number)
        print(f"plain: {plain:.1f} s", flush=True)
        for label, plan in plans.items():
            with session(model, plan):
                seconds = timed(model, latent, number)
            ratios[label].append(seconds / plain)
            print(f"{label}: {seconds:.1f} s, {seconds / plain:.2f}", flush=True)
    for label, found in ratios.items():
        print(f"| {label} | {statistics.median(found):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", type=int, default=0, help="also time steps at this size")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    shapes = RandomModel("meta", torch.float32)
    with torch.no_grad():
        print("| case | FLOPs ÷ plain | estimate |\n|---|---|---|")
        for label, case in CASES.items():
            plan = plan_of(*case)
            print(f"| {label} | {counted(shapes, plan):.2f} | {estimate(plan.settings, plan.size).ratio:.2f} |", flush=True)
        if args.time:
            measured(args.time, args.rounds)


if __name__ == "__main__":
    main()
