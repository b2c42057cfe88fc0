"""How well masks from words meet the objects that they name, against the analytic evaluator, on the small model.

    python tests/fidelity/words.py [--singles 36] [--part "2 columns=12"] [--threshold 0.4] [--words object] [--kept FOLDER]

Every layout's plain prompt is sampled with one region for each object whose words are in it (*object*: colour and shape,
"red star"; *shape*: "star"; *colour*: "red"). These regions have weight 0, so that the picture stays the plain one. *IoU*: the found
mask against the outline of the one object of that colour and shape in the picture; objects that are not there once are not counted.
*no object*: the share of these.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from suite import Case, Wish, cases, payload, singles  # noqa: E402

from lib_regional.request.infotext import find_in_text  # noqa: E402
from lib_regional.standalone.train.measures.evaluate import find_objects  # noqa: E402
from lib_regional.tensors.masks.weight_maps import shape_mask  # noqa: E402

WORDS = {"object": lambda wish: f"{wish.colour} {wish.form}", "shape": lambda wish: wish.form, "colour": lambda wish: wish.colour}


def request_of(case: Case, words: str, threshold: float) -> dict[str, Any]:
    """A txt2img request that finds the words of every object and changes nothing."""
    regions = [{"words": {"text": WORDS[words](wish), "threshold": threshold}, "prompt": wish.text, "weight": 0} for wish in case.wishes]
    return {**payload(case, "plain"), "alwayson_scripts": {"Regional": {"args": [{"enabled": True, "version": 2, "regions": regions}]}}}


def overlap(mask: np.ndarray, picture: np.ndarray, wish: Wish) -> float | None:
    """Intersection over union with the one object of the wish's colour and shape; None where there is not one."""
    found = [one for one in find_objects(picture) if one.matches(wish.colour, wish.form)]
    if len(found) != 1 or found[0].mask is None:
        return None
    outline = found[0].mask
    return float((mask & outline).sum() / max(1, (mask | outline).sum()))


def measured(url: str, case: Case, words: str, threshold: float) -> list[float | None]:
    """`overlap` of every object of a case."""
    answer = requests.post(f"{url}/sdapi/v1/txt2img", json=request_of(case, words, threshold), timeout=900)
    answer.raise_for_status()
    body = answer.json()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(body["images"][0]))).convert("RGB"))
    settings = find_in_text(json.loads(body["info"])["infotexts"][0])
    assert settings is not None
    shapes = [region.shape for region in settings.layout().regions]
    masks = [shape_mask(shape, case.size[1], case.size[0]).numpy() > 0.5 for shape in shapes]
    return [overlap(mask, picture, wish) for mask, wish in zip(masks, case.wishes, strict=True)]


def kept(folder: Path | None, url: str, case: Case, words: str, threshold: float) -> list[float | None]:
    """`measured`, from ``folder`` where an earlier run left it."""
    path = None if folder is None else folder / f"{words}_{threshold}_{case.kind}_{case.number}.json".replace(" ", "_")
    if path is not None and path.exists():
        found: list[float | None] = json.loads(path.read_text())
        return found
    found = measured(url, case, words, threshold)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    return found


def rows(url: str, wanted: Sequence[tuple[str, list[Case]]], args: argparse.Namespace) -> Iterator[str]:
    """The table."""
    yield "| layout | words | threshold | objects | IoU, mean | IoU, median | no object |"
    yield "|---|---|---|---|---|---|---|"
    for kind, layouts in wanted:
        for words in args.words:
            every = [one for case in tqdm(layouts, unit="layout") for one in kept(args.kept, url, case, words, args.threshold)]
            there = [one for one in every if one is not None] or [float("nan")]
            lost = 1 - sum(one is not None for one in every) / max(1, len(every))
            figures = f"{len(every)} | {np.mean(there):.2f} | {np.median(there):.2f} | {lost:.0%}"
            yield f"| {kind} | {words} | {args.threshold:g} | {figures} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--singles", type=int, default=36)
    parser.add_argument("--part", nargs="*", default=["2 columns=12"], metavar="LAYOUT=N", help="the first N of these layouts")
    parser.add_argument("--words", nargs="+", default=["object"], choices=list(WORDS))
    parser.add_argument("--threshold", type=float, default=0.4)
    parser.add_argument("--webui-url", help="a running WebUI; default: the project's own host")
    parser.add_argument("--kept", type=Path, help="keep what is measured in this folder and go on from what it holds")
    args = parser.parse_args()
    most = {kind: int(count) for kind, _, count in (part.partition("=") for part in args.part)}
    wanted = [("single", list(singles(args.singles)))] if args.singles else []
    wanted += [(kind, [case for case in cases() if case.kind == kind and case.number < count]) for kind, count in most.items()]
    print(f"`{shlex.join(['python', 'tests/fidelity/words.py', *sys.argv[1:]])}`\n")
    if args.webui_url:
        print("\n".join(rows(args.webui_url.rstrip("/"), wanted, args)))
        return
    from lib_regional.standalone.server.app import serve

    with serve() as host:
        for line in rows(host.url, wanted, args):
            print(line, flush=True)


if __name__ == "__main__":
    main()
