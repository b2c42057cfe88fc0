"""Prompt mode of Regional Prompter: a region is where the words behind its last comma have attention in the base prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..prompt.schedules import BREAK, parse_emphasis
from ..words.search import occurrences, prompt_words
from ..words.shape import LONGEST, WORD_FIELDS
from .report import Report, Source, quoted

_MIDDLE = [0.25, 0.25, 0.75, 0.75]


class RegionTexts(Protocol):
    """The prompts of the regions."""

    regions: list[str]


def by_words(source: Source, parts: RegionTexts, report: Report) -> dict[str, Any]:
    """A region with words for every prompt. In Prompt-Ex a later region covers the earlier ones, else they share."""
    thresholds = _numbers(source.given("threshold", "0.4"), 0.4, len(parts.regions))
    shares = _numbers(source.given("base_ratios", "0.2"), 0.0, len(parts.regions))
    covers = any(source.text(name).lower().startswith("prompt-ex") for name in ("prompt_mode", "mode"))
    regions: list[dict[str, Any]] = []
    for at, (text, threshold, share) in enumerate(zip(parts.regions, thresholds, shares, strict=True)):
        words = _plain(text.rpartition(",")[2])[:LONGEST]
        place = {"words": {"text": words, "threshold": threshold}} if any(map(str.isalnum, words)) else {"box": _MIDDLE, "enabled": False}
        more = {"priority": at} if covers else {}
        regions.append({**place, "name": words[:60], "feather": 0.0, **({"base_share": share} if share else {}), **more})
        if "words" in place:
            report.taken.append(f"Prompt mode: {quoted(text)} acts where {quoted(words)} is found, threshold {threshold:g}.")
        else:
            report.lost.append(f"Prompt mode: {quoted(text)} ends without words of a place. Draw it and switch the region on.")
    if covers:
        report.taken.append("Prompt-Ex: later regions cover earlier ones, by their priorities.")
    return {"regions": regions, **({"overlap": "over"} if covers else {})}


def check(layout: dict[str, Any], report: Report) -> None:
    """Switch regions off whose words are not in the base prompt, where Regional Prompter leaves them out too."""
    there = prompt_words(str(layout["base"].get("prompt") or ""))
    for region in layout["regions"]:
        words = region.get("words", {}).get("text")
        if words and not any(True for text in there for _ in occurrences(text, words)):
            region["enabled"] = False
            report.lost.append(f"{quoted(words)} is not in the base prompt, so its place cannot be found: the region is off.")


def _plain(text: str) -> str:
    """A text without emphasis."""
    return " ".join("".join(piece for piece, weight in parse_emphasis(text) if (piece, weight) != BREAK).split())


def _numbers(text: str, usual: float, count: int) -> Sequence[float]:
    """``0.7,0.5`` as ``count`` numbers from 0 to 1: those that are missing are as the first, what is no number is ``usual``."""
    found = [_number(part, usual) for part in text.split(",")]
    return [found[at] if at < len(found) else found[0] for at in range(count)]


def _number(text: str, usual: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return usual
    return usual if WORD_FIELDS["threshold"].fault(value) else value
