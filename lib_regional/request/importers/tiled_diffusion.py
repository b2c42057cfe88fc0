"""Region control of Tiled Diffusion (MultiDiffusion): up to eight boxes with prompts of their own."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SettingsError, settings_error
from ..layout.regions import REGION_FIELDS
from ..prompt.lora_tags import without_tags
from .report import Imported, Report, Source, count, finite, quoted

NAME = "Tiled Diffusion regions"
TITLES = ("tiled diffusion",)
REGION = ("enable", "x", "y", "w", "h", "prompt", "neg_prompt", "blend_mode", "feather_ratio", "seed")
_BEFORE, _CONTROL, _BACKGROUND = 21, 18, 19
_LONGEST_TEXT = 200_000


def options_of(arguments: Sequence[object]) -> dict[str, Any]:
    """Positional arguments: 21 of its own, then ten for each region. Raises SettingsError where they cannot be in that order."""
    if len(arguments) > _BEFORE and not isinstance(arguments[_BEFORE], (bool, type(None))):
        text = (
            f"The arguments of Tiled Diffusion are not in the order of its versions since 2023: number {_BEFORE} is no switch of a region."
        )
        raise settings_error("args", arguments[_BEFORE], "true or false", text=text)
    rest = list(arguments[_BEFORE:])
    regions = [dict(zip(REGION, rest[at : at + len(REGION)], strict=False)) for at in range(0, len(rest), len(REGION))]
    return {"background": bool(arguments[_BACKGROUND]) if len(arguments) > _BACKGROUND else False, "regions": regions}


def is_on(arguments: Sequence[object]) -> bool:
    """Whether both of its switches are on: the extension's own and that of the regions."""
    return bool(arguments[0]) and len(arguments) > _CONTROL and bool(arguments[_CONTROL])


def options_of_file(boxes: Sequence[object]) -> dict[str, Any]:
    """``bbox_controls`` of a file in its folder ``region_configs``."""
    return {"background": True, "regions": [box for box in boxes if isinstance(box, Mapping)]}


def options_of_infotext(text: str) -> dict[str, Any] | None:
    """The parameter as JSON, or as Python writes a dictionary; None where it holds no regions."""
    for read in (json.loads, ast.literal_eval) if len(text) <= _LONGEST_TEXT else ():
        try:
            data = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):  # MemoryError: nested too deep for Python's parser
            continue
        regions = data.get("Region control") if isinstance(data, Mapping) else None
        if not isinstance(regions, Mapping):
            return None
        return {"background": True, "regions": [region for region in regions.values() if isinstance(region, Mapping)]}
    return None


def build(source: Source) -> Imported:
    """Settings of its regions. Raises SettingsError where a region's numbers make no box."""
    report = Report()
    given = [region for region in source.options.get("regions", ()) if region.get("enable")]
    read = [_read(source, region, number, report) for number, region in enumerate(given, 1)]
    regions = [region for region in read if region is not None]
    if not regions:
        raise settings_error("regions", len(given), "given: no region with an area is switched on")
    report.texts([region["prompt"] or source.prompt for region in regions])
    report.taken.append(f"{count(len(regions), 'region')} that {'was' if len(regions) == 1 else 'were'} on.")
    kept: dict[str, Any] = {"regions": regions, "overlap": "over"}
    if source.prompt.strip():
        kept |= {"common": source.prompt, "base": {"prompt": without_tags(source.prompt)}}
        report.taken.append("The main prompt is put in front of every region's, as Tiled Diffusion does.")
    if source.negative.strip():
        kept.setdefault("base", {})["negative"] = source.negative
    if any(str(region.get("blend_mode", "")).lower().startswith("back") for region in given):
        report.lost.append("Background regions are averaged with what lies under them; here they share by their priority, 0.")
    if not source.options.get("background", True):
        report.lost.append("Without its full canvas background Tiled Diffusion leaves the rest empty; here the base prompt acts there.")
    return report.result({**kept, **report.method("multidiffusion", "Region control")}, NAME)


def _read(source: Source, region: Mapping[str, Any], number: int, report: Report) -> dict[str, Any] | None:
    """One region; None, with a line in the report, where its numbers make no box: Tiled Diffusion skips it too."""
    try:
        x, y, width, height = (finite(f"regions[{number - 1}].{name}", region.get(name) or 0) for name in "xywh")
        if width > 0 and height > 0 and x < 1 and y < 1 and x + width > 0 and y + height > 0:
            return _region(source, region, number, report)
        what = f"x {x:g}, y {y:g}, w {width:g}, h {height:g} is no area of the picture"
    except SettingsError as error:
        what = str(error).rstrip(".")
    report.lost.append(f"Region {number} {quoted(str(region.get('prompt') or ''))}: {what}; Tiled Diffusion skips it too.")
    return None


def _region(source: Source, region: Mapping[str, Any], number: int, report: Report) -> dict[str, Any]:
    x, y, width, height = (finite(name, region.get(name) or 0) for name in "xywh")
    is_front = str(region.get("blend_mode", "Background")).lower().startswith("fore")
    result: dict[str, Any] = {
        "box": [max(0.0, x), max(0.0, y), min(1.0, x + width), min(1.0, y + height)], "prompt": str(region.get("prompt") or ""),
        "negative": str(region.get("neg_prompt") or ""), "priority": int(is_front), "feather": 0.0,
    }  # fmt: skip
    if is_front:
        result["feather"] = _feather(source.size, width, height, finite("feather_ratio", region.get("feather_ratio") or 0))
    seed = region.get("seed")
    if seed not in (None, "", -1, "-1"):
        if "seed" in REGION_FIELDS:
            result["seed"] = _seed(seed)
        else:
            report.lost.append(f"Region {number} {quoted(result['prompt'])}: its own seed {seed} is left out.")
    return result


def _seed(seed: object) -> int:
    """A region's seed; larger ones than the settings hold are wrapped, as the WebUI's noise does."""
    return int(finite("seed", seed)) % 2**32


def _feather(size: tuple[int, int], width: float, height: float, ratio: float) -> float:
    """A share of the box's shorter side as one of the picture's."""
    side = min(width * size[0], height * size[1]) * ratio
    return round(min(0.5, side / min(size)), 6)
