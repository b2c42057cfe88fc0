"""Negative weights in a prompt, as the NegPip extension reads them: ``(hat:-1.2)``.

Such a part is taken out of the text and encoded by itself with the weight's absolute value; its tokens then act on the picture with the
opposite sign (`engine.calls.Conditioning.turned`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .schedules import BREAK, prompt_schedule

_NEGATIVE = re.compile(r"\((?P<words>[^():]*):\s*-(?P<weight>\d+(?:\.\d+)?)\s*\)")
"""Words without brackets and colons, and a weight with a minus."""
_STEPS = 20
"""Of a schedule whose texts are looked at one by one; how long each of them holds does not matter."""


@dataclass(frozen=True)
class NegativePart:
    """``(words:-weight)`` of a text; the weight is written as in the text, without its sign."""

    words: str
    weight: str

    @property
    def positive(self) -> str:
        """The same words with the weight's absolute value, in the prompt's syntax."""
        return f"({self.words}:{self.weight})"


def negative_parts(text: str) -> tuple[NegativePart, ...]:
    """The parts with a negative weight, in the order of the text. A chunk break in brackets is none."""
    found = (NegativePart(match["words"], match["weight"]) for match in _NEGATIVE.finditer(text))
    return tuple(part for part in found if part.words != BREAK[0])


def without_negative(text: str) -> str:
    """``text`` without these parts, everything else as it is."""
    return _NEGATIVE.sub("", text)


def has_negative(text: str) -> bool:
    """Whether a text has such a part at any step of its schedule."""
    if "-" not in text:
        return False
    return bool(negative_parts(text)) or any(negative_parts(one) for _, one in prompt_schedule(text, _STEPS))
