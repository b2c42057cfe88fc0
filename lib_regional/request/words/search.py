"""Words that a region's mask is found by, in the base prompt: where they are, and the error for words that are not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..errors import Problem, shown
from ..layout.regions import RegionSettings
from ..prompt.schedules import BREAK, parse_emphasis, prompt_schedule
from ..prompt.splitting import split_and
from .shape import Words

_WORD = re.compile(r"[^\W_]+")
_MOST_NAMED = 30
_STEPS = 20
"""Of a schedule whose texts are looked at one by one; how long each of them holds does not matter."""


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters, without punctuation."""
    return _WORD.findall(text.lower())


def prompt_words(base: str) -> list[list[str]]:
    """The words of every text that a prompt is at any step, one list for each text of each AND part; emphasis is left out."""
    texts = (text for part, _ in split_and(base) for _, text in prompt_schedule(part, _STEPS))
    plain = (" ".join(piece for piece, weight in parse_emphasis(text) if (piece, weight) != BREAK) for text in dict.fromkeys(texts))
    return [words_of(text) for text in plain]


def occurrences(words: Sequence[str], phrase: str) -> Iterator[range]:
    """Where the words of ``phrase`` follow each other in ``words``; how either is cut into pieces does not matter."""
    wanted = "".join(words_of(phrase))
    for first in range(len(words)):
        letters, end = "", first
        while end < len(words) and len(letters) < len(wanted):
            letters, end = letters + words[end], end + 1
        if letters == wanted:
            yield range(first, end)


def sought(regions: Sequence[RegionSettings]) -> Mapping[int, Words]:
    """The words of the regions that are on and whose mask is still to be found."""
    shapes = ((at, region.shape) for at, region in enumerate(regions) if region.enabled)
    return {at: shape for at, shape in shapes if isinstance(shape, Words) and shape.found is None}


def probe_of(regions: Sequence[RegionSettings]) -> float:
    """The share of the first pass in which regions with words do not act yet; where they differ, the largest holds for all."""
    return max((region.shape.probe for region in regions if region.enabled and isinstance(region.shape, Words)), default=0.0)


def sought_problems(regions: Sequence[RegionSettings], base: str) -> Iterator[Problem]:
    """A problem for every region whose words are not in the base prompt, with the words that are."""
    wanted = sought(regions)
    there = prompt_words(base) if wanted else []
    for at, shape in wanted.items():
        if not any(True for words in there for _ in occurrences(words, shape.text)):
            yield missing_words(regions[at], at, shape.text, [word for words in there for word in words])


def missing_words(region: RegionSettings, at: int, phrase: str, there: Sequence[str]) -> Problem:
    """The problem of words that are not in the base prompt."""
    named = list(dict.fromkeys(there))
    listed = ", ".join(named[:_MOST_NAMED]) + (", …" if len(named) > _MOST_NAMED else "") if named else "none"
    allowed = f"words of the base prompt, which has {listed}"
    return Problem(f"regions[{at}].words.text", phrase, allowed, region.label(at), f"words must be {allowed}; got {shown(phrase)}.")
