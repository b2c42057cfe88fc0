"""The suite of edits on the small model: tables and picture sheets.

    python tests/fidelity/edits.py [--methods …] [--ablations] [--first N] [--keep FOLDER [--part I/N]] [--webui-url URL] [--out docs]

Writes ``mrgd_table.md`` (``mrgd_ablations.md`` with ``--ablations``) and ``images/edits_<kind>.png`` into ``--out``. With ``--keep``
finished pictures are kept in a folder and not made again, and every outcome is a line of ``outcomes.jsonl`` there: a run can be cut off
and taken up again, or shared by processes that each make a ``--part`` of the pairs and write no table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from edits_measure import Make, Outcome, Picture, means, run  # noqa: E402
from edits_suite import ABLATIONS, KINDS, REWORDED, SAMPLING, VARIANTS, WIDER, Edit, edits, in_proportion, payload  # noqa: E402

from run import served  # noqa: E402

COMMAND = "python tests/fidelity/edits.py"
EVERY = (*KINDS, *WIDER)


def file_name(request: dict[str, Any]) -> str:
    """Under which the picture of ``request`` is kept."""
    return f"{hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:24]}.png"


def are_kept(edit: Edit, variants: Iterable[dict[str, Any]], folder: Path) -> bool:
    """Whether every picture of a pair is there."""
    return all((folder / file_name(payload(edit, own, edited=edited))).exists() for own in variants for edited in (False, True))


def never(request: dict[str, Any]) -> Picture:
    """Makes no picture."""
    raise AssertionError("a finished pair lacks a picture")


def keeping(make: Make, folder: Path | None) -> Make:
    """As ``make``, but nothing is made twice; with a ``folder`` not even by another run."""
    known: dict[str, Picture] = {}

    def kept(request: dict[str, Any]) -> Picture:
        name = file_name(request)
        file = folder / name if folder else None
        if name not in known and file is not None and file.exists():
            known[name] = np.asarray(Image.open(file).convert("RGB"))
        if name not in known:
            known[name] = make(request)
            if file is not None:
                Image.fromarray(known[name]).save(file)
        return known[name]

    return kept


def noting(folder: Path, bar: tqdm[Any]) -> Callable[[str, Outcome], None]:
    """Writes a line of JSON for every outcome."""

    def note(method: str, outcome: Outcome) -> None:
        figures = {"success": outcome.success, "ssim_i": round(outcome.ssim_i, 4), "ssim_e": round(outcome.ssim_e, 4)}
        line = {"kind": outcome.edit.kind, "number": outcome.edit.number, "method": method, **figures}
        with (folder / "outcomes.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        bar.update()

    return note


def table(results: dict[str, list[Outcome]]) -> list[str]:
    """Lines of the table: per method and kind, success and both similarities."""
    every = next(iter(results.values()))
    kinds = [kind for kind in EVERY if any(outcome.edit.kind == kind for outcome in every)]
    lines = ["| method | " + " | ".join(f"{kind}: success | SSIM-e | SSIM-i" for kind in kinds) + " |", "|---|" + "---|" * 3 * len(kinds)]
    for method, outcomes in results.items():
        cells = []
        for kind in kinds:
            row = means([outcome for outcome in outcomes if outcome.edit.kind == kind])
            cells += [f"{row.success:.0%} ± {row.error:.0%}", f"{row.ssim_e:.3f}", f"{row.ssim_i:.3f}"]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def document(results: dict[str, list[Outcome]], command: str) -> str:
    """A table with how it was made."""
    counts = {kind: sum(outcome.edit.kind == kind for outcome in next(iter(results.values()))) for kind in EVERY}
    pairs = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    sampling = ", ".join(f"{k} {v}" for k, v in SAMPLING.items())
    return "\n".join([f"Made by `{command}` ({pairs}; {sampling}).", "", *table(results), ""])


def strip(title: str, picture: Picture, edit: Edit, good: bool | None) -> Image.Image:
    """One picture with its name and the edited place: green where the edit succeeded, white in the source."""
    image = Image.fromarray(picture).resize((edit.size[0] * 3 // 2, edit.size[1] * 3 // 2), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(image)
    x0, y0, x1, y1 = edit.edited["box"]
    colour = "white" if good is None else "#37d067" if good else "#ff4d4d"
    pen.rectangle(
        (x0 * (image.width - 1), y0 * (image.height - 1), x1 * (image.width - 1), y1 * (image.height - 1)), outline=colour, width=2
    )
    pen.text((4, 2), title, fill="white", stroke_width=2, stroke_fill="black")
    return image


def sheet(results: dict[str, list[Outcome]], kind: str, rows: int = 6) -> Image.Image:
    """The first edits of a kind, a row each: the source, then every method."""
    lines = []
    for at, outcome in enumerate([o for o in next(iter(results.values())) if o.edit.kind == kind][:rows]):
        line = [strip("source", outcome.source, outcome.edit, None)]
        for method, outcomes in results.items():
            other = [o for o in outcomes if o.edit.kind == kind][at]
            line.append(strip(method, other.target, other.edit, other.success))
        lines.append(line)
    width = max(sum(image.width + 6 for image in line) for line in lines)
    canvas = Image.new("RGB", (width, sum(line[0].height + 6 for line in lines)), "white")
    y = 0
    for line in lines:
        x = 0
        for image in line:
            canvas.paste(image, (x, y))
            x += image.width + 6
        y += line[0].height + 6
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=[*VARIANTS, *ABLATIONS, *REWORDED])
    parser.add_argument("--ablations", action="store_true", help="MRGD without each of its parts, instead of the methods")
    parser.add_argument("--first", type=int, help="this many edits, in the suite's proportions; default: all 61")
    parser.add_argument("--kinds", nargs="+", choices=EVERY, default=[*KINDS])
    parser.add_argument(
        "--fresh", type=int, default=0, metavar="N", help="N pairs of each kind beyond the suite's, which nothing was tuned on"
    )
    parser.add_argument("--half", choices=("tuning", "report"), help="pairs of odd or of even numbers alone")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--finished", action="store_true", help="with --keep: only the pairs whose pictures are all there")
    parser.add_argument("--part", help="I/N: make every N-th pair from the I-th on (from 0), and no table")
    parser.add_argument("--webui-url", nargs="+", default=[])
    parser.add_argument("--out", type=Path, default=Path("docs"))
    args = parser.parse_args()
    every = {**VARIANTS, **ABLATIONS, **REWORDED}
    names = args.methods or (["MRGD", *ABLATIONS] if args.ablations else list(VARIANTS))
    wanted = [edit for edit in in_proportion(edits(fresh=args.fresh)) if edit.kind in args.kinds][: args.first]
    if args.half:
        wanted = [edit for edit in wanted if edit.number % 2 == (args.half == "tuning")]
    if args.part:
        at, parts = map(int, args.part.split("/"))
        wanted = wanted[at::parts]
    if args.finished:
        wanted = [edit for edit in wanted if are_kept(edit, [every[name] for name in names], args.keep)]
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    with nullcontext(never) if args.finished else served(args.webui_url) as make, tqdm(total=len(wanted) * len(names), unit="edit") as bar:
        note = noting(args.keep, bar) if args.keep and not args.finished else lambda *_: bar.update()
        results = run(wanted, {name: every[name] for name in names}, keeping(make, args.keep), note)
    if not args.part:
        write(results, args)


def write(results: dict[str, list[Outcome]], args: argparse.Namespace) -> None:
    """The table and the sheets."""
    given = [a for a in sys.argv[1:] if a != "--keep" and a != str(args.keep)]
    text = document(results, " ".join([COMMAND, *given]))
    (args.out / "images").mkdir(parents=True, exist_ok=True)
    (args.out / ("mrgd_ablations.md" if args.ablations else "mrgd_table.md")).write_text(text, encoding="utf-8")
    for kind in () if args.ablations else args.kinds:
        sheet(results, kind).quantize(128).save(args.out / "images" / f"edits_{kind}.png", optimize=True)
    print(text)


if __name__ == "__main__":
    main()
