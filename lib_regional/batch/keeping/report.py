"""The contact sheet and the report of a batch: every picture with its regions drawn, its scores, and how its job ended."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw

from ...request.files import write_bytes
from ..jobs.plan import Plan
from ..jobs.requests import Job
from .page import PAGE
from .parquet import with_jobs
from .shapes import colour_of, outline, regions_of, svg
from .store import Entry

ON_PAGE = 500
"""Pictures of one page of the report."""
ON_SHEET, COLUMNS, CELL, GAP = 100, 10, 160, 6
THUMBNAIL = 256


@dataclass(frozen=True)
class Shown:
    """A picture of the report; ``path`` is None for a job without one."""

    entry: Entry
    job: Job
    at: int = 0
    path: Path | None = None

    @property
    def score(self) -> float | None:
        """The picture's score: that of its worst region."""
        found = self.entry.scores[self.at] if self.at < len(self.entry.scores) else None
        return None if found is None else found.get("score")


def write_report(folder: Path, plan: Plan) -> None:
    """Write ``contact_sheet.jpg`` and ``report.html``, and ``…_2``, ``…_3`` where there are more pictures than one takes."""
    write_pages(folder, plan)
    write_sheets(folder, plan)


def shown(folder: Path, plan: Plan) -> Iterator[Shown]:
    """All pictures of the jobs that have ended, and those jobs that have none."""
    for entry, job in with_jobs(folder, plan):
        for at, name in enumerate(entry.files):
            yield Shown(entry, job, at, folder / name)
        if not entry.files:
            yield Shown(entry, job)


def numbered(name: str, suffix: str, number: int) -> str:
    """``report.html``, ``report_2.html`` …"""
    return f"{name}{suffix}" if number == 1 else f"{name}_{number}{suffix}"


# ---------------------------------------------------------------- the report


def write_pages(folder: Path, plan: Plan) -> None:
    """The report, some hundred pictures a page."""
    everything, number = shown(folder, plan), 0
    counts = len(plan.jobs)
    while part := list(islice(everything, ON_PAGE)):
        number += 1
        more = f"report_{number + 1}.html" if len(part) == ON_PAGE else ""
        write_bytes(folder / numbered("report", ".html", number), page(part, counts, number, more).encode("utf-8", "backslashreplace"))


def page(part: Sequence[Shown], jobs: int, number: int = 1, more: str = "") -> str:
    """One page that needs no other file."""
    link = f'<a href="{more}">further pictures</a>' if more else ""
    done = sum(one.path is not None for one in part)
    head = f"{done} pictures on this page, {jobs} jobs in all, page {number}. {link}"
    return PAGE.replace("{{head}}", head).replace("{{cards}}", "\n".join(card(one) for one in part))


def card(one: Shown) -> str:
    """A picture with its regions, and what is known of it. Sorting reads the ``data-`` attributes."""
    entry, regions = one.entry, regions_of(one.job)
    score = "" if one.score is None else f"{one.score:.4f}"
    title = escape(entry.name or f"Row {entry.row}")
    data = f'data-row="{entry.row}" data-score="{score}" data-seconds="{entry.seconds}" data-status="{entry.status}" data-name="{title}"'
    picture = f'<div class="picture"><img src="{thumbnail(one.path)}" alt="">{svg(regions)}</div>' if one.path else ""
    seed = f"seed {entry.seeds[one.at]}" if one.at < len(entry.seeds) else ""
    tries = f"{entry.tries} tries" if entry.tries > 1 else ""
    facts = " · ".join(filter(None, [f"row {entry.row}", seed, f"{entry.seconds:.1f} s", entry.worker, tries]))
    link = f'<a href="{escape(entry.files[one.at])}">{title}</a>' if one.path else title
    error = f'<p class="error">{escape(entry.status)}: {escape(entry.error)}</p>' if entry.error else ""
    prompt = escape(str(one.job.request.get("prompt", "")))
    below = f'<p>{prompt}</p>{region_list(one)}{error}<p class="facts">{escape(facts)}</p>'
    return f"<article {data}>{picture}<h2>{link}{score_text(one)}</h2>{below}</article>"


def score_text(one: Shown) -> str:
    """The score behind a picture's name."""
    return "" if one.score is None else f' <b title="the lowest score of its regions">{one.score:.2f}</b>'


def region_list(one: Shown) -> str:
    """The regions' prompts with their scores."""
    regions = regions_of(one.job)
    found = one.entry.scores[one.at] if one.at < len(one.entry.scores) else None
    scores = list(found.get("regions", ())) if found else []
    lines = []
    for at, region in enumerate(regions):
        score = scores[at] if at < len(scores) and scores[at] is not None else None
        lines.append(f'<li style="--c:{colour_of(at)}">{escape(region.prompt)}{"" if score is None else f" <b>{score:.2f}</b>"}</li>')
    return f"<ol>{''.join(lines)}</ol>" if lines else ""


def thumbnail(path: Path) -> str:
    """A small JPEG as a data URL; empty where the picture is gone."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((THUMBNAIL, THUMBNAIL))
    except OSError:
        return ""
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# ---------------------------------------------------------------- the contact sheet


def write_sheets(folder: Path, plan: Plan) -> None:
    """Contact sheets of a hundred pictures each."""
    pictures, number = (one for one in shown(folder, plan) if one.path is not None), 0
    while part := list(islice(pictures, ON_SHEET)):
        number += 1
        buffer = io.BytesIO()
        sheet(part).save(buffer, "JPEG", quality=88)
        write_bytes(folder / numbered("contact_sheet", ".jpg", number), buffer.getvalue())


def sheet(part: Sequence[Shown]) -> Image.Image:
    """Pictures in rows of ten with their regions' outlines, the row's number and the score below."""
    step, below = CELL + GAP, 14
    rows = -(-len(part) // COLUMNS)
    canvas = Image.new("RGB", (min(len(part), COLUMNS) * step + GAP, rows * (step + below) + GAP), "white")
    pen = ImageDraw.Draw(canvas)
    for number, one in enumerate(part):
        corner = GAP + number % COLUMNS * step, GAP + number // COLUMNS * (step + below)
        canvas.paste(outlined(one), corner)
        pen.text((corner[0], corner[1] + CELL + 1), f"{one.entry.row}" + ("" if one.score is None else f"  {one.score:.2f}"), fill="black")
    return canvas


def outlined(one: Shown) -> Image.Image:
    """The picture in a cell, its regions drawn."""
    assert one.path is not None
    try:
        with Image.open(one.path) as picture:
            small: Image.Image = picture.convert("RGB")
    except OSError:
        return Image.new("RGB", (CELL, CELL), "#dddddd")
    small.thumbnail((CELL, CELL))
    pen = ImageDraw.Draw(small)
    for at, region in enumerate(regions_of(one.job)):
        corners = [(x * (small.width - 1), y * (small.height - 1)) for x, y in outline(region)[0]]
        pen.line([*corners, corners[0]], fill=colour_of(at), width=2)
    return small
