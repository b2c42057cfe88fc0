"""What the regions' scores are worth: against the analytic evaluator, and as a choice among candidates, on the small model.

    python tests/fidelity/scores.py [--methods attention_couple] [--part quadrants=24] [--candidates 4] [--kept FOLDER]

Every layout is asked for once with ``candidates`` and ``keep: all``. *AUC*: the chance that a region which the evaluator finds right has a
higher score than one that it does not. *all right*: pictures with every region right, the first candidate (the seed asked for, without
scores) and the best one by its score; *best possible*: layouts of which any candidate is all right.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from measure import assess  # noqa: E402
from suite import VARIANTS, Case, cases, payload  # noqa: E402


@dataclass(frozen=True)
class Judged:
    """One candidate: its seed, the score of each region (None without), and whether the evaluator finds it right."""

    seed: int
    scores: tuple[float | None, ...]
    right: tuple[bool, ...]

    @property
    def all_right(self) -> bool:
        """Whether every region is."""
        return all(self.right)


def auc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The chance that one of ``right`` is above one of ``wrong``; equal ones count a half."""
    pairs = [(a > b) + 0.5 * (a == b) for a in right for b in wrong]
    return sum(pairs) / len(pairs) if pairs else float("nan")


def region_auc(pictures: Sequence[Judged]) -> float:
    """`auc` of all regions that have a score."""
    rows = [(s, r) for picture in pictures for s, r in zip(picture.scores, picture.right, strict=True) if s is not None]
    return auc([s for s, r in rows if r], [s for s, r in rows if not r])


def made(url: str, case: Case, method: str, candidates: int) -> list[Judged]:
    """The candidates of a case, the best first."""
    request = payload(case, method)
    settings = request["alwayson_scripts"]["Regional"]["args"][0]
    settings.setdefault("options", {})["scores"] = {"candidates": candidates, "keep": "all"}
    answer = requests.post(f"{url}/sdapi/v1/txt2img", json=request, timeout=900)
    answer.raise_for_status()
    body = answer.json()
    info = json.loads(body["info"])
    data = info["extra_generation_params"]["Regional scores"]
    found = []
    for image, seed, scores in zip(body["images"], info["all_seeds"], data, strict=True):
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))
        regions = assess(case, method, picture).judgement.regions
        found.append(Judged(seed, tuple(scores["regions"]), tuple(region.right for region in regions)))
    return found


def kept(folder: Path | None, url: str, case: Case, method: str, candidates: int) -> list[Judged]:
    """`made`, from ``folder`` where an earlier run left it."""
    path = None if folder is None else folder / f"{method}_{case.kind}_{case.number}_{candidates}.json".replace(" ", "_")
    if path is not None and path.exists():
        return [Judged(one["seed"], tuple(one["scores"]), tuple(one["right"])) for one in json.loads(path.read_text())]
    found = made(url, case, method, candidates)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([one.__dict__ for one in found]))
    return found


def row(kind: str, method: str, layouts: dict[int, list[Judged]], seeds: dict[int, int]) -> str:
    """A row of the table."""
    pictures = [picture for found in layouts.values() for picture in found]
    first = [next(picture for picture in found if picture.seed == seeds[number]).all_right for number, found in layouts.items()]
    best, possible = ([choose(one.all_right for one in found) for found in layouts.values()] for choose in (next, any))
    lowest = [(min((s for s in one.scores if s is not None), default=0.0), one.all_right) for one in pictures]
    whole = auc([s for s, right in lowest if right], [s for s, right in lowest if not right])
    every = [right for one in pictures for right in one.right]
    shares = [f"{sum(part) / len(part):.0%}" for part in (every, first, best, possible)]
    cells = [kind, method, str(len(pictures)), f"{region_auc(pictures):.3f}", f"{whole:.3f}", *shares]
    return f"| {' | '.join(cells)} |"


def lines(url: str, args: argparse.Namespace) -> Iterator[str]:
    """The table."""
    heads = "layout,method,pictures,AUC of regions,AUC of pictures,regions right,all right,best by score,best possible".split(",")
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    most = {kind: int(count) for kind, _, count in (part.partition("=") for part in args.part)}
    for method in args.methods:
        for kind, count in most.items():
            wanted = [case for case in cases() if case.kind == kind and case.number < count]
            layouts = {one.number: kept(args.kept, url, one, method, args.candidates) for one in tqdm(wanted, unit="layout")}
            yield row(kind, method, layouts, {one.number: one.seed for one in wanted})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["attention_couple"], choices=list(VARIANTS))
    parser.add_argument("--part", nargs="+", default=["quadrants=24"], metavar="LAYOUT=N", help="the first N of these layouts")
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--webui-url", help="a running WebUI; default: the project's own host")
    parser.add_argument("--kept", type=Path, help="keep what is judged in this folder and go on from what it holds")
    args = parser.parse_args()
    print(f"`{shlex.join(['python', 'tests/fidelity/scores.py', *sys.argv[1:]])}`\n")
    if args.webui_url:
        print("\n".join(lines(args.webui_url.rstrip("/"), args)))
        return
    from lib_regional.standalone.server.app import serve

    with serve() as host:
        for line in lines(host.url, args):
            print(line, flush=True)


if __name__ == "__main__":
    main()
