"""The line of parameters in a picture's text (``Steps: 20, Sampler: Euler a, …``), read in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

FEWEST = 3
"""Parameters from which on a line is one of parameters, as in the WebUI."""

_RUN = re.compile(r"[\w \-/]+(:)?|[^\w \-/]+")
_VALUE = re.compile(r'\s*("(?:\\.|[^\\"])+"(?=,|$)|[^,]*),?')
_FIRST = re.compile(r"\s*Steps: \d+")
_STEPS = re.compile(r"\bSteps: \d+")
_NEGATIVE = "Negative prompt:"


class PictureText(NamedTuple):
    """A picture's text in its parts; ``below`` are the lines that other extensions write behind the parameters."""

    prompt: str
    negative: str
    parameters: dict[str, str]
    below: str = ""


def read_parameters(line: str) -> Iterator[tuple[str, str]]:
    """``Key: value, Key: "quoted, value"`` -> (key, value as it is written) of each.

    A key has two or more letters, digits, blanks, ``-`` or ``/`` and begins with a letter or digit; a value ends at the next comma, a
    quoted one behind its quotes. What belongs to no key is left out. The time is linear in the length of the line.
    """
    position = 0
    while found := _RUN.match(line, position):
        position = found.end()
        key = found[0][:-1].lstrip(" -/") if found[1] else ""
        if len(key) < 2:
            continue
        value = _VALUE.match(line, position)
        assert value is not None
        position = value.end()
        yield key, value[1]


def parse_picture_text(text: str) -> PictureText:
    """Prompt, negative prompt and parameters of a picture's text; without a line of parameters all of it is prompt.

    That line is the last one, or the last that begins with ``Steps:`` where other extensions have written lines behind it.
    """
    lines = text.strip().splitlines() if "\r" in text else text.strip().split("\n")
    at = _line_of_parameters(lines)
    above, below = (lines, []) if at is None else (lines[:at], lines[at + 1 :])
    parameters = {} if at is None else dict(read_parameters(lines[at]))
    prompt, negative = _prompts(above)
    return PictureText(prompt, negative, parameters, "\n".join(below))


def _line_of_parameters(lines: list[str]) -> int | None:
    if lines and _STEPS.search(lines[-1]) and _has_enough(lines[-1]):
        return len(lines) - 1
    return next((at for at in reversed(range(len(lines))) if _FIRST.match(lines[at]) and _has_enough(lines[at])), None)


def _has_enough(line: str) -> bool:
    return sum(1 for _ in zip(read_parameters(line), range(FEWEST), strict=False)) == FEWEST


def _prompts(lines: list[str]) -> tuple[str, str]:
    at = next((at for at, line in enumerate(lines) if line.lstrip().startswith(_NEGATIVE)), len(lines))
    prompt, negative = lines[:at], "\n".join(lines[at:]).lstrip().removeprefix(_NEGATIVE)
    return "\n".join(prompt).strip(), negative.strip()
