"""Launches, host time and FLOPs of one step ÷ plain, on a UNet of real dimensions whose tensors are shapes alone (the meta device).

    python tests/bench/launches.py [--models sd15 sdxl] [--cases WORD …] [--rounds 5] [--no-flops] [--json launches.json]

On a GPU a step at small batches is bound by the kernels that it launches and by the host's own time; neither needs a GPU to be counted.
*Launches*: every operator but views, by name. *Made*: operators whose result is a new tensor or is written in place, so that what does
nothing is left out and a reshape that copies counts. *FLOPs*: as torch counts them. *Calls*: functions that the host calls in a step,
PyTorch's among them, the same in every run. *Host time*: processor time of a step, which here is Python and dispatching, plain and the case
in turns, the smallest of the rounds each; for these two operators are dispatched in C++, as on a GPU (`host_time.dispatch_in_cpp`). All for
the first step, which makes what is kept, and for a later one. What a step waits for the device for would raise here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from host_time import calls, cpu_seconds, dispatch_in_cpp  # noqa: E402
from shapes import SIDES, ShapeModel  # noqa: E402
from steps import CASES, Case, Cost, counted, launched, run  # noqa: E402

HOST = {
    "calls_first": "calls, first",
    "calls": "calls",
    "seconds_first": "host time, first",
    "seconds": "host time",
    "plain_seconds": "plain, s",
}
"""Name of a figure of `hosted` -> its column."""


def measured(model: ShapeModel, case: Case, plain: Cost, count: Callable[[Callable[[], Any]], Cost]) -> dict[str, Any]:
    """A case's first and later step ÷ plain's by ``count``."""
    costs = run(model, case, case.later + 1, count)
    ratios = {label: _ratios(costs[at], plain) for label, at in (("first", 0), ("later", case.later))}
    return {"model": model.kind, "case": case.name, "plain": asdict(plain), **ratios}


def _ratios(cost: Cost, plain: Cost) -> dict[str, float]:
    mine, of_plain = asdict(cost), asdict(plain)
    return {name: round(mine[name] / of_plain[name], 4) for name in mine if of_plain[name]}


def hosted(model: ShapeModel, case: Case, rounds: int) -> dict[str, float]:
    """A case's calls and processor time ÷ plain's, of the first and of a later step."""
    [plain_calls], plain_seconds, seconds = run(model, None, 1, calls), list[float](), list[list[float]]()
    own_calls = run(model, case, case.later + 1, calls)
    for _ in range(rounds):
        plain_seconds += run(model, None, 3, cpu_seconds)
        seconds.append(run(model, case, case.later + 3, cpu_seconds))
    ratios = {"calls_first": own_calls[0] / plain_calls, "calls": own_calls[case.later] / plain_calls}
    if rounds:
        base, later = min(plain_seconds), min(min(each[case.later :]) for each in seconds)
        ratios |= {"seconds_first": min(each[0] for each in seconds) / base, "seconds": later / base, "plain_seconds": base}
    return {name: round(value, 4) for name, value in ratios.items()}


def line(row: dict[str, Any]) -> str:
    """A row of the table of launches."""
    first, later = row["first"], row["later"]
    numbers = [first["launches"], later["launches"], later["made"], later.get("flops")]
    return f"| {row['model']} | {row['case']} | " + " | ".join("–" if n is None else f"{n:.3f}" for n in numbers) + " |"


def head(*names: str) -> None:
    """Print the head of a table."""
    print(f"| {' | '.join(names)} |\n{'|---' * len(names)}|")


def launches_of(models: dict[str, ShapeModel], cases: list[Case], count: Callable[[Callable[[], Any]], Cost]) -> list[dict[str, Any]]:
    """The table of launches and FLOPs."""
    rows: list[dict[str, Any]] = []
    head("model", "case", "launches, first", "launches", "made", "FLOPs")
    for kind, model in models.items():
        [plain] = run(model, None, 1, count)
        for case in cases:
            rows.append(measured(model, case, plain, count))
            print(line(rows[-1]), flush=True)
        print(f"\nplain, {kind}: {plain.launches} launches ({plain.made} made), {plain.flops / 1e9:.0f} GFLOPs\n", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=[name for name in SIDES if name != "toy"], default=["sd15"])
    parser.add_argument("--cases", nargs="+", default=[""], help="the cases whose names hold one of these words")
    parser.add_argument("--rounds", type=int, default=5, help="of host time; 0: it is not taken")
    parser.add_argument("--no-flops", action="store_true", help="count launches alone")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    args = parser.parse_args()
    models = {kind: ShapeModel(kind) for kind in args.models}
    cases = [case for case in CASES if any(word in case.name for word in args.cases)]
    with torch.inference_mode():
        rows = launches_of(models, cases, launched if args.no_flops else counted)
        dispatch_in_cpp()
        head("model", "case", *HOST.values())
        for row, (kind, case) in zip(rows, [(kind, case) for kind in models for case in cases], strict=True):
            row["host"] = own = hosted(models[kind], case, args.rounds)
            print(f"| {kind} | {case.name} | {' | '.join(f'{own[name]:.3f}' if name in own else '–' for name in HOST)} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
