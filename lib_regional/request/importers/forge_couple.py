"""Forge Couple: lines of the prompt as regions, in equal tiles, in mapped boxes, or in masks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ..errors import SettingsError, settings_error
from ..layout.mask_codecs import PNG_PREFIX
from ..prompt.lora_tags import without_tags
from ..prompt.splitting import join_texts
from .report import Imported, Report, Source, count, finite, quoted

NAME = "Forge Couple"
TITLES = ("forge couple",)
ARGUMENTS = (
    "enable",
    "compatibility",
    "mode",
    "separator",
    "direction",
    "background",
    "background_weight",
    "mapping",
    "common",
    "debug",
    "def_in_prompt",
)
OLDER = ("enable", "mode", "separator", "direction", "background", "background_weight", "mapping")
INFOTEXT = {
    "forge_couple": "enable", "forge_couple_compatibility": "compatibility", "forge_couple_mode": "mode",
    "forge_couple_separator": "separator", "forge_couple_direction": "direction", "forge_couple_background": "background",
    "forge_couple_background_weight": "background_weight", "forge_couple_mapping": "mapping", "forge_couple_common_parser": "common",
    "forge_couple_def_in_prompt": "def_in_prompt",
}  # fmt: skip
_BRACES, _ANGLES = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}"), re.compile(r"<([^<>:]+)(?::([^<>]+))?>")
_MACROS = {"{ }": _BRACES, "{}": _BRACES, "< >": _ANGLES, "<>": _ANGLES}
_TAGS = ("lora", "lyco", "hypernet")
_LEAST_BACKGROUND = 0.1


def names_of(arguments: Sequence[object]) -> tuple[Sequence[str], str]:
    """Names of the positional arguments, and a note on an older order: one without the flag for compatibility in second place."""
    if len(arguments) < 2 or arguments[1] is None or isinstance(arguments[1], bool):
        return ARGUMENTS, ""
    return OLDER, "The arguments are in the order of a Forge Couple before its flag for compatibility, and were read so."


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
    separator = source.text("separator").replace("\\n", "\n").replace("\\t", " ")
    pieces = _expand(source, report).split(separator if separator.strip() else "\n")
    while len(pieces) > 1 and not pieces[-1].strip():
        pieces.pop()
    return report.texts([piece.strip() for piece in pieces])


def _expand(source: Source, report: Report) -> str:
    """``{key:text}`` defines a text, which stays in its place unless definitions are taken out; ``{key}`` repeats it."""
    pattern = _MACROS.get(source.text("common", "off"))
    if not pattern:
        return source.prompt
    macros = (found for found in pattern.finditer(source.prompt) if found[1].strip().lower() not in _TAGS)
    known = {found[1].strip(): found[2].strip() for found in macros if found[2]}
    stays = source.flag("def_in_prompt") or source.options.get("def_in_prompt") is None
    if known:
        report.taken.append(f"Macros {', '.join(sorted(known))[:200]}: written out.")

    def written(found: re.Match[str]) -> str:
        if found[1].strip().lower() in _TAGS:
            return found[0]
        return known.get(found[1].strip(), found[0]) if found[2] is None else found[2].strip() if stays else ""

    return pattern.sub(written, source.prompt)


def _with_background(source: Source, lines: list[str], place: Any, report: Report) -> dict[str, Any]:
    """First or last line as base; a region's share beside it is w / (w + g)."""
    background = source.text("background", "None").lower()
    base, weight = None, 0.0
    if background != "none" and len(lines) > 1:
        base = lines.pop(0 if background.startswith("first") else -1)
        weight = max(_LEAST_BACKGROUND, source.number("background_weight", 0.5))
        report.taken.append(f"Background {quoted(base)}, weight {weight:g}: base prompt.")
    regions = place(source, lines, report)
    for region in regions:
        strength = region.get("weight", 1.0)
        if base is not None and weight + strength > 0:
            region["base_share"] = round(weight / (weight + strength), 6)
    return {"regions": regions, "base": {"prompt": _joined(lines) if base is None else base}}


def _joined(lines: Sequence[str]) -> str:
    """All lines as a base prompt; their LoRA tags act in the regions alone."""
    return without_tags(join_texts(*lines))


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
    if len(rows) != len(lines):
        report.lost.append(f"The mapping has {count(len(rows), 'row')} for {count(len(lines), 'line')}: only pairs of both are taken.")
    read = [(_numbers(row, at), text) for at, (row, text) in enumerate(zip(rows, lines, strict=False))]
    bad = [row for row, _ in read if isinstance(row, SettingsError)]
    if len(bad) == len(read):
        raise bad[0]
    report.lost += [f"{error} The line is left out." for error in bad]
    regions = [
        {"box": [row[0], row[2], row[1], row[3]], "weight": row[4], "prompt": text, "feather": 0.0}
        for row, text in read
        if not isinstance(row, SettingsError)
    ]
    report.taken.append(f"Advanced mapping: {count(len(regions), 'box')}.")
    return {"regions": regions, "base": {"prompt": _joined(lines)}}


def _numbers(row: Sequence[Any], at: int) -> list[float] | SettingsError:
    """x1, x2, y1, y2, weight of a row; the error where one is no number."""
    try:
        if any(isinstance(value, str) for value in row):
            raise settings_error(f"mapping[{at}]", list(row), "five numbers x1, x2, y1, y2, weight")
        return [finite(f"mapping[{at}]", value) for value in row]
    except SettingsError as error:
        return error


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
        regions.append({**place, "weight": finite(f"mapping[{at}].weight", entry.get("weight", 1.0)), "prompt": text, "feather": 0.0})
    return regions


def _list_of(value: object) -> list[Any]:
    """A list, or one written as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return list(value) if isinstance(value, (list, tuple)) else []
