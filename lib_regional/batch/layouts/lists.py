"""Layouts as lists of texts and boxes: GLIGEN, LayoutDiffusion, InstanceDiffusion, CreatiLayout, LLM-grounded diffusion."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from ...request.errors import settings_error
from .boxes import BoxLayout, Part, paired, text_of, unit_box

LMD_SIDE = 512.0
"""Side of the square in which LLM-grounded diffusion gives its boxes."""


def read_gligen(row: Mapping[str, Any], number: int) -> BoxLayout:
    """``prompt``, ``phrases``, ``locations`` (corners, 0 to 1)."""
    parts = tuple(Part(text, unit_box(f"locations[{at}]", box), text) for at, (text, box) in enumerate(paired(row, "phrases", "locations")))
    return BoxLayout(_name(row, number), text_of(row, "prompt", "caption"), parts, str(row.get("negative_prompt", "")))


def read_layoutdiffusion(row: Mapping[str, Any], number: int) -> BoxLayout:
    """``obj_class_name`` and ``obj_bbox`` (corners, 0 to 1); the class ``__image__`` is the picture, ``__null__`` an empty place."""
    pairs = [(text, box) for text, box in paired(row, "obj_class_name", "obj_bbox") if text not in ("__image__", "__null__")]
    parts = tuple(Part(text, unit_box(f"obj_bbox[{at}]", box), text) for at, (text, box) in enumerate(pairs))
    return BoxLayout(_name(row, number), str(row.get("prompt") or ", ".join(part.text for part in parts)), parts)


def read_instancediffusion(row: Mapping[str, Any], number: int) -> BoxLayout:
    """``caption``, ``width``, ``height`` and ``annos`` with ``bbox`` (x, y, width, height in pixels) and ``caption``."""
    size, found = (float(row.get("width", 512)), float(row.get("height", 512))), row.get("annos")
    if not isinstance(found, Sequence) or not all(isinstance(one, Mapping) for one in found):
        raise settings_error("annos", found, "a list of objects with bbox and caption")
    parts = []
    for at, one in enumerate(found):
        box = unit_box(f"annos[{at}].bbox", one.get("bbox", ()), size, sized=True)
        parts.append(Part(text_of(one, "caption", "category_name"), box, str(one.get("category_name", ""))))
    return BoxLayout(_name(row, number), text_of(row, "caption", "prompt"), tuple(parts))


def read_creatilayout(row: Mapping[str, Any], number: int) -> BoxLayout:
    """``global_caption``, ``region_caption_list``, ``region_bboxes_list`` (corners, 0 to 1)."""
    pairs = paired(row, "region_caption_list", "region_bboxes_list")
    parts = tuple(Part(text, unit_box(f"region_bboxes_list[{at}]", box)) for at, (text, box) in enumerate(pairs))
    return BoxLayout(_name(row, number), text_of(row, "global_caption"), parts)


def read_lmd(text: str, number: int) -> BoxLayout:
    """``Objects: [('a cat', [x, y, width, height]), …]``, ``Background prompt: …`` and ``Negative prompt: …``, boxes in 512 pixels."""
    body = text.split("Objects:", 1)[-1]
    boxes, _, rest = body.partition("Background prompt:")
    background, _, negative = rest.partition("Negative prompt:")
    try:
        found = ast.literal_eval(boxes.strip())
        pairs = [(one["name"], one["bounding_box"]) if isinstance(one, Mapping) else (one[0], one[1]) for one in found]
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, MemoryError, RecursionError) as error:
        raise settings_error("Objects", boxes.strip(), "a list [('a cat', [x, y, width, height]), …]") from error
    sides = (LMD_SIDE, LMD_SIDE)
    parts = tuple(Part(str(name), unit_box(f"Objects[{at}]", box, sides, sized=True)) for at, (name, box) in enumerate(pairs))
    caption = text.split("Objects:", 1)[0].partition("Caption:")[2].strip() if "Objects:" in text else ""
    prompt = caption or ", ".join([background.strip(), *(part.text for part in parts)]).strip(", ")
    return BoxLayout(f"{number}", prompt, parts, "" if negative.strip() == "None" else negative.strip())


def _name(row: Mapping[str, Any], number: int) -> str:
    return str(row.get("name") or row.get("id") or row.get("save_folder_name") or number)


# ---------------------------------------------------------------- the way back


def to_gligen(layout: BoxLayout) -> dict[str, Any]:
    """GLIGEN's form of a layout."""
    boxes = [[round(edge, 5) for edge in part.box] for part in layout.parts]
    return {"prompt": layout.prompt, "phrases": [part.text for part in layout.parts], "locations": boxes, "name": layout.name}


def to_instancediffusion(layout: BoxLayout, size: tuple[int, int]) -> dict[str, Any]:
    """InstanceDiffusion's form of a layout in pixels of ``size`` (width, height)."""
    annos = []
    for part in layout.parts:
        x0, y0, x1, y1 = (edge * side for edge, side in zip(part.box, (*size, *size), strict=True))
        box = [round(value, 2) for value in (x0, y0, x1 - x0, y1 - y0)]
        annos.append({"bbox": box, "mask": [], "category_name": part.label, "caption": part.text})
    return {"caption": layout.prompt, "width": size[0], "height": size[1], "annos": annos, "name": layout.name}
