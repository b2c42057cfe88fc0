"""Peak memory of steps ÷ plain: bytes of all tensors that live at once, fp16, counted on shapes alone (the meta device).

    python tests/bench/memory.py [--models sdxl sd15] [--cases WORD …] [--json memory.json]

*Peak* is that of a generation's first two steps, keys and values that are kept included, beyond the UNet's weights; attention's matrix is
never in memory, as in fused kernels. *Total* is with the weights, as a GPU needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from living import weights_of, with_peak  # noqa: E402
from shapes import SIDES, ShapeModel  # noqa: E402
from steps import CASES, Case  # noqa: E402

MEMORY = (*CASES, *(Case(f"couple, no cache, {n}", n, options={"cache": False}) for n in (4, 16)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=[name for name in SIDES if name != "toy"], default=["sdxl"])
    parser.add_argument("--cases", nargs="+", default=["couple,"], help="the cases whose names hold one of these words")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    args = parser.parse_args()
    rows = []
    print("| model | case | peak, MiB | kept after the steps, MiB | peak ÷ plain | total ÷ plain |\n|---|---|---|---|---|---|")
    with torch.inference_mode():
        for kind in args.models:
            model = ShapeModel(kind)
            weights, plain = weights_of(model), with_peak(model, None)
            for case in (None, *(case for case in MEMORY if any(word in case.name for word in args.cases) and not case.usual)):
                made, name = with_peak(model, case), "plain" if case is None else case.name
                total = (weights + made.peak) / (weights + plain.peak)
                rows.append({"model": kind, "case": name, "weights": weights, "peak": made.peak, "kept": made.kept, "total": total})
                numbers = f"{made.peak / 2**20:.0f} | {made.kept / 2**20:.0f} | {made.peak / plain.peak:.3f} | {total:.3f}"
                print(f"| {kind} | {name} | {numbers} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
