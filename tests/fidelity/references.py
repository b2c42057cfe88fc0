"""How well regions follow reference pictures, beside what words reach, on the small model and its own adapter.

    python tests/fidelity/references.py [--singles 36] [--part "2 columns=12"] [--method attention_couple] [--weight 1]
        [--sheet references.png]

Every layout is asked for twice: with the regions' texts ("a red circle"), and with a drawn picture of such a thing in another place and on
another ground, without any text. The main prompt names the background alone. *right*: colour and shape, by the evaluator; *leak*: share of
the regions that hold an object in another region's colour; *empty*: without any object. ``--sheet`` draws the first six layouts of the last
kind instead: the regions' references, and the picture below them.
"""

from __future__ import annotations

import argparse
import base64
import io
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image
from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from suite import SAMPLING, Case, Wish, cases, singles  # noqa: E402

from lib_regional.standalone.server.app import create  # noqa: E402
from lib_regional.standalone.train.data.drawing import draw, sheet  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing  # noqa: E402
from lib_regional.standalone.train.measures.evaluate import Judgement, Wanted, judge  # noqa: E402
from lib_regional.tensors.masks.weight_maps import shape_mask  # noqa: E402


def drawn(wish: Wish, number: int) -> str:
    """A data URL of such a thing; place, size and ground follow from the number, which training never sees."""
    rng = np.random.default_rng((4711, number))
    x, y, radius = rng.uniform(48, 80), rng.uniform(48, 80), rng.uniform(22, 32)
    ground = str(rng.choice(("sky", "grass", "brick", "sand", "night", "snow")))
    scene = Scene(128, 128, (ground,), (Thing(wish.form, wish.colour, float(x), float(y), float(radius)),))
    buffer = io.BytesIO()
    Image.fromarray(draw(scene)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def request_of(case: Case, by: str, args: argparse.Namespace) -> dict[str, Any]:
    """A txt2img request whose regions have a text or a reference each."""
    regions = []
    for at, wish in enumerate(case.wishes):
        image = drawn(wish, case.number * 16 + at)
        own = {"prompt": wish.text} if by == "words" else {"reference": {"image": image, "weight": args.weight}}
        regions.append({**wish.shape, **own})
    settings = {"version": 2, "enabled": True, "method": args.method, "regions": regions}
    size = {"width": case.size[0], "height": case.size[1], "seed": case.seed}
    script = {"alwayson_scripts": {"Regional": {"args": [settings]}}}
    return {"prompt": case.background, "negative_prompt": "", **size, **SAMPLING, **script}


def made(client: TestClient, case: Case, by: str, args: argparse.Namespace) -> Image.Image:
    """The picture of a case."""
    answer = client.post("/sdapi/v1/txt2img", json=request_of(case, by, args))
    answer.raise_for_status()
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).convert("RGB")


def judged(client: TestClient, case: Case, by: str, args: argparse.Namespace) -> Judgement:
    """What the evaluator says about the picture of a case."""
    picture = np.asarray(made(client, case, by, args))
    width, height = case.size
    return judge(picture, [Wanted(shape_of(wish, height, width), wish.colour, wish.form) for wish in case.wishes])


def shape_of(wish: Wish, height: int, width: int) -> np.ndarray:
    """The wish's region, bool (height, width)."""
    from lib_regional.request.layout.shapes import read_shape

    [(kind, value)] = wish.shape.items()
    return shape_mask(read_shape(kind, value), height, width).numpy() > 0.5


def with_references(client: TestClient, case: Case, args: argparse.Namespace) -> np.ndarray:
    """The case's picture below its regions' references, (H, W, 3)."""
    picture = made(client, case, "reference", args)
    side = picture.width // len(case.wishes)
    shown = Image.new("RGB", (picture.width, side + picture.height), "white")
    for at, wish in enumerate(case.wishes):
        image = drawn(wish, case.number * 16 + at).partition(",")[2]
        shown.paste(Image.open(io.BytesIO(base64.b64decode(image))).resize((side, side)), (side * at, 0))
    shown.paste(picture, (0, side))
    return np.asarray(shown)


def rows(client: TestClient, wanted: Sequence[tuple[str, list[Case]]], args: argparse.Namespace) -> Iterator[str]:
    """The table."""
    yield "| layout | by | regions | right | leak | empty |"
    yield "|---|---|---|---|---|---|"
    for kind, layouts in wanted:
        for by in args.by:
            found = [region for case in tqdm(layouts, unit="layout") for region in judged(client, case, by, args).regions]
            shares = (np.mean([part(one) for one in found]) for part in (lambda r: r.right, lambda r: r.leak > 0, lambda r: r.missing))
            yield f"| {kind} | {by} | {len(found)} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--singles", type=int, default=36)
    parser.add_argument("--part", nargs="*", default=["2 columns=12"], metavar="LAYOUT=N", help="the first N of these layouts")
    parser.add_argument("--by", nargs="*", default=["words", "reference"], choices=("words", "reference"))
    parser.add_argument("--method", default="attention_couple")
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--sheet", type=Path, help="draw six layouts with their references into this file, and judge nothing")
    args = parser.parse_args()
    most = {kind: int(count) for kind, _, count in (part.partition("=") for part in args.part)}
    wanted = [("single", list(singles(args.singles)))] if args.singles else []
    wanted += [(kind, [case for case in cases() if case.kind == kind and case.number < count]) for kind, count in most.items()]
    print(f"`{shlex.join(['python', 'tests/fidelity/references.py', *sys.argv[1:]])}`\n")
    client = TestClient(create()[0], "http://127.0.0.1")
    if args.sheet:
        Image.fromarray(sheet([with_references(client, case, args) for case in wanted[-1][1][:6]], columns=6, gap=4)).save(args.sheet)
        return
    for line in rows(client, wanted, args):
        print(line, flush=True)


if __name__ == "__main__":
    main()
