"""What scores of regions and candidates may be asked for (``options.scores``)."""

from __future__ import annotations

from collections.abc import Mapping

from ..fields import Choice, Field, Flag, Number

MOST_BATCHES = 100
"""Batches of one generation: what the slider of a WebUI has."""

SCORE_FIELDS: Mapping[str, Field] = {
    "enabled": Flag("Whether every region of a picture gets a score. It costs no other pass and changes no picture.", True),
    "candidates": Number(
        "Pictures that are made for each one asked for, with consecutive seeds; those of the highest scores are returned.",
        1,
        low=1,
        high=MOST_BATCHES,
        whole=True,
    ),
    "keep": Choice("Which candidates are returned: the best, or all of them, the best first.", "best", ("best", "all")),
}
"""``options.scores``."""
