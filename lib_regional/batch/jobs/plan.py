"""The plan of a batch: every request once, in a file beside the pictures, so that memory does not grow with the requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ...request.cost import estimate
from ...request.errors import Problem, SettingsError
from ...request.files import replacing
from .requests import Job, Recipe
from .tables import Row

FILE = "jobs.jsonl"
SHOWN = 20
"""Problems that a message lists."""


class Planned(NamedTuple):
    """A job of the plan: where its line is in the file."""

    key: str
    offset: int


@dataclass
class Plan:
    """All jobs of a table in their order; ``problems`` of the rows that are none, ``repeated`` rows that ask for what another one does."""

    path: Path
    jobs: list[Planned] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    repeated: int = 0
    rows: int = 0

    def read(self, keys: Iterable[Planned] | None = None) -> Iterator[Job]:
        """Jobs from the file, one at a time: all, or the given ones."""
        with self.path.open("rb") as file:
            for planned in self.jobs if keys is None else keys:
                file.seek(planned.offset)
                yield Job(**json.loads(file.readline()))

    def check(self) -> None:
        """Raise SettingsError where rows are no jobs."""
        if self.problems:
            rest = len(self.problems) - SHOWN
            more = [Problem("", rest, "none", text=f"… and {rest} more.")] if rest > 0 else []
            raise SettingsError([*self.problems[:SHOWN], *more])


def make_plan(rows: Iterable[Row], recipe: Recipe, folder: Path) -> Plan:
    """Judge every row and write its request into ``folder``."""
    plan = Plan(folder / FILE)
    unseeded: Counter[str] = Counter()
    known: set[str] = set()
    with replacing(plan.path) as beside, beside.open("wb") as file:
        for number, values in rows:
            plan.rows += 1
            try:
                job = _job(number, values, recipe, unseeded)
            except SettingsError as error:
                plan.problems += [_in_row(number, problem) for problem in error.problems]
                continue
            if job.key in known:
                plan.repeated += 1
                continue
            known.add(job.key)
            plan.jobs.append(Planned(job.key, file.tell()))
            file.write(_line(job))
    return plan


def _job(number: int, values: Any, recipe: Recipe, unseeded: Counter[str]) -> Job:
    if isinstance(values, SettingsError):
        raise values
    return recipe.job(number, values, unseeded)


def _line(job: Job) -> bytes:
    fields = {"key": job.key, "row": job.row, "route": job.route, "request": job.request, "name": job.name}
    return (json.dumps(fields, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _in_row(number: int, problem: Problem) -> Problem:
    """The problem with its row in front of its sentence."""
    if problem.where.startswith("Row "):
        return problem
    return replace(problem, where=f"Row {number}", text=problem.message)


@dataclass(frozen=True)
class Estimate:
    """What a plan costs: pictures, and their UNet work in plain pictures of 512² pixels and 20 steps."""

    jobs: int
    pictures: int
    work: float

    def text(self, seconds: float | None = None, workers: int = 1) -> str:
        """Sentences for people; ``seconds`` is what such a plain picture takes on one worker."""
        base = f"{self.jobs} jobs, {self.pictures} pictures, the work of {self.work:.0f} plain pictures of 512 × 512 pixels and 20 steps."
        if seconds is None:
            return base
        hours = self.work * seconds / max(1, workers) / 3600
        return f"{base} About {hours:.1f} hours at {seconds:g} s for such a picture and {workers} workers."


PLAIN = 512 * 512 * 20
"""Pixels times steps of the picture that costs are given in."""


def cost(jobs: Iterable[Job]) -> Estimate:
    """The cost of jobs by the project's own estimate of each layout; UNet work is taken as proportional to pixels and steps."""
    count = pictures = 0
    work = 0.0
    for job in jobs:
        width, height = job.size
        settings = job.settings
        ratio, tried = 1.0, 1
        if settings is not None:
            ratio = estimate(settings, job.size).ratio
            tried = int(settings.option_of("scores")("candidates"))
        each = int(job.request.get("batch_size", 1)) * int(job.request.get("n_iter", 1))
        kept = tried if settings is not None and settings.option_of("scores")("keep") == "all" else 1
        count, pictures = count + 1, pictures + each * kept
        work += each * tried * ratio * width * height * int(job.request.get("steps", 50)) / PLAIN
    return Estimate(count, pictures, work)
