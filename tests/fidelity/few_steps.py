"""Every method in 4 and 8 steps with the small model's LCM-LoRA, beside the suite's 20 steps.

    python tests/fidelity/few_steps.py [--sample N] [--methods plain rag …] [--results FOLDER] [--report]

The first N layouts of every kind, judged as in tests/fidelity/run.py, whose folder of results it shares; a second start goes on from there.
Only layouts that a method has in every column of the table count. ``--page`` names a page with the lines "<!-- few steps -->" and
"<!-- /few steps -->", between which the table is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]  # the repository has a run.py too

from measure import figures  # noqa: E402
from report import marks_of, put_block, table  # noqa: E402
from results import OtherResults, Results, Row, in_turns  # noqa: E402
from suite import SAMPLING, TABLE, VARIANTS, sampling_text, singles  # noqa: E402

from run import layouts_of, make_rows, origin  # noqa: E402

Sampling = tuple[dict[str, Any], str]
"""Fields of a request, and the LoRA on the whole picture ("" for none)."""


def lcm(steps: int, cfg: float, lora: str = "lcm") -> Sampling:
    """The sampler of latent consistency models."""
    return {"sampler_name": "LCM", "steps": steps, "cfg_scale": cfg}, lora


SAMPLINGS: tuple[Sampling, ...] = ((SAMPLING, ""), lcm(8, 1), lcm(8, 2), lcm(4, 1), lcm(4, 2))
METHODS = tuple(method for method in TABLE if method != "attention_couple, best of 4")
BLOCK = "few steps"


def shared(results: Results, method: str, samplings: Sequence[Sampling]) -> list[list[Row]]:
    """A method's rows of each sampling, of the layouts that all of them have."""
    found = [{(row.kind, row.number): row for row in results.of(method, sampling_text(*one)) if row.kind != "single"} for one in samplings]
    both = set.intersection(*map(set, found))
    return [[row for at, row in rows.items() if at in both] for rows in found]


def few_steps_table(results: Results, methods: Sequence[str], samplings: Sequence[Sampling] = SAMPLINGS) -> str:
    """Placed and all placed of each method, a column for each sampling."""

    def lines() -> Iterator[list[str]]:
        for method in methods:
            rows = shared(results, method, samplings)
            if rows[0]:
                judged = [figures(marks_of(one)) for one in rows]
                yield [method, str(len(rows[0])), *(f"{one.placed:.0%} / {one.complete:.0%}" for one in judged)]

    singles_of = [figures(marks_of(results.of("plain", sampling_text(*one), "single"))) for one in samplings]
    alone = ["one object, plain prompt", str(min(one.pictures for one in singles_of)), *(f"{one.placed:.0%}" for one in singles_of)]
    heads = ["placed / all placed", "pictures", *(sampling_text(*one) for one in samplings)]
    return table(heads, iter([alone, *lines()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=["plain", *VARIANTS])
    parser.add_argument("--sample", type=int, default=2, help="make the first N layouts of every kind")
    parser.add_argument("--singles", type=int, default=24, help="pictures of one object on the whole canvas")
    parser.add_argument("--results", type=Path, default=Path("outputs/fidelity"), help="folder that keeps what was made, to go on from")
    parser.add_argument("--report", action="store_true", help="make nothing")
    parser.add_argument("--page", type=Path, help="a page to write the table to")
    args = parser.parse_args()
    if args.page is not None and f"<!-- {BLOCK} -->\n" not in args.page.read_text(encoding="utf-8"):
        raise SystemExit(f'--page {args.page} must have the lines "<!-- {BLOCK} -->" and "<!-- /{BLOCK} -->".')
    try:
        results = Results(args.results, None if args.report else origin(()))
    except OtherResults as error:
        raise SystemExit(str(error)) from error
    tasks = list(in_turns(layouts_of(args.sample, ()), args.methods, list(singles(args.singles))))
    for sampling, lora in () if args.report else SAMPLINGS:
        make_rows(tasks, results, sampling, (), lora)
    text = few_steps_table(results, args.methods)
    if args.page is not None:
        put_block(args.page, BLOCK, text)
    print(text)


if __name__ == "__main__":
    main()
