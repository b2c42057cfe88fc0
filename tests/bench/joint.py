"""Joint attention of one layer of Flux with regions' texts beside each other, in groups of tokens, beside one call with a bias.

    python tests/bench/joint.py [--side 64] [--length 512]

24 heads of 128, ``--side``² tokens of the picture, texts of ``--length`` tokens, one row in fp16, on shapes alone (the meta device).
*Scores* are pairs of tokens; *bias* the numbers that are added to scores, both ÷ (T + P)²; *operators* of a layer, where one call has
one; *in order*: of a layer whose tokens stand in an order of their own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from shapes import Launches  # noqa: E402
from steps import GRIDS  # noqa: E402

from lib_regional.request.settings import Settings  # noqa: E402
from lib_regional.tensors.attention.joint.bias import Placed, longest  # noqa: E402
from lib_regional.tensors.attention.joint.calls import Asked, Grouped  # noqa: E402
from lib_regional.tensors.attention.joint.groups import JointAttention  # noqa: E402
from lib_regional.tensors.masks.weight_maps import weight_maps  # noqa: E402

HEADS, WIDTH = 24, 128
REGIONS = {"hard borders": {"feather": 0}, "soft borders, as by default": {}, "a base share of 0.2": {"base_share": 0.2}}


def row_of(count: int, region: dict[str, float], side: int, length: int) -> list[Placed]:
    """The row's own text where it acts, and those of ``count`` regions on a grid."""
    grid = {"ratios": GRIDS[count], "direction": "columns"}
    regions = [{"prompt": f"a thing{number}", **region} for number in range(count)]
    maps = weight_maps(Settings.parse({"enabled": True, "grid": grid, "regions": regions}).layout(), side, side)
    return [(length, one.flatten()) for one in (maps.base, *maps.regions) if float(one.max()) > 0]


def line(name: str, row: list[Placed], side: int) -> str:
    """A row of the table."""
    attention, tokens = JointAttention([row]), longest([row]) + side**2
    q = torch.empty(1, HEADS, tokens, WIDTH, dtype=torch.float16, device="meta")
    attention(q, q, q)
    with Launches() as launches:
        attention(q, q, q)
    [arranged] = attention.arranged.values()
    if isinstance(arranged, Grouped):
        sizes = [group.sizes(tokens) for group in arranged.groups]
        scores, bias = sum(queries * keys for _, queries, keys in sizes), sum(map(_numbers, arranged.groups))
    else:
        scores = bias = tokens**2
    ordered = attention.in_order(q.device)
    fewer = launches.all.total() if ordered is None else ordered.attend.operators
    return f"| {name} | {len(row)} | {scores / tokens**2:.2f} | {bias / tokens**2:.3f} | {launches.all.total()} | {fewer} |"


def _numbers(group: Asked) -> int:
    return 0 if group.bias is None else group.bias.numel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--length", type=int, default=512)
    args = parser.parse_args()
    print("| case | texts | scores | bias | operators | in order |\n|---|---|---|---|---|---|")
    with torch.inference_mode():
        for count in (1, 2, 4, 16):
            for name, region in REGIONS.items():
                print(line(f"{count} regions, {name}", row_of(count, region, args.side, args.length), args.side), flush=True)


if __name__ == "__main__":
    main()
