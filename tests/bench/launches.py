"""Launches, host time and FLOPs of one step ÷ plain, on a UNet of real dimensions whose tensors are shapes alone (the meta device).

    python tests/bench/launches.py [--models sd15 sdxl] [--cases WORD …] [--rounds 3] [--no-flops] [--json launches.json]

On a GPU a step at small batches is bound by the kernels that it launches and by the host's own time; neither needs a GPU to be counted.
*Launches*: every operator but views, by name. *Made*: operators whose result is a new tensor or is written in place, so that what does
nothing is left out and a reshape that copies counts. *Host time*: processor time of a step, which here is Python and dispatching, plain and
the case in turns, the smallest of the rounds each. *FLOPs*: as torch counts them. All for the first step, which makes what is kept, and for
a later one. What a step waits for the device for would raise here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from shapes import SIDES, ShapeModel, cpu_seconds  # noqa: E402
from steps import CASES, Case, Cost, counted, launched, run  # noqa: E402


def measured(model: ShapeModel, case: Case, plain: Cost, rounds: int, count: Callable[[Callable[[], Any]], Cost]) -> dict[str, Any]:
    """A case's first and later step ÷ plain's by ``count``; the times of ``plain`` are taken anew."""
    costs = run(model, case, case.later + 1, count)
    own = replace(plain)
    for _ in range(rounds):
        own.seconds = min([own.seconds, *run(model, None, 1, cpu_seconds)])
        for cost, seconds in zip(costs, run(model, case, case.later + 1, cpu_seconds), strict=True):
            cost.seconds = min(cost.seconds, seconds)
    ratios = {label: _ratios(costs[at], own, rounds > 0) for label, at in (("first", 0), ("later", case.later))}
    return {"model": model.kind, "case": case.name, "plain": asdict(own), **ratios}


def _ratios(cost: Cost, plain: Cost, timed: bool) -> dict[str, float | None]:
    own = asdict(cost) if timed else {**asdict(cost), "seconds": None}
    known = {name: value for name, value in own.items() if value is not None and getattr(plain, name)}
    return {name: round(known[name] / getattr(plain, name), 4) if name in known else None for name in own}


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    first, later = row["first"], row["later"]
    numbers = [first["launches"], later["launches"], later["made"], first["seconds"], later["seconds"], later["flops"]]
    return f"| {row['model']} | {row['case']} | " + " | ".join("–" if n is None else f"{n:.3f}" for n in numbers) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=[name for name in SIDES if name != "toy"], default=["sd15"])
    parser.add_argument("--cases", nargs="+", default=[""], help="the cases whose names hold one of these words")
    parser.add_argument("--rounds", type=int, default=3, help="of host time; 0: it is not taken")
    parser.add_argument("--no-flops", action="store_true", help="count launches alone")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    args = parser.parse_args()
    rows, count = [], launched if args.no_flops else counted
    heads = ("model", "case", "launches, first", "launches", "made", "host time, first", "host time", "FLOPs")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    with torch.inference_mode():
        for kind in args.models:
            model = ShapeModel(kind)
            [plain] = run(model, None, 1, count)
            for case in CASES:
                if any(word in case.name for word in args.cases):
                    rows.append(measured(model, case, plain, args.rounds, count))
                    print(line(rows[-1]), flush=True)
            print(f"\nplain, {kind}: {plain.launches} launches ({plain.made} made), {plain.flops / 1e9:.0f} GFLOPs\n", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
