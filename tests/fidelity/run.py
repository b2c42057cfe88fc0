"""The fidelity suite on the small model: every method on every layout, into one table.

    python tests/fidelity/run.py [--sample N] [--methods plain rag …] [--results FOLDER] [--report] [--webui-url URL …]

Every picture is judged as soon as it is made and kept in ``--results``: a second start goes on from there. ``--sample N`` takes the first N
layouts of every kind. docs/fidelity.md is written from what the folder holds, by ``--report`` without making anything; a choice of
methods is printed, or written to ``--page``. ``--sampler``, ``--steps`` and ``--cfg`` make a table of their own, ``--coherence`` that of
coherence.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import queue
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from coherence import across_cases, coherence_table, seeds_cases  # noqa: E402
from measure import Make, Picture, assess  # noqa: E402
from peers import PEERS  # noqa: E402
from report import LEGEND, details, overview, put_block, reached, sheet  # noqa: E402
from results import OtherResults, Results, Row, digest, in_turns  # noqa: E402
from suite import KINDS, SAMPLING, TABLE, VARIANTS, Case, cases, payload, sampling_text, singles  # noqa: E402


def over_http(*urls: str) -> Make:
    """Make pictures through the API of one WebUI or of several, each of which makes one picture at a time."""
    free: queue.Queue[str] = queue.Queue()
    for url in urls:
        free.put(url.rstrip("/"))

    def make(request: dict[str, Any]) -> Picture:
        url = free.get()
        try:
            answer = requests.post(f"{url}/sdapi/v1/txt2img", json=request, timeout=1800)
        finally:
            free.put(url)
        answer.raise_for_status()
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).convert("RGB"))

    return make


@contextmanager
def served(urls: Sequence[str] = ()) -> Iterator[Make]:
    """The WebUIs at ``urls``, or the project's own host for as long as the context lasts."""
    if urls:
        yield over_http(*urls)
        return
    from lib_regional.standalone.server.app import serve

    with serve() as own:
        yield over_http(own.url)


def origin(urls: Sequence[str]) -> dict[str, str]:
    """Host and checkpoint. Raises OtherResults where the WebUIs have different ones."""
    if not urls:
        from lib_regional.standalone.model import CHECKPOINT

        return {"host": "standalone", "checkpoint": hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()[:12]}
    loaded = {requests.get(f"{url.rstrip('/')}/sdapi/v1/options", timeout=60).json()["sd_model_checkpoint"] for url in urls}
    if len(loaded) != 1:
        raise OtherResults(f"The WebUIs must have the same checkpoint, they have {sorted(loaded)}.")
    return {"host": "WebUI", "checkpoint": loaded.pop()}


def request_of(case: Case, variant: str, sampling: dict[str, Any], lora: str = "") -> dict[str, Any] | None:
    """The request for a layout, with a LoRA on the whole picture where one is named; None where another tool cannot be asked for it."""
    request = PEERS[variant](case, sampling) if variant in PEERS else payload(case, variant, sampling)
    if request is not None and lora:
        request["prompt"] += f" <lora:{lora}:1>"
    return request


def make_rows(tasks: Sequence[tuple[Case, str]], results: Results, sampling: dict[str, Any], urls: Sequence[str], lora: str = "") -> None:
    """Make and judge what ``results`` lacks."""
    text = sampling_text(sampling, lora)
    asked = ((case, variant, request_of(case, variant, sampling, lora)) for case, variant in tasks)
    wanted = [(case, variant, request) for case, variant, request in asked if request is not None]
    todo = [
        (case, variant, request)
        for case, variant, request in wanted
        if not results.has((variant, text, case.kind, case.number, case.seed), digest(request))
    ]
    clock: Callable[[], float] = time.perf_counter if urls else time.process_time
    with served(urls) as make, tqdm(total=len(wanted), initial=len(wanted) - len(todo), unit="picture") as bar:

        def one(task: tuple[Case, str, dict[str, Any]]) -> tuple[Row, Picture]:
            case, variant, request = task
            began = clock()
            picture = make(request)
            seconds = round(clock() - began, 3)
            marks = assess(case, variant, picture).marks
            return Row(variant, text, case.kind, case.number, case.seed, digest(request), seconds, marks), picture

        with ThreadPoolExecutor(max(1, len(urls))) as pool:
            for row, picture in pool.map(one, todo):
                results.add(row, picture)
                bar.update()


PAGE = Path("docs/fidelity.md")


def blocks_of(sampling: dict[str, Any]) -> tuple[str, ...]:
    """The blocks of the page that are written: with the suite's own sampling all, with another one its own."""
    return ("overview", "details", "coherence") if sampling == SAMPLING else (sampling_text(sampling),)


def check_page(page: Path, sampling: dict[str, Any]) -> None:
    """Ends the program where the page, or a block of it, is missing: before anything is made."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    missing = [name for name in blocks_of(sampling) if f"<!-- {name} -->\n" not in text]
    if missing:
        lines = ", ".join(f'"<!-- {name} -->" and "<!-- /{name} -->"' for name in missing)
        raise SystemExit(f"--page {page} must have the lines {lines}: the tables are written between them.")


def made_of(results: Results, variant: str, sampling: str) -> set[tuple[str, int]]:
    """(kind, number) of the layouts that a variant has."""
    return {(row.kind, row.number) for row in results.of(variant, sampling)}


def write_page(page: Path, results: Results, sampling: dict[str, Any], variants: Sequence[str]) -> None:
    """The blocks of the page, and with the suite's own sampling its sheet."""
    text = sampling_text(sampling)
    head = f"{text}.\n\n{reached(results, text)}\n\n"
    if sampling != SAMPLING:
        put_block(page, text, head + overview(results, text, variants))
        return
    put_block(page, "overview", head + overview(results, text, variants))
    put_block(page, "details", details(results, text, variants) + f"\n\n{LEGEND}")
    put_block(page, "coherence", coherence_table(results, text, variants, ACROSS, SEEDS))
    first = {row.kind: row.number for row in reversed(results.of(variants[0], text)) if row.kind in KINDS}
    layouts = [case for case in cases() if first.get(case.kind) == case.number]
    if layouts:
        image = page.parent / "images" / f"{page.stem}.png"
        image.parent.mkdir(exist_ok=True)
        shown = [variant for variant in variants if 2 * len(made_of(results, variant, text) & set(first.items())) >= len(layouts)]
        sheet(results, text, shown, layouts).quantize(128).save(image, optimize=True)


SEED_STEP = 7919
"""Between the seeds of one layout."""
ACROSS, SEEDS = 12, 4
"""Layouts with an object over a border, and layouts with several seeds."""


def layouts_of(sample: int | None, part: Sequence[str], seeds: int = 1) -> list[Case]:
    """The first ``sample`` layouts of every kind, or those that ``part`` names (``"2 columns=12"``), each with this many seeds."""
    most = {kind: int(count) for kind, _, count in (one.partition("=") for one in part)}
    unknown = sorted(set(most) - set(KINDS))
    if unknown:
        raise SystemExit(f"--part names {unknown}; kinds of layout are {', '.join(KINDS)}.")
    limit = {kind: (most.get(kind, 0) if most else (sample or count)) for kind, (count, _, _) in KINDS.items()}
    chosen = [case for case in cases() if case.number < limit[case.kind]]
    return [replace(case, seed=(case.seed + SEED_STEP * n) % 2**31) for n in range(seeds) for case in chosen]


def coherence_layouts(sample: int | None) -> list[Case]:
    """What the table of coherence needs beside the suite: ``sample`` layouts with an object across, a third as many with seeds."""
    across = min(ACROSS, sample or ACROSS)
    return [*across_cases(across), *seeds_cases(min(SEEDS, -(-across // 3)))]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=list(TABLE), choices=["plain", *VARIANTS, *PEERS])
    parser.add_argument("--sample", type=int, help="make the first N layouts of every kind; default: the whole suite")
    parser.add_argument("--part", nargs="+", default=[], metavar="LAYOUT=N", help="only the first N of these layouts")
    parser.add_argument("--seeds", type=int, default=1, help="make every layout with this many seeds, the suite's own first")
    parser.add_argument("--singles", type=int, default=144, help="pictures of one object on the whole canvas")
    parser.add_argument("--results", type=Path, default=Path("outputs/fidelity"), help="folder that keeps what was made, to go on from")
    parser.add_argument("--coherence", action="store_true", help="make the layouts of the table of coherence instead of the suite's")
    parser.add_argument("--report", action="store_true", help="make nothing, write the page from the results")
    parser.add_argument("--page", type=Path, help="where the tables go; by default those of every method go to docs/fidelity.md")
    parser.add_argument("--webui-url", nargs="+", default=[], help="running WebUIs to share the work; default: the project's own host")
    parser.add_argument("--sampler", default=SAMPLING["sampler_name"])
    parser.add_argument("--steps", type=int, default=SAMPLING["steps"])
    parser.add_argument("--cfg", type=float, default=SAMPLING["cfg_scale"])
    return parser.parse_args()


def page_of(given: Path | None, methods: Sequence[str], sampling: dict[str, Any]) -> Path | None:
    """The page to write: the one that is named, or the project's own where everything of it is made."""
    return given or (PAGE if tuple(methods) == TABLE and sampling == SAMPLING else None)


def main() -> None:
    args = arguments()
    others = sorted(set(args.methods) & set(PEERS))
    if others and not args.webui_url and not args.report:
        raise SystemExit(f"--methods {', '.join(others)} need --webui-url: a WebUI with those extensions.")
    sampling = {"sampler_name": args.sampler, "steps": args.steps, "cfg_scale": args.cfg}
    page, text = page_of(args.page, args.methods, sampling), sampling_text(sampling)
    if page is not None:
        check_page(page, sampling)
    try:
        results = Results(args.results, None if args.report else origin(args.webui_url))
    except OtherResults as error:
        raise SystemExit(str(error)) from error
    if not args.report:
        layouts = coherence_layouts(args.sample) if args.coherence else layouts_of(args.sample, args.part, args.seeds)
        tasks = list(in_turns(layouts, args.methods, list(singles(0 if args.coherence else args.singles))))
        make_rows(tasks, results, sampling, args.webui_url)
    if page is not None:
        write_page(page, results, sampling, args.methods)
    print(reached(results, text), overview(results, text, args.methods), details(results, text, args.methods), sep="\n\n")
    if args.coherence:
        print(coherence_table(results, text, args.methods, ACROSS, SEEDS))


if __name__ == "__main__":
    main()
