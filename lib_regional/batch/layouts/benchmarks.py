"""Tables of benchmarks: 7Bench (Izzo et al. 2025) and LayoutSAM-Eval (Zhang et al. 2024)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ...request.errors import settings_error
from .boxes import BoxLayout, Part, text_of, unit_box

SIDE_7BENCH = 512.0
MOST_7BENCH = 4


def read_7bench(row: Mapping[str, Any], number: int) -> BoxLayout:
    """``id``, ``category``, ``prompt``, ``obj1`` … ``obj4``, ``bbox1`` … ``bbox4`` as text "x0,y0,x1,y1" in 512 pixels."""
    parts = []
    for at in range(1, MOST_7BENCH + 1):
        text, box = row.get(f"obj{at}"), row.get(f"bbox{at}")
        if not text and not box:
            continue
        if not text or not box:
            raise settings_error(f"obj{at}", text, f"a text with bbox{at}, or neither of them")
        corners = str(box).strip("() ").split(",")
        parts.append(Part(str(text), unit_box(f"bbox{at}", corners, (SIDE_7BENCH, SIDE_7BENCH)), str(text)))
    if not parts:
        raise settings_error("obj1", None, "the first object of the prompt")
    name = text_of(row, "id")
    extra = {"id": name, "category": str(row.get("category", ""))}
    return BoxLayout(name, text_of(row, "prompt"), tuple(parts), extra=extra)


def read_layoutsam(row: Mapping[str, Any], number: int) -> BoxLayout:
    """``global_caption``, ``bbox_list``, ``region_captions`` and ``detail_region_captions`` (lists as text), boxes as corners in pixels of
    ``width`` and ``height``; ``file_name`` is what the evaluator looks for."""
    size = float(row.get("width", 0) or 0), float(row.get("height", 0) or 0)
    if min(size) <= 0:
        raise settings_error("width", size, "the picture's width and height in pixels")
    boxes, short = _listed(row, "bbox_list"), _listed(row, "region_captions")
    long = _listed(row, "detail_region_captions") if row.get("detail_region_captions") else short
    if not len(boxes) == len(short) == len(long):
        raise settings_error("bbox_list", len(boxes), f"{len(short)} boxes, one for each caption")
    numbered = enumerate(zip(long, boxes, short, strict=True))
    parts = tuple(Part(str(text), unit_box(f"bbox_list[{at}]", box, size), str(label)) for at, (text, box, label) in numbered)
    name = text_of(row, "file_name")
    return BoxLayout(name.rpartition(".")[0] or name, text_of(row, "global_caption"), parts, extra={"file_name": name})


def _listed(row: Mapping[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    try:
        found = ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise settings_error(name, value, "a list") from error
    if not isinstance(found, list):
        raise settings_error(name, value, "a list")
    return found
