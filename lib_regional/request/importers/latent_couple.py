"""Latent Couple (two-shot): divisions, positions and weights, one of each for every AND prompt."""

from __future__ import annotations

import re
from typing import Any

from ..errors import SettingsError, settings_error
from ..layout.regions import MAX_REGIONS
from ..prompt.lora_tags import without_tags
from ..prompt.splitting import join_texts, split_and
from .report import Imported, Report, Source, count, finite

NAME = "Latent Couple"
TITLES = ("latent couple extension", "latent couple")
ARGUMENTS = ("enable", "divisions", "positions", "weights", "end")
PATTERN = re.compile(r"divisions=([^=]*)positions=([^=]*)weights=([^\s,=]+(?:\s*,\s*[^\s,=]+)*)(?:\s+end at step=(\d{1,9}))?")
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?\s*")

Rectangle = tuple[float, float, float, float]


def options_of(text: str) -> dict[str, Any] | None:
    """``divisions=… positions=… weights=… end at step=20``, with blanks or without -> options by name; None for any other text."""
    found = PATTERN.search(text)
    return dict(zip(ARGUMENTS[1:], found.groups(), strict=True)) if found else None


def rectangles(divisions: str, positions: str) -> list[Rectangle | SettingsError]:
    """(x0, y0, x1, y1) of each entry: position over division, y before x; the error in place of one that makes no box.

    Raises SettingsError naming the lengths where they differ.
    """
    parts, places = divisions.split(","), positions.split(",")
    if len(parts) > MAX_REGIONS:
        raise settings_error("divisions", len(parts), f"a list of at most {MAX_REGIONS}")
    if len(parts) != len(places):
        raise _lengths(f"{count(len(parts), 'division')} and {count(len(places), 'position')}", divisions)
    return [_rectangle(part.strip(), place.strip()) for part, place in zip(parts, places, strict=True)]


def _rectangle(division: str, position: str) -> Rectangle | SettingsError:
    try:
        rows, columns = (finite("divisions", number) for number in division.split(":"))
        (y0, y1), (x0, x1) = (_span(text) for text in position.split(":"))
        return x0 / columns, y0 / rows, min(1.0, x1 / columns), min(1.0, y1 / rows)
    except (ValueError, ZeroDivisionError, OverflowError):
        return settings_error("positions", f"{division} {position}", "y:x of a division y:x, such as 0:1 of 1:2")


def _span(text: str) -> tuple[float, float]:
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(text)
    low = float(found[1])
    return low, float(found[2]) if found[2] else low + 1


def _lengths(what: str, value: str) -> SettingsError:
    return settings_error(
        "divisions", value, "lists of one length", text=f"Latent Couple: there are {what}: the lists must be of one length."
    )


def build(source: Source) -> Imported:
    """Settings of a Latent Couple layout. Raises SettingsError for lists of different lengths, and where no entry makes a box."""
    report = Report()
    boxes = rectangles(source.text("divisions", "1:1"), source.text("positions", "0:0"))
    weights = _weights(source.text("weights", ",".join("1" for _ in boxes)))
    if len(weights) != len(boxes):
        raise _lengths(f"{count(len(boxes), 'division')} and {count(len(weights), 'weight')}", source.text("weights"))
    prompts = split_and(source.prompt)
    report.check_count([text for text, _ in prompts])
    if len(prompts) != len(boxes):
        pairs = f"The prompt has {count(len(prompts), 'AND part')} for {count(len(boxes), 'entry')}"
        report.lost.append(f"{pairs}: pairs of both are taken.")
    texts = report.texts([text for text, _ in prompts[: len(boxes)]])
    strengths = [strength for _, strength in prompts[: len(boxes)]]
    entries = list(zip(boxes, weights, texts, strengths, strict=False))
    regions = [_region(box, _strength(weight, strength, report), text) for box, weight, text, strength in entries if _made(box, report)]
    if not regions:
        raise next((box for box in boxes if isinstance(box, SettingsError)), _lengths("no AND parts", source.prompt))
    end = _end(source, report)
    report.taken.append(f"{count(len(regions), 'rectangle')} with their weights.")
    base: dict[str, Any] = {"prompt": join_texts(*(without_tags(text) for text, _ in prompts))}
    if source.negative.strip():
        base["negative"] = source.negative
    regions = [{**region, **end} for region in regions]
    return report.result({"regions": regions, "base": base, **report.method("latent_couple", "Latent Couple")}, NAME)


def _made(box: Rectangle | SettingsError, report: Report) -> bool:
    if isinstance(box, SettingsError):
        report.lost.append(f"{box} The entry is left out.")
    return not isinstance(box, SettingsError)


def _region(box: Any, weight: float, text: str) -> dict[str, Any]:
    return {"box": list(box), "weight": weight, "prompt": text, "feather": 0.0}


def _strength(weight: float, strength: float, report: Report) -> float:
    """The weight of an entry times the number behind its AND part; below 0 there is nothing like it."""
    product = weight * strength
    if product < 0:
        report.lost.append(f"Weight {product:g}: below 0 Latent Couple pushes away from a prompt; the region is imported with weight 0.")
    return max(0.0, product)


def _weights(text: str) -> list[float]:
    try:
        return [finite("weights", number.strip()) for number in text.split(",")]
    except SettingsError as error:
        raise settings_error("weights", text, "numbers with commas between") from error


def _end(source: Source, report: Report) -> dict[str, Any]:
    """The step after which the regions end, as a share of all steps; at step 0 they never act."""
    end = int(source.number("end", -1))
    if end < 0:
        return {}
    if end == 0:
        report.lost.append("End at step 0: Latent Couple does not act then; the regions are imported switched off.")
        return {"enabled": False}
    if source.steps <= 0:
        report.lost.append(f"End at step {end}: the number of steps is not in this text; set To step yourself.")
        return {}
    report.taken.append(f"End at step {end} of {source.steps}: the regions end there.")
    return {"steps": [0.0, min(1.0, end / source.steps)]}
