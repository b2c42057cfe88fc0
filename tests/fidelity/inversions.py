"""Edits of given pictures: the suite's layouts drawn, inverted and edited on the small model.

    python tests/fidelity/inversions.py [--first 6] [--null-text 10] [--lines FILE]

For every pair the source layout is drawn (so the picture is none that the model made), inverted with its layout, and (a) made again
without a change, which is to come as near to the picture as the autoencoder alone does, and (b) edited. With ``--lines`` every
outcome is a line of JSON there, and pairs that have one are not made again.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from edits_measure import Picture, assess  # noqa: E402
from edits_suite import KINDS, SAMPLING, Edit, edits, in_proportion, payload, regions  # noqa: E402

from lib_regional.request.settings import VERSION  # noqa: E402
from lib_regional.standalone.server.app import create  # noqa: E402
from lib_regional.standalone.train.data.drawing import draw  # noqa: E402
from lib_regional.standalone.train.data.scene import Scene, Thing  # noqa: E402
from lib_regional.tensors.guidance.metrics import psnr  # noqa: E402


def drawn(edit: Edit) -> Picture:
    """The source layout as a picture: each object in the middle of its place."""
    width, height = edit.size
    things = []
    for wish in edit.before:
        x0, y0, x1, y1 = bounds(wish.shape)
        radius = min(24.0, 0.38 * min((x1 - x0) * width, (y1 - y0) * height))
        things.append(Thing(wish.form, wish.colour, (x0 + x1) / 2 * width, (y0 + y1) / 2 * height, radius))
    return np.asarray(draw(Scene(width, height, (edit.background,), tuple(things))))


def bounds(shape: dict[str, Any]) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of a box or polygon."""
    if "box" in shape:
        x0, y0, x1, y1 = shape["box"]
        return x0, y0, x1, y1
    xs, ys = zip(*shape["polygon"], strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def encoded(picture: Picture) -> str:
    """PNG as base64."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def request(edit: Edit, picture: Picture, null_text: int, *, edited: bool) -> dict[str, Any]:
    """img2img request of the edit of ``picture``, or of the edit that changes nothing."""
    given = payload(edit, {"null_text": null_text}, edited=True)
    given["alwayson_scripts"]["Regional"]["args"][0]["version"] = VERSION  # whose defaults are measured
    if not edited:
        given["alwayson_scripts"]["Regional"]["args"][0]["regions"] = regions(edit, edit.before)
    return {**given, "init_images": [encoded(picture)], "denoising_strength": 1.0}


class Maker:
    """Pictures of img2img in this process, and the autoencoder alone."""

    def __init__(self, output: Path) -> None:
        self.host = create(output=output)[1]

    def make(self, given: dict[str, Any]) -> Picture:
        """The picture of a request."""
        fields = dict(given)
        state = fields.pop("alwayson_scripts")["Regional"]["args"][0]
        images = [Image.open(io.BytesIO(base64.b64decode(one))) for one in fields.pop("init_images")]
        p = self.host.processing(True, **fields, init_images=images, do_not_save_samples=True, do_not_save_grid=True)
        script = self.host.script("Regional", True)
        p.script_args[script.args_from : script.args_to] = [state]
        return np.asarray(self.host.run(p).images[0].convert("RGB"))

    def through(self, picture: Picture) -> Picture:
        """Encoded and decoded."""
        model = self.host.model
        scaled = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        found = model.decode(model.encode_images(scaled))[0].clamp(-1, 1)
        return ((found + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def likeness(first: Picture, second: Picture) -> float:
    """PSNR in dB of two pictures."""
    return psnr(torch.from_numpy(first.copy()).float(), torch.from_numpy(second.copy()).float(), 255.0)


def measured(maker: Maker, edit: Edit, null_text: int) -> dict[str, Any]:
    """All figures of one pair."""
    picture = drawn(edit)
    again = maker.make(request(edit, picture, null_text, edited=False))
    outcome = assess(edit, again, maker.make(request(edit, picture, null_text, edited=True)))
    alone = maker.through(picture)
    return {
        "kind": edit.kind, "number": edit.number, "null_text": null_text, "psnr": round(likeness(picture, again), 2),
        "autoencoder": round(likeness(picture, alone), 2), "again": round(likeness(alone, again), 2), "success": outcome.success,
        "ssim_i": round(outcome.ssim_i, 4), "ssim_e": round(outcome.ssim_e, 4),
    }  # fmt: skip


def known_lines(file: Path | None) -> list[dict[str, Any]]:
    """Outcomes that are there already."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file is not None and file.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=6, help="this many pairs, in the suite's proportions")
    parser.add_argument("--null-text", type=int, default=10)
    parser.add_argument("--lines", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    done = [line for line in known_lines(args.lines) if line["null_text"] == args.null_text]
    with tempfile.TemporaryDirectory() as output:
        maker = Maker(Path(output))
        for edit in in_proportion(edit for edit in edits() if edit.kind in KINDS)[: args.first]:
            if any((line["kind"], line["number"]) == (edit.kind, edit.number) for line in done):
                continue
            done.append(measured(maker, edit, args.null_text))
            print(done[-1], flush=True)
            if args.lines is not None:
                with args.lines.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[-1]) + "\n")
    mean = {name: sum(line[name] for line in done) / len(done) for name in ("psnr", "autoencoder", "again", "success", "ssim_i", "ssim_e")}
    print(f"{SAMPLING}, {len(done)} pairs:", {name: round(value, 3) for name, value in mean.items()})


if __name__ == "__main__":
    main()
