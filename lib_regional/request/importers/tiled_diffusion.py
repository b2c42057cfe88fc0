"""Region control of Tiled Diffusion (MultiDiffusion): up to eight boxes with prompts of their own."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..layout.regions import REGION_FIELDS
from .report import Imported, Report, Source, count, quoted

NAME = "Tiled Diffusion regions"
TITLES = ("tiled diffusion",)
REGION = ("enable", "x", "y", "w", "h", "prompt", "neg_prompt", "blend_mode", "feather_ratio", "seed")
_BEFORE = 21


def options_of(arguments: Sequence[object]) -> dict[str, Any]:
    """Positional arguments: 21 of its own, then ten for each region."""
    rest = list(arguments[_BEFORE:])
    regions = [dict(zip(REGION, rest[at : at + len(REGION)], strict=False)) for at in range(0, len(rest), len(REGION))]
    return {"background": bool(arguments[19]) if len(arguments) > 19 else False, "regions": regions}


def options_of_infotext(text: str) -> dict[str, Any] | None:
    """The parameter as JSON, or as Python writes a dictionary; None where it holds no regions."""
    for read in (json.loads, ast.literal_eval):
        try:
            data = read(text)
        except (ValueError, SyntaxError, RecursionError):
            continue
        regions = data.get("Region control") if isinstance(data, Mapping) else None
        return {"background": False, "regions": list(regions.values())} if isinstance(regions, Mapping) else None
    return None


def build(source: Source) -> Imported:
    """Settings of its regions. Raises SettingsError where a region's numbers make no box."""
    report = Report()
    given = [region for region in source.options.get("regions", ()) if region.get("enable")]
    regions = [_region(source, region, number, report) for number, region in enumerate(given, 1)]
    report.taken.append(f"{count(len(regions), 'region')} that {'was' if len(regions) == 1 else 'were'} on.")
    kept: dict[str, Any] = {"regions": regions, "overlap": "over"}
    if source.prompt.strip():
        kept |= {"common": source.prompt, "base": {"prompt": source.prompt}}
        report.taken.append("The main prompt is put in front of every region's, as Tiled Diffusion does.")
    if source.negative.strip():
        kept.setdefault("base", {})["negative"] = source.negative
    if any(str(region.get("blend_mode", "")).lower().startswith("back") for region in given):
        report.lost.append("Background regions are averaged with what lies under them; here they share by their priority, 0.")
    return report.result({**kept, **report.method("multidiffusion", "Region control")}, NAME)


def _region(source: Source, region: Mapping[str, Any], number: int, report: Report) -> dict[str, Any]:
    x, y, width, height = (float(region.get(name) or 0) for name in "xywh")
    is_front = str(region.get("blend_mode", "Background")).lower().startswith("fore")
    result: dict[str, Any] = {
        "box": [max(0.0, x), max(0.0, y), min(1.0, x + width), min(1.0, y + height)], "prompt": str(region.get("prompt") or ""),
        "negative": str(region.get("neg_prompt") or ""), "priority": int(is_front), "feather": 0.0,
    }  # fmt: skip
    if is_front:
        result["feather"] = _feather(source.size, width, height, float(region.get("feather_ratio") or 0))
    seed = region.get("seed")
    if seed not in (None, "", -1, "-1"):
        if "seed" in REGION_FIELDS:
            result["seed"] = int(float(str(seed)))
        else:
            report.lost.append(f"Region {number} {quoted(result['prompt'])}: its own seed {seed} is left out.")
    return result


def _feather(size: tuple[int, int], width: float, height: float, ratio: float) -> float:
    """A share of the box's shorter side as one of the picture's."""
    side = min(width * size[0], height * size[1]) * ratio
    return round(min(0.5, side / min(size)), 6)
