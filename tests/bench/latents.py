"""Cost of the methods whose regions are predictions of their own ÷ plain, on a UNet with SD1.5's dimensions (random weights).

    python tests/bench/latents.py [--time WORD … [--rounds 2] | --memory]

Without more, FLOPs of one step, counted by torch on shapes alone. ``--time``: seconds of steps of the cases whose names hold one of the
words, plain and each case in turns. ``--memory``: bytes of all tensors that live at once in a step, on shapes alone, with an attention
whose matrix is never in memory (as in fused kernels).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]

from attention_couple import RandomModel, flops, timed  # noqa: E402
from living import Fused, Living  # noqa: E402

from lib_regional.engine.plan import Plan, plan_pass  # noqa: E402
from lib_regional.hosts.diffusers.adapter import DiffusersHost  # noqa: E402
from lib_regional.methods import open_session  # noqa: E402
from lib_regional.request.cost import estimate  # noqa: E402
from lib_regional.request.settings import Settings  # noqa: E402

QUADRANTS = "1,1,1;1,1,1"
NEGATIVES = ", own negatives"
CASES: dict[str, tuple[tuple[int, int], str, str, dict[str, Any]]] = {
    "latent couple, full, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "latent_couple", {}),
    f"latent couple, full, 4 quadrants, 1024²{NEGATIVES}": ((1024, 1024), QUADRANTS, "latent_couple", {}),
    "latent couple, crop, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "latent_couple", {"mode": "crop"}),
    f"latent couple, crop, 4 quadrants, 1024²{NEGATIVES}": ((1024, 1024), QUADRANTS, "latent_couple", {"mode": "crop"}),
    "latent couple, full, 4 quadrants, 512²": ((512, 512), QUADRANTS, "latent_couple", {}),
    f"latent couple, full, 4 quadrants, 512²{NEGATIVES}": ((512, 512), QUADRANTS, "latent_couple", {}),
    "latent couple, crop, 4 quadrants, 512²": ((512, 512), QUADRANTS, "latent_couple", {"mode": "crop"}),
    "latent couple, crop, 2 columns, 1024×512": ((1024, 512), "1,1", "latent_couple", {"mode": "crop"}),
    "mask conditioning, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "mask_conditioning", {}),
    "mask conditioning, base strength 1, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "mask_conditioning", {"base_strength": 1}),
    "MultiDiffusion, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "multidiffusion", {}),
    "MultiDiffusion, 4 columns, 2048×512": ((2048, 512), "1,1,1,1", "multidiffusion", {}),
    "MultiDiffusion, 4 columns and a total prompt, 2048×512": ((2048, 512), "1,1,1,1", "multidiffusion", {"total": 0.3, "total_from": 0}),
    "latent composite, a step alone, 4 quadrants, 1024²": ((1024, 1024), QUADRANTS, "latent_composite", {"alone": 1}),
}
"""label -> (size, grid, method, options)"""


def plan_of(size: tuple[int, int], grid: str, method: str, options: dict[str, Any], negatives: bool = False) -> Plan:
    regions = [{"prompt": f"region {i}", "negative": f"not {i}" if negatives else ""} for i in range(4 if grid != "1,1" else 2)]
    places = {"ratios": grid, "direction": "columns"}
    settings = Settings.parse({"enabled": True, "method": method, "grid": places, "regions": regions, "options": {method: options}})
    return Plan(settings, settings.layout(), size, plan_pass(settings, ["main"], ["negative"], 20))


def session(model: RandomModel, plan: Plan | None) -> Any:
    return nullcontext() if plan is None else open_session(DiffusersHost(model), plan)


def counted(model: RandomModel, plan: Plan) -> float:
    latent = torch.randn(1, 4, plan.size[1] // 8, plan.size[0] // 8, device=model.device)
    plain = flops(model, latent, 0)
    with session(model, plan):
        return flops(model, latent, 0) / plain


def plan_named(label: str) -> Plan:
    return plan_of(*CASES[label], negatives=label.endswith(NEGATIVES))


def measured(words: list[str], rounds: int) -> None:
    """Seconds of a step, plain and each case in turns; the ratio is the median of the rounds'."""
    model = RandomModel("cpu", torch.float32)
    plans = {label: plan_named(label) for label in CASES if any(word in label for word in words)}
    ratios: dict[str, list[float]] = {label: [] for label in plans}
    for size in dict.fromkeys(plan.size for plan in plans.values()):
        latent = torch.randn(1, 4, size[1] // 8, size[0] // 8)
        timed(model, latent[..., :64, :64], 0)
        for number in range(rounds):
            plain = timed(model, latent, number)
            print(f"plain, {size}: {plain:.1f} s", flush=True)
            for label, plan in plans.items():
                if plan.size == size:
                    with session(model, plan):
                        seconds = timed(model, latent, number)
                    ratios[label].append(seconds / plain)
                    print(f"{label}: {seconds:.1f} s, {seconds / plain:.2f}", flush=True)
    print("| case | time ÷ plain | estimate |\n|---|---|---|")
    for label, found in ratios.items():
        print(f"| {label} | {statistics.median(found):.2f} | {estimated(plans[label]):.2f} |")


def peak(model: RandomModel, plan: Plan | None, size: tuple[int, int]) -> float:
    """MiB of a step's tensors beyond the weights."""
    latent = torch.randn(1, 4, size[1] // 8, size[0] // 8, device=model.device)
    with session(model, plan), Fused(), Living(model.device, model.unet.state_dict().values()) as living:
        model.step(latent, 0)
    return living.peak / 2**20


def memories(model: RandomModel) -> None:
    """Peaks of plain steps and of MultiDiffusion on wider and wider canvases, with the option ``memory`` at 1 and at 2, its default."""
    print("| canvas | plain, MiB | MultiDiffusion, `memory` 1, MiB | `memory` 2, MiB |\n|---|---|---|---|")
    for width in (512, 1024, 2048, 4096):
        plans = [plan_of((width, 512), "1,1,1,1", "multidiffusion", {"crop": "window", "memory": memory}) for memory in (1, 2)]
        peaks = [peak(model, plan, (width, 512)) for plan in (None, *plans)]
        print(f"| {width}×512 | {' | '.join(f'{one:.0f}' for one in peaks)} |", flush=True)


def estimated(plan: Plan) -> float:
    return estimate(plan.settings, plan.size, plan.first.texts[0]).ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", nargs="+", default=[], help="also time steps of the cases whose names hold one of these words")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="count memory in place of FLOPs")
    args = parser.parse_args()
    shapes = RandomModel("meta", torch.float32)
    with torch.no_grad():
        if args.memory:
            memories(shapes)
        elif args.time:
            measured(args.time, args.rounds)
        else:
            print("| case | FLOPs ÷ plain | estimate |\n|---|---|---|")
            for label in CASES:
                plan = plan_named(label)
                print(f"| {label} | {counted(shapes, plan):.2f} | {estimated(plan):.2f} |", flush=True)


if __name__ == "__main__":
    main()
