"""From rows of results to a page in Markdown and a sheet of pictures.

The page is written by hand but for its blocks, ``<!-- name -->`` to ``<!-- /name -->``: those come from the results alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median

from measure import Figures, Marks, figures
from PIL import Image, ImageDraw
from results import Results, Row
from suite import KINDS, Case

LEGEND = """\
*placed*: a clear object of the colour and shape asked for lies in its region (share of regions, ± standard error). *all placed*: every
region of the picture is right. *missing*: the region is empty. *leak*: the region holds an object in another region's colour. *extra*: it
holds more objects than the one asked for. *straddling*: pictures with an object across a border or of two colours. *seam*: jump across the
border ÷ jump across parallel lines (median; textures alone make it differ from 1, compare with the plain row)."""


def marks_of(rows: Sequence[Row]) -> list[Marks]:
    """What the figures are made from."""
    return [row.marks for row in rows]


def table(heads: Sequence[str], lines: Iterator[Sequence[object]]) -> str:
    """A table in Markdown."""
    written = [f"| {' | '.join(map(str, cells))} |" for cells in lines]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *written])


def single_of(results: Results, sampling: str) -> Figures:
    """Figures of one object on the whole canvas by the plain prompt: the most that placing could reach."""
    return figures(marks_of(results.of("plain", sampling, "single")))


def kinds_of(results: Results, sampling: str, variants: Sequence[str]) -> list[str]:
    """The kinds of layout that have pictures, in the order of the suite."""
    made = {row.kind for row in results.rows.values() if row.sampling == sampling and row.variant in variants}
    return [kind for kind in KINDS if kind in made]


def overview(results: Results, sampling: str, variants: Sequence[str]) -> str:
    """Placed and all placed in every kind of layout, and time ÷ the plain prompt's: a line per variant."""
    kinds = kinds_of(results, sampling, variants)

    def lines() -> Iterator[list[object]]:
        for variant in variants:
            of_kinds = [results.of(variant, sampling, kind) for kind in kinds]
            if not any(of_kinds):
                continue
            each = [figures(marks_of(rows)) for rows in of_kinds if rows]
            cells = [_both(figures(marks_of(rows))) if rows else "–" for rows in of_kinds]
            whole = f"**{mean(f.placed for f in each):.0%}** / {mean(f.complete for f in each):.0%}" if all(of_kinds) else "–"
            yield [variant, *cells, whole, _time(results, variant, sampling)]

    counts = [_count(results, sampling, variants, kind) for kind in kinds]
    heads = [f"{kind} ({count})" for kind, count in zip(kinds, counts, strict=True)]
    return table(["placed / all placed (pictures)", *heads, "mean of the kinds", "time"], lines())


def _both(f: Figures) -> str:
    return f"{f.placed:.0%} / {f.complete:.0%}"


def _count(results: Results, sampling: str, variants: Sequence[str], kind: str) -> str:
    """How many pictures the variants have of a kind: one number, or the least and the most."""
    counts = {len(results.of(variant, sampling, kind)) for variant in variants} - {0}
    return str(max(counts)) if len(counts) == 1 else f"{min(counts)}–{max(counts)}"


def _time(results: Results, variant: str, sampling: str) -> str:
    """Median over the layouts of the time ÷ that of the plain prompt for the same layout."""
    plain = {(row.kind, row.number): row.seconds for row in results.of("plain", sampling)}
    rows = results.of(variant, sampling)
    ratios = [row.seconds / plain[row.kind, row.number] for row in rows if plain.get((row.kind, row.number))]
    return f"{median(ratios):.2f}" if ratios else "–"


def details(results: Results, sampling: str, variants: Sequence[str]) -> str:
    """Every figure of every kind and variant."""
    single = single_of(results, sampling)

    def lines() -> Iterator[list[object]]:
        for kind in kinds_of(results, sampling, variants):
            for variant in variants:
                f = figures(marks_of(results.of(variant, sampling, kind)))
                if f.pictures:
                    ratio = f"{f.placed / single.placed:.0%}" if single.placed else "–"
                    shares = (f.complete, f.colour, f.missing, f.leak, f.extra, f.straddling)
                    placed = f"{f.placed:.0%} ± {f.error:.0%}"
                    yield [kind, variant, f.pictures, placed, ratio, *(f"{share:.0%}" for share in shares), f"{f.seam:.2f}"]

    names = "layout,method,pictures,placed,÷ single,all placed,right colour,missing,leak,extra,straddling,seam"
    return table(names.split(","), lines())


def reached(results: Results, sampling: str) -> str:
    """The line on single objects."""
    f = single_of(results, sampling)
    share = f"**One object on the whole canvas, plain prompt: {f.placed:.0%}** right in colour and shape"
    return f"{share} ({f.pictures} pictures, colour alone {f.colour:.0%}): the most that placing could reach."


def put_block(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->`` of a page. Raises ValueError where it has no such block."""
    before = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    after, count = pattern.subn(lambda found: f"{found[1]}{text}\n{found[2]}", before)
    if count != 1:
        raise ValueError(f'{page} must have one block "{name}", it has {count}.')
    page.write_text(after, encoding="utf-8")


def annotated(picture: Image.Image, case: Case, marks: Marks) -> Image.Image:
    """The picture with its regions' outlines: green where the object is right."""
    pen = ImageDraw.Draw(picture)
    for wish, place in zip(case.wishes, marks.places, strict=True):
        colour = "#37d067" if place.right else "#ff4d4d"
        flat = wish.shape.get("polygon") or [wish.shape["box"][:2], wish.shape["box"][2:]]
        points = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in flat]
        if "polygon" in wish.shape:
            pen.line([*points, points[0]], fill=colour, width=1)
        else:
            pen.rectangle([*points[0], *points[1]], outline=colour, width=1)
    return picture


def sheet(results: Results, sampling: str, variants: Sequence[str], layouts: Sequence[Case], label: int = 170) -> Image.Image:
    """One line per variant, one column per layout."""
    widths, height = [case.size[0] + 4 for case in layouts], max(case.size[1] for case in layouts) + 4
    canvas = Image.new("RGB", (label + sum(widths), height * len(variants)), "white")
    pen = ImageDraw.Draw(canvas)
    for line, variant in enumerate(variants):
        pen.text((4, line * height + height // 2 - 6), variant, fill="black")
        rows = {(row.kind, row.number): row for row in results.of(variant, sampling)}
        for column, case in enumerate(layouts):
            row = rows.get((case.kind, case.number))
            if row is not None:
                place = (label + sum(widths[:column]), line * height)
                canvas.paste(annotated(results.picture(row), case, row.marks), place)
    return canvas
