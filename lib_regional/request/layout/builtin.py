"""Built-in layouts: shapes without texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _grid(ratios: str, direction: str = "columns", *names: str) -> dict[str, Any]:
    cells = list(names)
    return {"grid": {"ratios": ratios, "direction": direction}, "regions": [{"name": name} for name in cells]}


def _free(*regions: dict[str, Any], overlap: str = "over") -> dict[str, Any]:
    """Free shapes; later ones lie above earlier ones."""
    stacked = [{"priority": at, **region} if at else region for at, region in enumerate(regions)]
    return {"regions": stacked, "overlap": overlap}


BUILTIN: Mapping[str, Mapping[str, Any]] = {
    "Couple": _grid("1,1", "columns", "left", "right"),
    "Trio": _grid("1,1,1", "columns", "left", "middle", "right"),
    "Four in a row": _grid("1,1,1,1", "columns", "one", "two", "three", "four"),
    "Upper and lower": _grid("1,1", "rows", "upper", "lower"),
    "Sky, middle, ground": _grid("2,2,1", "rows", "sky", "middle", "ground"),
    "Triptych": _grid("1,2,1", "columns", "left wing", "centre", "right wing"),
    "Two by two": _grid("1,1,1;1,1,1", "columns", "upper left", "upper right", "lower left", "lower right"),
    "3×3": _grid(";".join(["1,1,1,1"] * 3), "columns", *(f"{row} {column}" for row in ("top", "middle", "bottom") for column in "123")),
    "Sky over a couple": _grid("1,1;2,1,1", "columns", "sky", "left", "right"),
    "Portrait with background": _free(
        {"name": "background", "box": [0, 0, 1, 1]}, {"name": "person", "ellipse": [0.2, 0.1, 0.8, 1], "feather": 0.1}
    ),
    "Couple before a background": _free(
        {"name": "background", "box": [0, 0, 1, 1]},
        {"name": "left", "box": [0.06, 0.2, 0.48, 1], "feather": 0.08},
        {"name": "right", "box": [0.52, 0.2, 0.94, 1], "feather": 0.08},
    ),
    "Head and body": _free(
        {"name": "background", "box": [0, 0, 1, 1]},
        {"name": "body", "polygon": [[0.15, 1], [0.3, 0.5], [0.7, 0.5], [0.85, 1]]},
        {"name": "head", "ellipse": [0.33, 0.1, 0.67, 0.55]},
    ),
    "Medallion": _free({"name": "surroundings", "box": [0, 0, 1, 1]}, {"name": "medallion", "ellipse": [0.22, 0.22, 0.78, 0.78]}),
    "Diagonal": _free(
        {"name": "upper left", "polygon": [[0, 0], [1, 0], [0, 1]]},
        {"name": "lower right", "polygon": [[1, 0], [1, 1], [0, 1]]},
        overlap="blend",
    ),
}
"""Name -> settings without ``enabled``; every one is valid as it is once that is added."""
