"""Latent Couple (two-shot): divisions, positions and weights, one of each for every AND prompt."""

from __future__ import annotations

import re
from typing import Any

from ..errors import settings_error
from ..prompt.splitting import join_texts, split_and
from .report import Imported, Report, Source, count

NAME = "Latent Couple"
TITLES = ("latent couple extension", "latent couple")
ARGUMENTS = ("enable", "divisions", "positions", "weights", "end")
PATTERN = re.compile(r"divisions=(\S+)\s+positions=(\S+)\s+weights=(\S+)(?:\s+end at step=(\d+))?")
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?\s*")

Rectangle = tuple[float, float, float, float]


def options_of(text: str) -> dict[str, Any] | None:
    """``divisions=… positions=… weights=… end at step=20`` -> options by name; None for any other text."""
    found = PATTERN.search(text)
    return dict(zip(ARGUMENTS[1:], found.groups(), strict=True)) if found else None


def rectangles(divisions: str, positions: str) -> list[Rectangle]:
    """(x0, y0, x1, y1) of each entry: position over division, y before x. Raises SettingsError naming the entry or the lengths."""
    parts, places = divisions.split(","), positions.split(",")
    if len(parts) != len(places):
        raise _lengths(f"{count(len(parts), 'division')} and {count(len(places), 'position')}", divisions)
    return [_rectangle(part, place) for part, place in zip(parts, places, strict=True)]


def _rectangle(division: str, position: str) -> Rectangle:
    try:
        rows, columns = (float(number) for number in division.split(":"))
        (y0, y1), (x0, x1) = (_span(text) for text in position.split(":"))
        box = x0 / columns, y0 / rows, min(1.0, x1 / columns), min(1.0, y1 / rows)
    except (ValueError, ZeroDivisionError) as error:
        raise settings_error("positions", f"{division} {position}", "y:x of a division y:x, such as 0:1 of 1:2") from error
    return box


def _span(text: str) -> tuple[float, float]:
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(text)
    low = float(found[1])
    return low, float(found[2]) if found[2] else low + 1


def _lengths(what: str, value: str) -> Exception:
    return settings_error(
        "divisions", value, "lists of one length", text=f"Latent Couple: there are {what}: the lists must be of one length."
    )


def build(source: Source) -> Imported:
    """Settings of a Latent Couple layout. Raises SettingsError for lists of different lengths."""
    report = Report()
    boxes = rectangles(source.text("divisions", "1:1"), source.text("positions", "0:0"))
    weights = _weights(source.text("weights", ",".join("1" for _ in boxes)))
    if len(weights) != len(boxes):
        raise _lengths(f"{count(len(boxes), 'division')} and {count(len(weights), 'weight')}", source.text("weights"))
    prompts = split_and(source.prompt)
    if len(prompts) != len(boxes):
        report.lost.append(
            f"The prompt has {count(len(prompts), 'AND part')} for {count(len(boxes), 'entry')}: pairs of both are taken.".replace(
                "entrys", "entries"
            )
        )
    end = _end(source, report)
    regions = [
        {"box": list(box), "weight": weight * max(0.0, strength), "prompt": text, "feather": 0.0, **end}
        for box, weight, (text, strength) in zip(boxes, weights, (*prompts, *[("", 1.0)] * len(boxes)), strict=False)
    ]
    report.taken.append(f"{count(len(regions), 'rectangle')} with their weights.")
    base: dict[str, Any] = {"prompt": join_texts(*(text for text, _ in prompts))}
    if source.negative.strip():
        base["negative"] = source.negative
    settings = {"regions": regions, "base": base, **report.method("latent_couple", "Latent Couple")}
    return report.result(settings, NAME)


def _weights(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError as error:
        raise settings_error("weights", text, "numbers with commas between") from error


def _end(source: Source, report: Report) -> dict[str, Any]:
    """The step after which the regions end, as a share of all steps."""
    end = int(float(source.text("end", "0")))
    if end <= 0:
        return {}
    if source.steps <= 0:
        report.lost.append(f"End at step {end}: the number of steps is not in this text; set To step yourself.")
        return {}
    report.taken.append(f"End at step {end} of {source.steps}: the regions end there.")
    return {"steps": [0.0, min(1.0, end / source.steps)]}
