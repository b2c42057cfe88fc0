"""Pieces of a tokenised prompt, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One piece of a tokenised text: its ``position`` in the context, its letters, and the number of the word it is part of."""

    position: int
    text: str
    word: int
