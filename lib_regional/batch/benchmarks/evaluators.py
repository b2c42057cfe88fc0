"""Pictures and boxes in the form that public evaluators read.

7Bench: ``7bench.csv`` beside ``7Bench-METHOD/ID_PROMPT/SEED.jpg``, as its evaluation pipeline (an extension of TIFA) walks the folders.
COCO: ``METHOD/images/NAME.png`` and ``annotations.json`` with the boxes in the pictures' pixels, which every COCO tool reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ...request.errors import RegionalError
from ...request.files import replacing, write_bytes
from ..layouts.boxes import BoxLayout
from .sets import Layoutset, table_of

FOLDER = "evaluation"
TABLES = {"7bench": "7bench", "own": "own"}


def picture_path(root: Path, layoutset: Layoutset, method: str, layout: BoxLayout, seed: int) -> Path:
    """Where the evaluator looks for a picture. Raises `RegionalError` for a name that leads out of the folder."""
    if layoutset.name == "coco":
        path = root / method / "images" / (f"{layout.name}.png" if seed == 1 else f"{layout.name}_{seed}.png")
    else:
        path = root / f"7Bench-{method}" / f"{layout.name}_{layout.prompt}" / f"{seed}.jpg"
    if ".." in path.relative_to(root).parts or not path.resolve().is_relative_to(root.resolve()):
        raise RegionalError(f"The layout {layout.name!r} leads out of {root}.")
    return path


def keep_picture(source: Path, target: Path) -> None:
    """Copy a picture, as JPEG where the evaluator's name says so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as beside, Image.open(source) as picture:
        picture.convert("RGB").save(beside, "JPEG" if target.suffix == ".jpg" else "PNG", quality=95)


def write_tables(root: Path, layoutset: Layoutset, methods: Sequence[str]) -> None:
    """The layouts beside the pictures."""
    root.mkdir(parents=True, exist_ok=True)
    if layoutset.name != "coco":
        write_bytes(root / f"{TABLES[layoutset.name]}.csv", table_of(layoutset).encode())
        return
    for method in methods:
        (root / method).mkdir(exist_ok=True)
        write_bytes(root / method / "annotations.json", json.dumps(coco_form(layoutset)).encode())


def coco_form(layoutset: Layoutset) -> dict[str, Any]:
    """The layouts in COCO's form: images, annotations and categories."""
    labels = sorted({part.label for layout in layoutset.layouts for part in layout.parts})
    numbers = {label: number for number, label in enumerate(labels, 1)}
    width, height = layoutset.size
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for at, layout in enumerate(layoutset.layouts, 1):
        number = layout.extra.get("image_id", at)
        images.append({"id": number, "file_name": f"{layout.name}.png", "width": width, "height": height, "caption": layout.prompt})
        for part in layout.parts:
            x0, y0, x1, y1 = (edge * side for edge, side in zip(part.box, (width, height, width, height), strict=True))
            box = [round(value, 2) for value in (x0, y0, x1 - x0, y1 - y0)]
            numbered = {"id": len(boxes) + 1, "image_id": number, "category_id": numbers[part.label]}
            boxes.append({**numbered, "bbox": box, "area": round(box[2] * box[3], 2), "iscrowd": 0})
    return {"images": images, "annotations": boxes, "categories": [{"id": number, "name": label} for label, number in numbers.items()]}
