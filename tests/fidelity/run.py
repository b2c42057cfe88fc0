"""The whole suite on the small model: a table and picture sheets.

    python tests/fidelity/run.py [--methods plain attention_couple] [--share 1.0] [--webui-url URL …] [--out docs] [--kept FOLDER]

Writes ``<name>.md`` and ``images/<name>_<method>.png`` into ``--out``; the name is ``fidelity``. With ``--kept`` every picture is kept
there as soon as it is made and not made again: a run that is stopped goes on where it was. ``--part "2 columns=12"`` makes a part alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import queue
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image, ImageDraw
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from measure import Figures, Make, Picture, Result, figures, run  # noqa: E402
from suite import KINDS, SAMPLING, VARIANTS, Case, cases, singles  # noqa: E402

COMMAND = "python tests/fidelity/run.py"


def over_http(*urls: str) -> Make:
    """Make pictures through the API of one WebUI or of several, each of which makes one picture at a time."""
    free: queue.Queue[str] = queue.Queue()
    for url in urls:
        free.put(url.rstrip("/"))

    def make(request: dict[str, Any]) -> Picture:
        url = free.get()
        try:
            answer = requests.post(f"{url}/sdapi/v1/txt2img", json=request, timeout=600)
        finally:
            free.put(url)
        answer.raise_for_status()
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).convert("RGB"))

    return make


def kept_in(folder: Path, make: Make) -> Make:
    """Make what ``folder`` does not hold yet, and keep it there under a digest of the request."""
    folder.mkdir(parents=True, exist_ok=True)

    def made(request: dict[str, Any]) -> Picture:
        path = folder / f"{hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:24]}.png"
        if not path.exists():
            beside = path.with_suffix(".tmp")
            Image.fromarray(make(request)).save(beside, "PNG")
            beside.replace(path)
        return np.asarray(Image.open(path).convert("RGB"))

    return made


@contextmanager
def served(urls: Sequence[str] = ()) -> Iterator[Make]:
    """The WebUIs at ``urls``, or the project's own host for as long as the context lasts."""
    if urls:
        yield over_http(*urls)
        return
    from lib_regional.standalone.server.app import serve

    with serve() as own:
        yield over_http(own.url)


def rows(results: dict[str, list[Result]], single: Figures) -> Iterator[str]:
    """Lines of the table, one per kind and method; nothing is divided by ``single`` if it has no pictures."""
    divided = ["÷ single"] if single.pictures else []
    names = ["layout", "method", "pictures", "placed", *divided, *"all placed,right colour,missing,leak,extra,straddling,seam".split(",")]
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    made_kinds = {result.case.kind for made in results.values() for result in made}
    for kind in filter(made_kinds.__contains__, KINDS):
        for method, made in results.items():
            f = figures([r for r in made if r.case.kind == kind])
            ratio = [f.placed / max(1e-9, single.placed)] if single.pictures else []
            shares = (*ratio, f.complete, f.colour, f.missing, f.leak, f.extra, f.straddling)
            cells = (kind, method, f.pictures, f"{f.placed:.0%} ± {f.error:.0%}", *(f"{share:.0%}" for share in shares), f"{f.seam:.2f}")
            yield f"| {' | '.join(map(str, cells))} |"


LEGEND = """\
*placed*: a clear object of the colour and shape asked for lies in its region (share of regions, ± standard error). *all placed*: every
region of the picture is right. *missing*: the region is empty. *leak*: the region holds an object in another region's colour. *extra*: it
holds more objects than the one asked for. *straddling*: pictures with an object across a border or of two colours. *seam*: jump across the
border ÷ jump across parallel lines (median; textures alone make it differ from 1, compare with the plain row)."""


def document(results: dict[str, list[Result]], single: Figures, command: str, name: str = "fidelity") -> str:
    """The report in Markdown."""
    reached = [
        f"**Single object on the whole canvas, plain prompt: {single.placed:.0%}** right in colour and shape",
        f"({single.pictures} pictures, colour alone {single.colour:.0%}): the most that placing could reach.",
        "",
    ]
    return "\n".join(
        [
            "# Fidelity on the small model",
            "",
            f"Made by `{command}` ({', '.join(f'{k} {v}' for k, v in SAMPLING.items())}).",
            "",
            *(reached if single.pictures else []),
            *rows(results, single),
            "",
            LEGEND,
            "",
            *[f"![{method}](images/{picture_name(method, name)})" for method in results],
            "",
        ]
    )


def picture_name(method: str, name: str = "fidelity") -> str:
    """File name of a method's sheet in the report ``name``."""
    return f"{name}_{re.sub(r'[^a-z0-9]+', '_', method)}.png"


def annotated(result: Result) -> Image.Image:
    """The picture with its regions' outlines: green where the object is right."""
    picture = Image.fromarray(result.picture).resize([2 * s for s in result.case.size], Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    for wish, region in zip(result.case.wishes, result.judgement.regions, strict=True):
        colour = "#37d067" if region.right else "#ff4d4d"
        flat = wish.shape.get("polygon") or [wish.shape["box"][:2], wish.shape["box"][2:]]
        points = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in flat]
        if "polygon" in wish.shape:
            pen.line([*points, points[0]], fill=colour, width=2)
        else:
            pen.rectangle([*points[0], *points[1]], outline=colour, width=2)
        x, y = min(p[0] for p in points) + 4, min(p[1] for p in points) + 3
        pen.text((x, y), wish.text[2:], fill="white", stroke_width=2, stroke_fill="black")
    return picture


def sheet(results: list[Result], columns: int = 6) -> Image.Image:
    """The first pictures of every kind, a row each."""
    lines = [[annotated(r) for r in results if r.case.kind == kind][:columns] for kind in KINDS]
    width = max(sum(p.width + 8 for p in line) for line in lines)
    canvas = Image.new("RGB", (width, sum(line[0].height + 8 for line in lines if line)), "white")
    y = 0
    for line in filter(None, lines):
        x = 0
        for picture in line:
            canvas.paste(picture, (x, y))
            x += picture.width + 8
        y += line[0].height + 8
    return canvas


def keep(made: list[Result], method: str, out: Path, name: str = "fidelity") -> None:
    """Write a method's sheet as soon as it is complete: a run that is stopped leaves what it has."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    sheet(made).quantize(128).save(out / "images" / picture_name(method, name), optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["plain", *VARIANTS], choices=["plain", *VARIANTS])
    parser.add_argument("--share", type=float, default=1.0, help="share of every kind of layout to make")
    parser.add_argument("--singles", type=int, default=144)
    parser.add_argument("--webui-url", nargs="+", default=[], help="running WebUIs to share the work; default: the project's own host")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--kept", type=Path, help="keep pictures in this folder and go on from what it holds")
    parser.add_argument("--part", nargs="+", default=[], metavar="LAYOUT=N", help="only the first N of these layouts")
    parser.add_argument("--name", default="fidelity", help="name of the report and of its sheets")
    args = parser.parse_args()
    most = {kind: int(count) for kind, _, count in (part.partition("=") for part in args.part)}
    wanted: list[Case] = [case for case in cases(args.share) if not most or case.number < most.get(case.kind, 0)]
    workers = max(1, len(args.webui_url))
    with served(args.webui_url) as host, tqdm(total=args.singles + len(wanted) * len(args.methods), unit="picture") as bar:
        make = kept_in(args.kept, host) if args.kept else host
        single = figures(run(singles(args.singles), "plain", make, workers, bar.update))
        results: dict[str, list[Result]] = {}
        for method in args.methods:
            results[method] = run(wanted, method, make, workers, bar.update)
            keep(results[method], method, args.out, args.name)
            print("\n".join(rows({method: results[method]}, single)), flush=True)
    text = document(results, single, shlex.join([*COMMAND.split(), *sys.argv[1:]]), args.name)
    (args.out / f"{args.name}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
