"""Forge Couple: lines of the prompt as regions, in equal tiles, in mapped boxes, or in masks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ..errors import settings_error
from ..layout.mask_codecs import PNG_PREFIX
from ..prompt.splitting import join_texts
from .report import Imported, Report, Source, count, quoted

NAME = "Forge Couple"
TITLES = ("forge couple",)
ARGUMENTS = ("enable", "compatibility", "mode", "separator", "direction", "background", "background_weight", "mapping", "common", "debug")
OLDER = ("enable", "mode", "separator", "direction", "background", "background_weight", "mapping")
INFOTEXT = {
    "forge_couple": "enable", "forge_couple_mode": "mode", "forge_couple_separator": "separator", "forge_couple_direction": "direction",
    "forge_couple_background": "background", "forge_couple_background_weight": "background_weight", "forge_couple_mapping": "mapping",
    "forge_couple_common_parser": "common",
}  # fmt: skip
_MACROS = {"{}": r"\{([^{}:]*)(?::([^{}]*))?\}", "< >": r"<([^<>:]*)(?::([^<>]*))?>"}


def names_of(arguments: Sequence[object]) -> Sequence[str]:
    """Names of the positional arguments: an older version had no flag for compatibility in second place."""
    return ARGUMENTS if len(arguments) < 2 or isinstance(arguments[1], bool) else OLDER


def build(source: Source) -> Imported:
    """Settings of a Forge Couple layout. Raises SettingsError for an invalid mapping."""
    report = Report()
    lines = _lines(source, report)
    mode = source.text("mode", "Basic").lower()
    if mode not in ("basic", "advanced", "mask"):
        raise settings_error("mode", mode, "Basic, Advanced or Mask")
    if mode == "advanced":
        layout = _advanced(source, lines, report)
    else:
        layout = _with_background(source, lines, _tiles if mode == "basic" else _masks, report)
    if source.flag("compatibility"):
        report.lost.append("Compatibility (no hires pass): Regional acts in the hires pass too.")
    if source.negative.strip():
        layout["base"]["negative"] = source.negative
    return report.result(layout, NAME)


def _lines(source: Source, report: Report) -> list[str]:
    """Pieces of the prompt with macros filled in; blank pieces at the end do not count."""
    separator = source.text("separator").replace("\\n", "\n")
    pieces = _expand(source, report).split(separator.strip() or "\n")
    while len(pieces) > 1 and not pieces[-1].strip():
        pieces.pop()
    return [piece.strip() for piece in pieces]


def _expand(source: Source, report: Report) -> str:
    """``{key:text}`` expands to its text and stores it, ``{key}`` repeats it."""
    pattern = _MACROS.get(source.text("common", "off"))
    if not pattern:
        return source.prompt
    known = {name.strip(): text for name, text in re.findall(pattern, source.prompt) if text}
    if known:
        report.taken.append(f"Macros {', '.join(sorted(known))}: written out.")
    return re.sub(pattern, lambda found: found[2] or known.get(found[1].strip(), found[0]), source.prompt)


def _with_background(source: Source, lines: list[str], place: Any, report: Report) -> dict[str, Any]:
    """First or last line as base; a region's share beside it is w / (w + g)."""
    background = source.text("background", "None").lower()
    base, weight = None, 0.0
    if background != "none" and len(lines) > 1:
        base = lines.pop(0 if background.startswith("first") else -1)
        weight = max(0.0, float(source.options.get("background_weight") or 0.5))
        report.taken.append(f"Background {quoted(base)}, weight {weight:g}: base prompt.")
    regions = place(source, lines, report)
    for region in regions:
        strength = region.get("weight", 1.0)
        if base is not None and weight + strength > 0:
            region["base_share"] = round(weight / (weight + strength), 6)
    return {"regions": regions, "base": {"prompt": join_texts(*lines) if base is None else base}}


def _tiles(source: Source, lines: list[str], report: Report) -> list[dict[str, Any]]:
    upright = source.text("direction", "Horizontal").lower() in ("vertical", "rows")
    report.taken.append(f"{count(len(lines), 'line')} as equal tiles, {'one below the other' if upright else 'side by side'}.")
    spans = [(at / len(lines), (at + 1) / len(lines)) for at in range(len(lines))]
    boxes = [[0.0, low, 1.0, high] if upright else [low, 0.0, high, 1.0] for low, high in spans]
    return [{"box": box, "prompt": text, "feather": 0.0} for box, text in zip(boxes, lines, strict=True)]


def _advanced(source: Source, lines: list[str], report: Report) -> dict[str, Any]:
    rows = _list_of(source.options.get("mapping"))
    if not rows or not all(isinstance(row, (list, tuple)) and len(row) == 5 for row in rows):
        raise settings_error("mapping", rows, "a list of rows x1, x2, y1, y2, weight")
    _check_numbers(rows)
    if len(rows) != len(lines):
        report.lost.append(f"The mapping has {count(len(rows), 'row')} for {count(len(lines), 'line')}: only pairs of both are taken.")
    regions = [
        {"box": [x0, y0, x1, y1], "weight": weight, "prompt": text, "feather": 0.0}
        for (x0, x1, y0, y1, weight), text in zip([[float(value) for value in row] for row in rows], lines, strict=False)
    ]
    report.taken.append(f"Advanced mapping: {count(len(regions), 'box')}.")
    return {"regions": regions, "base": {"prompt": join_texts(*lines)}}


def _check_numbers(rows: Sequence[Any]) -> None:
    for at, row in enumerate(rows):
        for value in row:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise settings_error(f"mapping[{at}]", value, "five numbers x1, x2, y1, y2, weight")


def _masks(source: Source, lines: list[str], report: Report) -> list[dict[str, Any]]:
    """One mask per line, in the order of the lines."""
    given = [entry for entry in _list_of(source.options.get("mapping")) if isinstance(entry, dict)]
    report.taken.append(f"Mask mode: {count(len(given), 'mask')} for {count(len(lines), 'line')}.")
    regions = []
    for at, text in enumerate(lines):
        entry = given[at] if at < len(given) else {}
        mask = str(entry.get("mask") or "")
        if mask and not mask.startswith(("data:", "rle:")):
            mask = PNG_PREFIX + mask
        if not mask:
            report.lost.append(f"The mask of {quoted(text)} is not in this text: load it with Masks; the region waits in the middle.")
        place: dict[str, Any] = {"mask": mask} if mask else {"box": [0.25, 0.25, 0.75, 0.75]}
        regions.append({**place, "weight": float(entry.get("weight", 1.0)), "prompt": text, "feather": 0.0})
    return regions


def _list_of(value: object) -> list[Any]:
    """A list, or one written as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return list(value) if isinstance(value, (list, tuple)) else []
