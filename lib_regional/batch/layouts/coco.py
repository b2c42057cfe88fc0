"""COCO: boxes of ``instances_*.json`` (x, y, width, height in pixels) and captions of ``captions_*.json``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...request.errors import RegionalError, SettingsError, settings_error
from .boxes import BoxLayout, Part, unit_box

SMALLEST, FEWEST, MOST = 0.02, 3, 8
"""The usual choice among COCO's layouts (Johnson et al. 2018): objects of 2 % of the picture and more, three to eight of them."""


@dataclass(frozen=True)
class Choice:
    """Which objects and pictures count: the smallest share of the picture's area, the fewest and the most objects."""

    smallest: float = 0.0
    fewest: int = 1
    most: int = 256


def read_json(path: Path) -> Any:
    """JSON in a file. Raises `RegionalError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegionalError(f"{path}: {error.strerror}.") from error
    except ValueError as error:
        raise RegionalError(f"{path} is no JSON: {error}.") from error


def read_coco(path: Path, captions: Path | None = None, choice: Choice | None = None) -> Iterator[tuple[int, BoxLayout | SettingsError]]:
    """The pictures of an instances file in its order; crowds are left out. Without captions the names of the objects are the prompt."""
    data, chosen = read_json(path), choice or Choice()
    if not isinstance(data, Mapping) or not {"images", "annotations", "categories"} <= set(data):
        raise settings_error(path.name, None, "an object with images, annotations and categories: COCO's instances file")
    names = {category["id"]: category["name"] for category in data["categories"]}
    objects: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in data["annotations"]:
        if not annotation.get("iscrowd") and "bbox" in annotation:
            objects[annotation["image_id"]].append(annotation)
    texts = _captions(captions)
    for number, image in enumerate(data["images"], 1):
        try:
            layout = _layout(image, objects[image["id"]], names, texts, chosen)
        except SettingsError as error:
            yield number, error
            continue
        if chosen.fewest <= len(layout.parts) <= chosen.most:
            yield number, layout


def _captions(path: Path | None) -> dict[Any, str]:
    """The first caption of every picture."""
    found: dict[Any, str] = {}
    for annotation in read_json(path)["annotations"] if path is not None else ():
        found.setdefault(annotation["image_id"], str(annotation["caption"]).strip())
    return found


def _layout(
    image: Mapping[str, Any], objects: list[Mapping[str, Any]], names: Mapping[Any, str], captions: Mapping[Any, str], choice: Choice
) -> BoxLayout:
    size = float(image["width"]), float(image["height"])
    parts = []
    for annotation in objects:
        if annotation["category_id"] not in names:
            raise settings_error("category_id", annotation["category_id"], "one of the file's categories")
        box = unit_box(f"annotation {annotation.get('id')}: bbox", annotation["bbox"], size, sized=True)
        if (box[2] - box[0]) * (box[3] - box[1]) >= choice.smallest:
            parts.append(Part(names[annotation["category_id"]], box, names[annotation["category_id"]]))
    prompt = captions.get(image["id"]) or ", ".join(part.text for part in parts)
    extra = {"image_id": image["id"], "file_name": str(image.get("file_name", f"{image['id']}.png"))}
    return BoxLayout(Path(extra["file_name"]).stem, prompt, tuple(parts), extra=extra)
