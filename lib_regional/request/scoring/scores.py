"""Which requests have scores and candidates, and how scores are written and ranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import Problem
from ..methods.scene import MethodSettings
from ..methods.specs import METHODS

LATEST = 0.6
"""Share of the steps at which regions are scored first (`engine.records.score_record.STEPS`)."""

NAME, DATA = "Regional score", "Regional scores"
"""Names of the infotext's field, and of the data in an API's answer."""

RegionScores = Mapping[int, float]
"""Region -> score in 0..1."""


def scored(settings: MethodSettings) -> bool:
    """Whether the settings' method lets regions act through cross-attention where scores are taken."""
    if not settings.option_of("scores")("enabled") or not METHODS[settings.method].scored:
        return False
    method = settings.option("by") if "by" in METHODS[settings.method].options else settings.method
    option = settings.option_of(method)
    return method != "latent_composite" or option("after") != "nothing" or float(option("alone")) > LATEST


def candidate_problems(settings: MethodSettings) -> Iterator[Problem]:
    """The problem of candidates that nothing can rank."""
    count = settings.option_of("scores")("candidates")
    if count > 1 and not scored(settings):
        field = "options.scores.candidates"
        allowed = f"1 where regions have no scores (method {settings.method}, scores {'on' if _on(settings) else 'off'})"
        yield Problem(field, count, allowed, text=f"{field} must be {allowed}, got {count}.")


def _on(settings: MethodSettings) -> bool:
    return bool(settings.option_of("scores")("enabled"))


def lowest(scores: RegionScores) -> float:
    """The score of a picture: that of its worst region; 0 for a picture without any."""
    return min(scores.values(), default=0.0)


def score_text(scores: RegionScores) -> str:
    """``0.91 (1: 0.95, 2: 0.91)``: the lowest score, and every region's by its number from 1; "" without any."""
    each = ", ".join(f"{region + 1}: {score:.2f}" for region, score in sorted(scores.items()))
    return f"{lowest(scores):.2f} ({each})" if scores else ""


def score_data(scores: RegionScores, regions: int) -> dict[str, Any]:
    """Plain JSON: the lowest score, and one per region in order, null for those without."""
    found = [None if at not in scores else round(scores[at], 4) for at in range(regions)]
    return {"score": round(lowest(scores), 4) if scores else None, "regions": found}


def ranked(scores: Sequence[RegionScores]) -> list[int]:
    """Positions of pictures, the highest lowest score first; equal ones in their order."""
    return sorted(range(len(scores)), key=lambda at: -lowest(scores[at]))
