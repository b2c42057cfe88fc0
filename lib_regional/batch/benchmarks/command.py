"""``benchmark``: make the pictures of a set by several methods, write them for evaluators, and compute what can be computed here."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...request.errors import RegionalError, settings_error
from ...request.files import write_bytes
from ..command import Options, Summary, add_worker_options, check_packages, guarded, read_defaults, read_options, run, size_of
from ..jobs.requests import Recipe
from ..jobs.tables import Row
from ..keeping.store import Entry, entries
from ..layouts.boxes import BoxLayout
from . import methods, sets
from .detectors import Analytic, ByClipseg, ByGroundingDino, Detector
from .evaluators import FOLDER, keep_picture, picture_path, write_tables
from .figures import Seen, as_csv, judged, table
from .sets import Layoutset, read_set


@dataclass(frozen=True)
class Asked:
    """What a benchmark asks for."""

    layoutset: Layoutset
    methods: tuple[str, ...]
    seeds: int

    def wanted(self) -> Iterator[tuple[str, BoxLayout, int, Mapping[str, Any]]]:
        """(method, layout, seed, row) of every picture."""
        for method in self.methods:
            for layout in self.layoutset.layouts:
                asked = methods.request(layout, method, self.layoutset.size, self.layoutset.sampling)
                for seed in range(1, self.seeds + 1):
                    yield method, layout, seed, {"name": f"{method} {layout.name} {seed}", **asked, "seed": seed}

    def rows(self) -> Iterator[Row]:
        """The rows of the batch."""
        for number, (*_, row) in enumerate(self.wanted(), 1):
            yield number, row


def parser() -> argparse.ArgumentParser:
    """The command line of a benchmark."""
    made = argparse.ArgumentParser(
        prog="run.py benchmark", allow_abbrev=False,
        description="Make the pictures of a benchmark of layouts by several methods, for its public evaluator, with figures computed here.",
    )  # fmt: skip
    made.add_argument("set", choices=sets.NAMES, help="7Bench, COCO's boxes and captions, or the own set, which the small model can draw")
    made.add_argument("--data", type=Path, metavar="FILE", help="7bench.csv, or COCO's instances file")
    made.add_argument("--captions", type=Path, metavar="FILE", help="COCO's captions")
    made.add_argument("--methods", nargs="+", default=["plain", "attention_couple"], choices=methods.NAMES, metavar="METHOD")
    made.add_argument("--seeds", type=int, default=1, metavar="N", help="pictures of each layout, with the seeds 1 to N; 7Bench has 16")
    made.add_argument("--limit", type=int, default=0, metavar="N", help="the first N layouts alone")
    made.add_argument("--size", type=size_of, metavar="WxH", help="size of the pictures, where it is not the set's (512x512)")
    made.add_argument("--clipseg", type=Path, metavar="DIR", help="judge by CLIPSeg from this folder")
    made.add_argument("--grounding-dino", type=Path, metavar="DIR", help="judge by Grounding DINO from this folder")
    add_worker_options(made)
    return made


def benchmark(arguments: Sequence[str]) -> int:
    """Run a benchmark; the exit status."""
    given = parser().parse_args(arguments)
    options = read_options(given)

    def work() -> int:
        check_packages(options)
        if given.seeds < 1:
            raise settings_error("--seeds", given.seeds, "1 or more")
        detector = detector_of(given)
        layoutset = read_set(given.set, given.data, given.captions, given.limit, given.keep_going)
        if given.size:
            layoutset = replace(layoutset, size=given.size)
        asked = Asked(layoutset, tuple(dict.fromkeys(given.methods)), given.seeds)
        recipe = Recipe(defaults=read_defaults(given.set_fields))
        return finish(asked, recipe, detector, options, run(asked.rows(), recipe, options))

    return guarded(work)


def detector_of(given: argparse.Namespace) -> Detector | None:
    """The detector that was asked for; the own set is judged by analysis."""
    if given.clipseg and given.grounding_dino:
        raise RegionalError("--clipseg and --grounding-dino: one of them judges the pictures.")
    if given.clipseg:
        return ByClipseg(given.clipseg)
    if given.grounding_dino:
        return ByGroundingDino(given.grounding_dino)
    return Analytic() if given.set == "own" else None


def finish(asked: Asked, recipe: Recipe, detector: Detector | None, options: Options, summary: Summary) -> int:
    """Write the evaluator's folder and the figures."""
    if options.dry_run:
        return summary.status
    root = options.out / FOLDER
    write_tables(root, asked.layoutset, asked.methods)
    seen: list[Seen] = []
    for method, layout, seed, entry in pictures(asked, recipe, options.out):
        keep_picture(options.out / entry.files[0], picture_path(root, asked.layoutset, method, layout, seed))
        seen += judged(method, layout, seed, entry, options.out, detector)
    if not seen:
        raise RegionalError("There is no picture to judge.")
    text = f"# {asked.layoutset.name}\n\n{judge_text(detector)}\n\n{table(seen)}"
    write_bytes(options.out / "results.md", text.encode())
    write_bytes(options.out / "results.csv", as_csv(seen).encode())
    print(f"{summary.text}\n\n{text}\nPictures for the evaluator are in {root}, every phrase in {options.out / 'results.csv'}.")
    return summary.status


def judge_text(detector: Detector | None) -> str:
    """What the columns stand on."""
    score = "*score*: mean of the regions' own scores, from the attention to their words."
    if detector is None:
        return f"{score} No detector was given: boxes are judged by the public evaluator."
    return f"{score} The other columns: phrases found by {detector.name}."


def pictures(asked: Asked, recipe: Recipe, folder: Path) -> Iterator[tuple[str, BoxLayout, int, Entry]]:
    """The finished pictures; layouts with the same request share one."""
    done = {entry.key: entry for entry in entries(folder) if entry.status == "done"}
    for method, layout, seed, row in asked.wanted():
        entry = done.get(recipe.job(0, row, Counter()).key)
        if entry is not None:
            yield method, layout, seed, entry
