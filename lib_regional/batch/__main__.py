"""``python -m lib_regional.batch batch|benchmark …``, what ``python run.py batch`` and ``benchmark`` start."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..request.errors import settings_error
from ..request.files import write_bytes
from ..request.methods.specs import METHODS
from .benchmarks.command import benchmark
from .command import Options, Summary, add_worker_options, check_packages, guarded, read_defaults, read_options, read_template, run, size_of
from .jobs.plan import make_plan
from .jobs.requests import Recipe
from .jobs.tables import Row, read_table
from .keeping.store import Store
from .layouts.formats import EXPORTS, NAMES, exported, read_layouts, rows_of


def batch_parser() -> argparse.ArgumentParser:
    """The command line of a batch."""
    made = argparse.ArgumentParser(
        prog="run.py batch", allow_abbrev=False,
        description="Make the pictures of a table of layouts with many workers. The same command goes on where it was stopped.",
    )  # fmt: skip
    made.add_argument("jobs", type=Path, metavar="JOBS", help="a table of jobs: .jsonl, .csv or .parquet")
    made.add_argument("--template", type=Path, metavar="FILE", help="a request, or regional settings, in JSON with {column} in its texts")
    made.add_argument("--format", default="jobs", choices=("jobs", *NAMES), help="what JOBS holds: jobs, or layouts from elsewhere")
    made.add_argument("--captions", type=Path, metavar="FILE", help="COCO's captions beside its instances")
    made.add_argument("--size", type=size_of, default=(512, 512), metavar="WxH", help="size of the pictures of such layouts (512x512)")
    made.add_argument("--method", default="attention_couple", choices=tuple(METHODS), help="method of such layouts (attention_couple)")
    made.add_argument("--export", choices=EXPORTS, help="write the layouts of all jobs to layouts.json in this form, and make no picture")
    made.add_argument("--candidates", type=int, default=0, metavar="N", help="of N pictures of each layout keep the best one by its scores")
    add_worker_options(made)
    return made


def batch(arguments: Sequence[str]) -> int:
    """Run a batch; the exit status."""
    given = batch_parser().parse_args(arguments)
    options = read_options(given)

    def work() -> int:
        check_packages(options, given.jobs.suffix.lower())
        if given.template and given.format != "jobs":
            raise settings_error("--template", str(given.template), "left out with --format: such layouts are whole requests")
        recipe = Recipe(read_template(given.template), read_defaults(given.set_fields), given.candidates)
        table = noted(rows(given), recipe)
        if given.export:
            return export(table, recipe, options, given.export)
        return finish(options, run(table, recipe, options))

    return guarded(work)


def rows(given: argparse.Namespace) -> Iterator[Row]:
    """The rows of the table, or of the layouts in another format."""
    if given.format == "jobs":
        return read_table(given.jobs)
    return rows_of(read_layouts(given.jobs, given.format, given.captions), given.size, given.method)


def noted(table: Iterator[Row], recipe: Recipe) -> Iterator[Row]:
    """The same rows; columns of the first one that act on nothing are printed."""
    for at, (number, values) in enumerate(table):
        names = recipe.unused(values) if not at and isinstance(values, Mapping) else []
        if names:
            print(f"The template does not use the columns {', '.join(names)}.", flush=True)
        yield number, values


def export(table: Iterator[Row], recipe: Recipe, options: Options, form: str) -> int:
    """Write the layouts of a table for models that take boxes."""
    with Store(options.out):
        plan = make_plan(table, recipe, options.out)
        if not options.keep_going:
            plan.check()
        target = options.out / "layouts.json"
        write_bytes(target, exported(plan.read(), form).encode())
    print(f"{len(plan.jobs)} layouts are in {target}.")
    return 0


def finish(options: Options, summary: Summary) -> int:
    """Print what was done; the exit status."""
    if not options.dry_run:
        print(summary.text, flush=True)
        print(f"Pictures, manifest and report are in {options.out}.")
    return summary.status


COMMANDS = {"batch": batch, "benchmark": benchmark}


def main(arguments: Sequence[str]) -> int:
    """The command that the first word names."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        print(f"usage: python -m lib_regional.batch {'|'.join(COMMANDS)} …", file=sys.stderr)
        return 2
    return COMMANDS[name](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
