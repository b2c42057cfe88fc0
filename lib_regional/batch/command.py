"""The command of a batch: its options, and the way from them to pictures."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..request.errors import RegionalError, SettingsError, settings_error
from .jobs.plan import Plan, cost, make_plan
from .jobs.requests import Recipe
from .jobs.tables import Row
from .jobs.templates import typed
from .keeping.store import Store
from .progress import Progress
from .running.dispatch import Dispatcher, Limits
from .running.ray_workers import EngineOptions, check_engine, ray_workers
from .running.webui import WebuiWorker, scripts_of
from .running.work import Worker

USUAL = Limits()
EXTRA = "The first `python run.py batch …` installs it; elsewhere: pip install 'regional[batch]'."


@dataclass(frozen=True)
class Options:
    """Where jobs run, how they are tried, and where pictures go."""

    out: Path
    urls: tuple[str, ...] = ()
    engine: EngineOptions | None = None
    limits: Limits = USUAL
    keep_going: bool = False
    dry_run: bool = False
    seconds: float | None = None
    parquet: bool = True
    report: bool = True
    quiet: bool = False


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Options that a batch and a benchmark share."""
    where = parser.add_argument_group("where pictures are made")
    where.add_argument("--webui-url", action="append", default=[], metavar="URL", help="a running WebUI; may be given more than once")
    where.add_argument("--workers", type=_count, metavar="N", help="standalone engines (default: one for each GPU share, else one)")
    where.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="G", help="GPUs of each engine, 0.5 lets two share one")
    where.add_argument("--threads", type=_count, default=0, metavar="N", help="threads of each engine (default: the cores are shared)")
    where.add_argument("--checkpoint", default="", metavar="FILE", help="an SD1.x or SDXL checkpoint for the engines")
    where.add_argument("--lora-dir", default="", metavar="DIR", help="a folder of LoRAs for the engines")
    where.add_argument("--controlnet-dir", default="", metavar="DIR", help="a folder of ControlNet models for the engines")
    where.add_argument("--address", default="", metavar="ADDRESS", help="a Ray cluster, such as auto or ray://head:10001")
    how = parser.add_argument_group("how they are tried")
    how.add_argument("--tries", type=_count, default=USUAL.tries, metavar="N", help=f"tries of a job (default {USUAL.tries})")
    how.add_argument("--timeout", type=float, default=USUAL.timeout, metavar="S", help=f"seconds of a try (default {USUAL.timeout:g})")
    how.add_argument(
        "--patience", type=float, default=USUAL.patience, metavar="S",
        help=f"seconds with a WebUI that cannot be reached (default {USUAL.patience:g})",
    )  # fmt: skip
    how.add_argument("--keep-going", action="store_true", help="leave out rows and WebUIs that are wrong; without it nothing begins then")
    how.add_argument("--dry-run", action="store_true", help="check everything, print the cost, make no picture")
    how.add_argument("--seconds", type=float, metavar="S", help="for --dry-run: seconds of a plain picture of 512 × 512 and 20 steps")
    kept = parser.add_argument_group("what is left")
    kept.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder; a second start goes on in it")
    kept.add_argument("--no-report", action="store_true", help="no contact sheet and no report.html")
    kept.add_argument("--no-parquet", action="store_true", help="no manifest.parquet")
    kept.add_argument(
        "--set", dest="set_fields", action="append", default=[], metavar="FIELD=VALUE", help="a field of every request that lacks it"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number, 1 or more")
    return number


def size_of(text: str) -> tuple[int, int]:
    """``768x512`` -> (768, 512)"""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError("WIDTHxHEIGHT in pixels, such as 768x512")
    return int(width), int(height)


def read_options(given: argparse.Namespace) -> Options:
    """The options of a command line; engines are used where they are asked for, or where there is no URL."""
    names = (given.workers, given.gpus_per_worker, given.checkpoint, given.address, given.lora_dir, given.controlnet_dir)
    wanted = any(names) or not given.webui_url
    engine = EngineOptions(
        given.workers or 0, given.gpus_per_worker, given.threads, given.checkpoint, given.lora_dir, given.address, given.controlnet_dir
    )
    limits = Limits(given.tries, given.timeout, patience=given.patience)
    return Options(
        given.out, tuple(given.webui_url), engine if wanted else None, limits, given.keep_going, given.dry_run, given.seconds,
        not given.no_parquet, not given.no_report,
    )  # fmt: skip


def read_defaults(pairs: Sequence[str]) -> dict[str, Any]:
    """``--set`` as fields of requests."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise settings_error("--set", pair, "FIELD=VALUE, such as steps=20")
        found[name] = typed(name, value)
    return found


def read_template(path: Path | None) -> Mapping[str, Any] | None:
    """A template. Raises `RegionalError` for a file that is none."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegionalError(f"--template: there is no file {path} ({error.strerror}).") from error
    except ValueError as error:
        raise RegionalError(f"--template {path} is no JSON: {error}.") from error
    if not isinstance(found, Mapping):
        raise settings_error("--template", found, "a JSON object: a request of the API, or regional settings")
    return found


def check_packages(options: Options, table: str = "") -> None:
    """Raise `RegionalError` with what has to be installed."""
    needed = {"tqdm": True, "ray": options.engine is not None and not options.dry_run, "pyarrow": options.parquet or table == ".parquet"}
    missing = [name for name, wanted in needed.items() if wanted and importlib.util.find_spec(name) is None]
    if missing:
        raise RegionalError(f"A batch needs the Python package {' and '.join(missing)}, which is missing here. {EXTRA}")


@dataclass
class Summary:
    """What a start of a batch did."""

    jobs: int
    before: int
    done: int = 0
    refused: int = 0
    failed: int = 0
    left_out: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Exit status: 0 where every row has its pictures."""
        return 0 if self.before + self.done == self.jobs and not self.left_out else 1

    @property
    def text(self) -> str:
        """One sentence."""
        counts = ((self.done, "done"), (self.before, "done before"), (self.refused, "refused"), (self.failed, "failed"))
        parts = [f"{count} {name}" for count, name in counts if count or name == "done"]
        parts += [f"{self.left_out} rows left out"] if self.left_out else []
        return f"{self.jobs} jobs: {', '.join(parts)}."


def run(rows: Iterator[Row], recipe: Recipe, options: Options) -> Summary:
    """Plan, check, make, and report. Raises `RegionalError` before the first picture for what is wrong."""
    with Store(options.out) as store:
        plan = make_plan(rows, recipe, options.out)
        if not options.keep_going:
            plan.check()
        if not plan.jobs:
            raise RegionalError("The table has no jobs.")
        todo = [planned for planned in plan.jobs if planned.key not in store.done]
        summary = Summary(len(plan.jobs), len(plan.jobs) - len(todo), left_out=len({problem.where for problem in plan.problems}))
        _say_plan(plan, summary)
        if options.dry_run:
            return _dry(plan, todo, options, summary)
        try:
            if todo:
                _make(plan, todo, options, store, summary)
        except (RegionalError, KeyboardInterrupt):
            with contextlib.suppress(OSError):  # of a full disk, say: the first error is the one to show
                write_reports(options, plan)
            raise
        write_reports(options, plan)
        return summary


def _say_plan(plan: Plan, summary: Summary) -> None:
    print(f"{plan.rows} rows, {len(plan.jobs)} jobs, {summary.before} of them done before.", flush=True)
    if plan.repeated:
        print(f"{plan.repeated} rows ask for the same as another row: each request is made once.", flush=True)
    for problem in plan.problems[:20]:
        print(f"Left out: {problem.message}", file=sys.stderr)


def _dry(plan: Plan, todo: list[Any], options: Options, summary: Summary) -> Summary:
    workers = len(options.urls) + (max(1, options.engine.workers) if options.engine else 0)
    if options.engine:
        check_engine(options.engine, bool(options.engine.address))
    print(cost(plan.read(todo)).text(options.seconds, workers))
    summary.before = summary.jobs  # nothing was left to do
    return summary


def _make(plan: Plan, todo: list[Any], options: Options, store: Store, summary: Summary) -> None:
    with workers_of(options, plan, todo) as workers:
        with Progress(summary.jobs, summary.before, options.quiet) as progress:
            dispatcher = Dispatcher(workers, options.limits, progress.say)
            for outcome in dispatcher.outcomes(plan.read(todo)):
                entry = store.keep(outcome)
                setattr(summary, entry.status, getattr(summary, entry.status) + 1)
                if entry.status != "done":
                    progress.say(f"Row {entry.row}: {entry.status}: {entry.error}")
                progress.step(summary.refused + summary.failed)
        summary.seconds = progress.seconds


@contextmanager
def workers_of(options: Options, plan: Plan, todo: list[Any]) -> Iterator[list[Worker]]:
    """All workers, checked."""
    with ExitStack() as stack:
        workers: list[Worker] = []
        scripts = {name for job in plan.read(todo) for name in scripts_of(job)} if options.urls else set()
        for url in options.urls:
            worker = WebuiWorker(url, options.limits.timeout)
            stack.callback(worker.close)
            try:
                worker.check(sorted(scripts))
            except RegionalError as error:
                if not options.keep_going:
                    raise
                print(f"Left out: {error}", file=sys.stderr)
                continue
            workers.append(worker)
        if options.engine is not None:
            check_engine(options.engine, bool(options.engine.address))
            workers += stack.enter_context(ray_workers(options.engine))
        if not workers:
            raise RegionalError("No worker is left.")
        yield workers


def write_reports(options: Options, plan: Plan) -> None:
    """The manifest as Parquet, the contact sheet and the report, over all that is there."""
    if options.parquet:
        from .keeping.parquet import write_parquet

        write_parquet(options.out, plan)
    if options.report:
        from .keeping.report import write_report

        write_report(options.out, plan)


def guarded(work: Any) -> int:
    """Run a command: what is wrong is printed, and the exit status is 1, or 130 after Ctrl+C."""
    try:
        return int(work())
    except SettingsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except (RegionalError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
