"""Prompt schedules and emphasis in the syntax of AUTOMATIC1111's WebUI, for hosts that bring none of their own.

``[a:b:0.5]`` changes at a share of the steps (a number with a dot) or at a step (one without), ``[a|b]`` alternates, and a
bracket that is neither is left to the emphasis. As in the WebUI, a ``|`` outside of brackets, or a backslash at the very end,
makes the whole text unscheduled. Where brackets do not match, the WebUI's grammar has several readings and takes any; here a
bracket that closes is read, and one that does not stands for itself.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import settings_error, shown
from .splitting import split_and

_PLAIN = re.compile(r"(?:[^\\\[\]():|]|\\.)+")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.A)
_CLOSING = {"(": ")", "[": "]"}
_DEEPEST = 60

_EMPHASIS = re.compile(r"\\[()\[\]\\]|\\|\(|\[|:\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*\)|\)|\]|[^\\()\[\]:]+|:", re.A)
_BREAK = re.compile(r"\bBREAK\b")

_FACTORS = {"(": 1.1, "[": 1 / 1.1}

LARGEST_WEIGHT = 1000.0
"""Of an emphasis: far beyond what changes a picture any further, far below what a half-precision state can hold."""

BREAK = ("BREAK", -1.0)
"""The piece that stands for a chunk break."""


@dataclass(frozen=True)
class _Prompt:
    """Pieces one after the other."""

    parts: tuple[_Node, ...]


@dataclass(frozen=True)
class _Scheduled:
    """``before`` up to the step that ``when`` names, ``after`` from then on."""

    before: _Node
    after: _Node
    when: str


@dataclass(frozen=True)
class _Alternate:
    """One choice per step, in turn."""

    choices: tuple[_Node, ...]


_Node = str | _Prompt | _Scheduled | _Alternate


class _Unscheduled(Exception):
    """The grammar has no reading of the text."""


class _Parser:
    """Recursive descent over one text. Every bracket is tried once; what fails inside a bracket fails the bracket."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tried: dict[int, tuple[_Node, int] | None] = {}

    def parse(self) -> _Prompt:
        """The whole text; brackets without a meaning stand for themselves."""
        parts: list[_Node] = []
        position = 0
        while position < len(self.text):
            piece, position = self._piece(position, 0) or self._literal(position)
            parts.append(piece)
        return _Prompt(tuple(parts))

    def _literal(self, position: int) -> tuple[_Node, int]:
        if self.text[position] in "|\\":
            raise _Unscheduled
        return self.text[position], position + 1

    def _piece(self, position: int, depth: int) -> tuple[_Node, int] | None:
        """Plain text or a bracket at ``position``."""
        plain = _PLAIN.match(self.text, position)
        if plain:
            return plain[0], plain.end()
        if self.text[position : position + 1] not in ("(", "["):
            return None
        if position not in self.tried:
            self.tried[position] = self._bracket(position, depth)
        return self.tried[position]

    def _bracket(self, start: int, depth: int) -> tuple[_Node, int] | None:
        """``(…)`` or ``[…]`` from ``start``: its contents split at ":" and "|"."""
        if depth > _DEEPEST:
            raise _Unscheduled
        opening = self.text[start]
        contents: list[_Prompt] = []
        starts, marks = [start + 1], ""
        while True:
            content, position = self._prompt(starts[-1], depth)
            contents.append(content)
            mark = self.text[position : position + 1]
            if mark == _CLOSING[opening]:
                break
            if mark not in (":", "|"):
                return None
            marks += mark
            starts.append(position + 1)
        last = self.text[starts[-1] : position]
        node = _square(contents, marks, last) if opening == "[" else _round(contents, marks)
        return None if node is None else (node, position + 1)

    def _prompt(self, position: int, depth: int) -> tuple[_Prompt, int]:
        parts = []
        while piece := self._piece(position, depth + 1):
            parts.append(piece[0])
            position = piece[1]
        return _Prompt(tuple(parts)), position


def _round(contents: list[_Prompt], marks: str) -> _Node | None:
    """``(a)`` and ``(a:1.2)`` stay as they are, but what is inside may be scheduled."""
    if marks == "":
        return _Prompt(("(", contents[0], ")"))
    return _Prompt(("(", contents[0], ":", contents[1], ")")) if marks == ":" else None


def _square(contents: list[_Prompt], marks: str, last: str) -> _Node | None:
    if marks == "":
        return _Prompt(("[", contents[0], "]"))
    if set(marks) == {"|"}:
        return _Alternate(tuple(contents))
    number = _NUMBER.fullmatch(last)
    if number and marks in (":", "::"):
        return _Scheduled(contents[0] if marks == "::" else "", contents[-2], number[1])
    return None


def _switch(when: str, base: int, hires: int | None) -> int:
    """The last step with the text before; below 1 there is none. With a hires pass, 1.0 to 2.0 and steps past the first are its."""
    steps = base if hires is None else hires
    value = float(when)
    offset = (1.0 if "." in when else base) if hires is not None else 0
    value = (value - offset) * steps if "." in when else value - offset
    return int(max(-1.0, min(float(steps), value)))


def _steps_of(node: _Node, base: int, hires: int | None) -> Iterator[int]:
    """Steps after which the text changes."""
    if isinstance(node, _Scheduled):
        yield _switch(node.when, base, hires)
        children: tuple[_Node, ...] = (node.before, node.after)
    elif isinstance(node, _Alternate):
        yield from range(1, base if hires is None else hires)
        children = node.choices
    else:
        children = node.parts if isinstance(node, _Prompt) else ()
    for child in children:
        yield from _steps_of(child, base, hires)


def _at(node: _Node, step: int, base: int, hires: int | None) -> str:
    """The text in force at ``step`` (from 1)."""
    if isinstance(node, str):
        return node
    if isinstance(node, _Prompt):
        return "".join(_at(part, step, base, hires) for part in node.parts)
    if isinstance(node, _Alternate):
        return _at(node.choices[(step - 1) % len(node.choices)], step, base, hires)
    return _at(node.before if step <= _switch(node.when, base, hires) else node.after, step, base, hires)


def prompt_schedule(text: str, steps: int, hires_steps: int | None = None) -> tuple[tuple[int, str], ...]:
    """``((last step, text), …)`` with steps from 1: each text holds up to and including its step, the last one to the end.

    ``steps`` is the number of sampling steps; with ``hires_steps`` the schedule is that of the second pass. A text that the
    grammar cannot read is not scheduled. Source: AUTOMATIC1111, modules/prompt_parser.py (behaviour).
    """
    total = steps if hires_steps is None else hires_steps
    try:
        tree = _Parser(text).parse()
    except _Unscheduled:
        return ((total, text),)
    ends = sorted({total, *(step for step in _steps_of(tree, steps, hires_steps) if 1 <= step <= total)})
    return tuple((end, _at(tree, end, steps, hires_steps)) for end in ends)


def parse_emphasis(text: str) -> tuple[tuple[str, float], ...]:
    """``a (b:1.2) [c]`` -> ``(("a ", 1.0), ("b", 1.2), (" ", 1.0), ("c", 0.909…))``; ``\\(`` is a plain bracket.

    ``(x)`` is 1.1, ``[x]`` 1/1.1, nested ones multiply, unclosed ones reach to the end. The word BREAK yields ("BREAK", -1.0),
    whatever brackets are around it.
    """
    pieces: list[tuple[str, float]] = []
    opened: dict[str, list[_Bracket]] = {"(": [], "[": []}
    brackets: dict[str, list[_Bracket]] = {"(": [], "[": []}
    for match in _EMPHASIS.finditer(text):
        token, number = match[0], match[1]
        if token.startswith("\\"):
            pieces.append((token[1:], 1.0))
        elif token in opened:
            opened[token].append(_Bracket(len(pieces), _FACTORS[token]))
            brackets[token].append(opened[token][-1])
        elif token.endswith(")") and opened["("]:
            opened["("].pop().close(len(pieces), number)
        elif token == "]" and opened["["]:
            opened["["].pop().close(len(pieces))
        else:
            pieces += _with_breaks(token)
    for kind in brackets.values():
        pieces = list(_weighted(pieces, kind))
    return _merged(pieces)


def check_emphasis(text: str, where: str = "", path: str = "prompt") -> None:
    """Raise SettingsError (field ``path``) for an emphasis that no text encoder can follow, such as ``(a:9999999)``."""
    for words, weight in parse_emphasis(text):
        if not abs(weight) <= LARGEST_WEIGHT:
            allowed = f"a weight from -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}"
            message = f"the emphasis of {shown(words)} must be {allowed}, got {weight:g}."
            raise settings_error(path, weight, allowed, where=where, text=message)


@dataclass
class _Bracket:
    """An emphasis over the pieces from ``start`` to ``end`` (excluded); one that is never closed reaches to the last."""

    start: int
    factor: float
    end: int | None = None

    def close(self, end: int, number: str | None = None) -> None:
        """End the bracket, with the number written behind its colon as the factor."""
        self.end = end
        self.factor = self.factor if number is None else float(number)


def _weighted(pieces: Sequence[tuple[str, float]], brackets: Sequence[_Bracket]) -> Iterator[tuple[str, float]]:
    """Pieces with their weights multiplied by all brackets of one kind around them. ``brackets`` are in the order of their starts."""
    around: list[tuple[int, float]] = []
    coming = deque(brackets)
    for at, piece in enumerate(pieces):
        while around and around[-1][0] <= at:
            around.pop()
        while coming and coming[0].start <= at:
            bracket = coming.popleft()
            end = len(pieces) if bracket.end is None else bracket.end
            if end > at:
                around.append((end, bracket.factor * (around[-1][1] if around else 1.0)))
        yield piece if piece == BREAK or not around else (piece[0], piece[1] * around[-1][1])


def _with_breaks(text: str) -> list[tuple[str, float]]:
    """Text split at the word BREAK, which takes the blanks around it along."""
    first, *others = _BREAK.split(text)
    if not others:
        return [(first, 1.0)]
    middle, last = [other.strip() for other in others[:-1]], others[-1].lstrip()
    return [(first.rstrip(), 1.0), *(piece for other in (*middle, last) for piece in (BREAK, (other, 1.0)))]


def _merged(pieces: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Neighbours of equal weight as one."""
    result: list[tuple[list[str], float]] = []
    for text, weight in pieces or [("", 1.0)]:
        if result and result[-1][1] == weight and [BREAK[0]] != result[-1][0] and (text, weight) != BREAK:
            result[-1][0].append(text)
        else:
            result.append(([text], weight))
    return tuple(("".join(texts), weight) for texts, weight in result)


__all__ = ["BREAK", "check_emphasis", "parse_emphasis", "prompt_schedule", "split_and"]
