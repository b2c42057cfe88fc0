"""Omost's canvas: calls of ``set_global_description`` and ``add_local_description``, read as text; nothing of it is executed."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from typing import Any

from ...request.errors import settings_error
from .boxes import BoxLayout, Part

SIDE = 90
"""The canvas in cells."""
LOCATIONS = {
    "in the center": (45, 45), "on the left": (15, 45), "on the right": (75, 45), "on the top": (45, 15), "on the bottom": (45, 75),
    "on the top-left": (15, 15), "on the top-right": (75, 15), "on the bottom-left": (15, 75), "on the bottom-right": (75, 75),
}  # fmt: skip
"""Middle of an area (x, y)."""
OFFSETS = {
    "no offset": (0, 0), "slightly to the left": (-10, 0), "slightly to the right": (10, 0), "slightly to the upper": (0, -10),
    "slightly to the lower": (0, 10), "slightly to the upper-left": (-10, -10), "slightly to the upper-right": (10, -10),
    "slightly to the lower-left": (-10, 10), "slightly to the lower-right": (10, 10),
}  # fmt: skip
AREAS = {
    "a small square area": (50, 50), "a small vertical area": (40, 60), "a small horizontal area": (60, 40),
    "a medium-sized square area": (60, 60), "a medium-sized vertical area": (50, 80), "a medium-sized horizontal area": (80, 50),
    "a large square area": (70, 70), "a large vertical area": (60, 90), "a large horizontal area": (90, 60),
}  # fmt: skip
"""Width and height."""
TEXTS = ("description", "tags")
"""Arguments that make a prompt; the others are sentences that a text encoder of 77 tokens has no room for."""
_NAMES = (
    "location", "offset", "area", "distance_to_viewer", "description", "detailed_descriptions", "tags", "atmosphere", "style",
    "quality_meta", "HTML_web_color_name",
)  # fmt: skip
"""Arguments of a local description in their order."""


def read_omost(text: str, number: int) -> BoxLayout:
    """A canvas. Nearer areas come last, so that they have the higher number. Raises SettingsError for what is no canvas."""
    calls = _calls(text)
    everything = [arguments for name, arguments in calls if name == "set_global_description"]
    local = [arguments for name, arguments in calls if name == "add_local_description"]
    if not everything:
        raise settings_error("canvas", text.strip(), "a text with canvas.set_global_description(…)")
    local.sort(key=lambda arguments: -_distance(arguments))
    parts = tuple(Part(_text(one), _box(one), str(one.get("description", ""))) for one in local)
    return BoxLayout(f"{number}", _text(everything[-1]), parts)


def _calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(method, arguments) of the calls on ``canvas``; arguments must be literals."""
    code = text.split("```python", 1)[-1].split("```", 1)[0] if "```" in text else text
    try:
        tree = ast.parse(code.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise settings_error("canvas", text.strip(), "calls canvas.add_local_description(…), as Omost's models write them") from error
    found = []
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            found.append((call.func.attr, _arguments(call)))
    return found


def _arguments(call: ast.Call) -> dict[str, Any]:
    names = _NAMES if isinstance(call.func, ast.Attribute) and call.func.attr == "add_local_description" else _NAMES[4:7]
    try:
        given = dict(zip(names, (ast.literal_eval(value) for value in call.args), strict=False))
        return given | {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    except (ValueError, TypeError, RecursionError) as error:
        raise settings_error("canvas", ast.unparse(call), "calls whose arguments are texts, numbers and lists") from error


def _distance(arguments: Mapping[str, Any]) -> float:
    value = arguments.get("distance_to_viewer", 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise settings_error("distance_to_viewer", value, "a number above 0")
    return float(value)


def _box(arguments: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """The area of a local description, cut at the canvas' edges."""
    (x, y), (right, down), (width, height) = (
        _nearest(name, arguments.get(name), table) for name, table in (("location", LOCATIONS), ("offset", OFFSETS), ("area", AREAS))
    )
    edges = x + right - width // 2, y + down - height // 2, x + right + width // 2, y + down + height // 2
    left, top, end, bottom = (max(0, min(SIDE, edge)) / SIDE for edge in edges)
    return left, top, end, bottom


def _nearest(name: str, value: Any, table: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """The entry of the table's nearest name, as Omost itself reads what its models misspell."""
    found = difflib.get_close_matches(str(value).lower(), table, n=1, cutoff=0.5)
    if not found:
        raise settings_error(name, value, f"one of {', '.join(table)}")
    return table[found[0]]


def _text(arguments: Mapping[str, Any]) -> str:
    texts = (str(arguments.get(name, "")).strip(" ,.") for name in TEXTS)
    return ", ".join(filter(None, texts))
