"""How well masks from words meet the objects that they name, against the analytic evaluator, on the small model.

    python tests/fidelity/words.py [--singles 36] [--part "2 columns=12"] [--threshold 0.4] [--exclusive] [--probe 0.3]
        [--words object] [--kept FOLDER]

Every layout's plain prompt is sampled with one region for each object whose words are in it (*object*: colour and shape,
"red star"; *shape*: "star"; *colour*: "red"). These regions have weight 0, so that the picture stays the plain one. *IoU*: the found
mask against the outline of the one object of that colour and shape in the picture; objects that are not there once are not counted.
*no object*: the share of these. *as asked*: pictures with the objects of the prompt and no other; in the others the network has put words
of the prompt where they do not belong (a purple circle where a yellow circle and a purple diamond were wanted), and finds them there.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Measured:
    """A picture: the overlap of each word's mask, None without an object to compare; and whether it has the prompt's objects alone."""

    overlaps: list[float | None]
    as_asked: bool


WORDS = {"object": lambda wish: f"{wish.colour} {wish.form}", "shape": lambda wish: wish.form, "colour": lambda wish: wish.colour}


def request_of(case: Case, words: str, args: argparse.Namespace) -> dict[str, Any]:
    """A txt2img request that finds the words of every object and changes nothing."""
    options = {"threshold": args.threshold, "exclusive": args.exclusive, "probe": args.probe}
    regions = [{"words": {"text": WORDS[words](wish), **options}, "prompt": wish.text, "weight": 0} for wish in case.wishes]
    return {**payload(case, "plain"), "alwayson_scripts": {"Regional": {"args": [{"enabled": True, "version": 2, "regions": regions}]}}}


def overlap(mask: np.ndarray, picture: np.ndarray, wish: Wish) -> float | None:
    """Intersection over union with the one object of the wish's colour and shape; None where there is not one."""
    found = [one for one in find_objects(picture) if one.matches(wish.colour, wish.form)]
    if len(found) != 1 or found[0].mask is None:
        return None
    outline = found[0].mask
    return float((mask & outline).sum() / max(1, (mask | outline).sum()))


def measured(url: str, case: Case, words: str, args: argparse.Namespace) -> Measured:
    """A case's picture and the masks of its words."""
    answer = requests.post(f"{url}/sdapi/v1/txt2img", json=request_of(case, words, args), timeout=900)
    answer.raise_for_status()
    body = answer.json()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(body["images"][0]))).convert("RGB"))
    settings = find_in_text(json.loads(body["info"])["infotexts"][0])
    assert settings is not None
    shapes = [region.shape for region in settings.layout().regions]
    masks = [shape_mask(shape, case.size[1], case.size[0]).numpy() > 0.5 for shape in shapes]
    overlaps = [overlap(mask, picture, wish) for mask, wish in zip(masks, case.wishes, strict=True)]
    return Measured(overlaps, None not in overlaps and len(find_objects(picture)) == len(case.wishes))


def kept(url: str, case: Case, words: str, args: argparse.Namespace) -> Measured:
    """`measured`, from the folder ``--kept`` where an earlier run left it."""
    if args.kept is None:
        return measured(url, case, words, args)
    options = f"{words}_{args.threshold}_{args.probe}{'_exclusive' if args.exclusive else ''}"
    path = args.kept / f"{options}_{case.kind}_{case.number}.json".replace(" ", "_")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(measured(url, case, words, args))))
    return Measured(**json.loads(path.read_text()))


def rows(url: str, wanted: Sequence[tuple[str, list[Case]]], args: argparse.Namespace) -> Iterator[str]:
    """The table."""
    yield "| layout | words | pictures | objects | IoU, mean | IoU, median | no object |"
    yield "|---|---|---|---|---|---|---|"
    for kind, layouts in wanted:
        for words in args.words:
            every = [kept(url, case, words, args) for case in tqdm(layouts, unit="layout")]
            yield f"| {kind} | {words} | all | {figures(every)} |"
            yield f"| {kind} | {words} | as asked | {figures([one for one in every if one.as_asked])} |"


def figures(every: Sequence[Measured]) -> str:
    """Objects, mean and median overlap, and the share of objects that could not be compared."""
    found = [one for picture in every for one in picture.overlaps]
    there = [one for one in found if one is not None] or [float("nan")]
    lost = 1 - sum(one is not None for one in found) / max(1, len(found))
    return f"{len(found)} | {np.mean(there):.2f} | {np.median(there):.2f} | {lost:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--singles", type=int, default=36)
    parser.add_argument("--part", nargs="*", default=["2 columns=12"], metavar="LAYOUT=N", help="the first N of these layouts")
    parser.add_argument("--words", nargs="+", default=["object"], choices=list(WORDS))
    parser.add_argument("--threshold", type=float, default=0.4)
    parser.add_argument("--exclusive", action="store_true")
    parser.add_argument("--probe", type=float, default=0.3)
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
