"""One prompt for many regions: splitting it by keys, lines or AND, and joining texts again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import settings_error

COMMON_KEY, BASE_KEY, COLUMN_KEY, ROW_KEY, BREAK_KEY, AND_KEY = "ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW", "BREAK", "AND"
REGION_KEYS = (COLUMN_KEY, ROW_KEY, BREAK_KEY, AND_KEY)
SPLIT_MODES = ("break", "lines", "and")

_SEPARATORS = {"break": REGION_KEYS, "lines": (), "and": (AND_KEY,)}
_TAG = r"<[^<>\n:]*:[^<>\n]*>"
_AND_WEIGHT = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+))\s*", re.A)
_BLANK = " \t\r\n,"
_BRACKET, _OPENING = re.compile(r"\\.|[()\[\]]", re.S), {")": "(", "]": "["}
_NEWLINE = re.compile(r"\r\n|\r|\n")
_ENDS_BARE, _BEGINS_BARE = re.compile(r"\b(BREAK|AND)$"), re.compile(r"(BREAK|AND)\b")
_KEY_AND_BEFORE = len(BREAK_KEY) + 1


@dataclass(frozen=True)
class PromptParts:
    """A prompt in parts. ``common`` and ``base`` are None where the prompt has no such key.

    ``keys`` are the separators between the regions (one fewer than regions; newlines in lines mode), ``weights`` the numbers
    behind AND parts (``a AND b:0.5``), 1.0 elsewhere.
    """

    common: str | None
    base: str | None
    regions: tuple[str, ...]
    keys: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()


def split_at_words(text: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split at whole upper-case words -> (pieces, words found). Inside ``<lora:…>`` and the like nothing is split."""
    pattern = re.compile(rf"{_TAG}|\b({'|'.join(words)})\b")
    pieces, found, start = [], [], 0
    for match in pattern.finditer(text):
        if match[1]:
            pieces.append(text[start : match.start()])
            found.append(match[1])
            start = match.end()
    return [*pieces, text[start:]], found


def split_prompt(text: str, mode: str) -> PromptParts:
    """Split a prompt into ``common ADDCOMM base ADDBASE region key region …``; texts come back stripped.

    ``mode``: ``break`` separates at ADDCOL, ADDROW, BREAK and AND, ``lines`` at newlines (blank lines at the end do not count),
    ``and`` at AND, whose weights are taken off. Keys are whole upper-case words; ADDCOMM and ADDBASE work in every mode.
    Raises SettingsError (field ``prompt``) where one of these two stands twice, late, or in the wrong order.
    """
    if mode not in SPLIT_MODES:
        raise settings_error("mode", mode, f"one of {', '.join(SPLIT_MODES)}")
    pieces, found = split_at_words(text, (COMMON_KEY, BASE_KEY, *_SEPARATORS[mode]))
    head = [key for key in found if key in (COMMON_KEY, BASE_KEY)]
    if head not in ([], [COMMON_KEY], [BASE_KEY], [COMMON_KEY, BASE_KEY]) or found[: len(head)] != head:
        expected = f"at most one {COMMON_KEY}, then at most one {BASE_KEY}, then the regions"
        text = f"The keys of the prompt are {' '.join(found)}: only {expected} can be read."
        raise settings_error("prompt", " ".join(found), expected, text=text)
    fronts = dict(zip(head, (piece.strip() for piece in pieces), strict=False))
    regions, keys = pieces[len(head) :], found[len(head) :]
    if mode == "lines":
        regions = _lines(regions[0], after_key=bool(head))
        keys = ["\n"] * (len(regions) - 1)
    weighted = [_take_weight(piece) if mode == "and" else (piece, 1.0) for piece in regions]
    texts, weights = zip(*((piece.strip(), weight) for piece, weight in weighted), strict=True)
    return PromptParts(fronts.get(COMMON_KEY), fronts.get(BASE_KEY), texts, tuple(keys), weights)


def _lines(text: str, *, after_key: bool) -> list[str]:
    """Lines without the blank ones at the end; the rest of a key's own line is none if it is blank."""
    lines = _NEWLINE.split(text)
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    return lines[1:] if after_key and len(lines) > 1 and not lines[0].strip() else lines


def _take_weight(text: str) -> tuple[str, float]:
    before, colon, behind = text.rpartition(":")
    match = _AND_WEIGHT.fullmatch(behind) if colon else None
    return (before, float(match[1])) if match else (text, 1.0)


def split_and(text: str) -> tuple[tuple[str, float], ...]:
    """``a AND b:0.5`` -> ``(("a", 1.0), ("b", 0.5))``, as the WebUI composes prompts; the texts come back stripped."""
    weighted = (_take_weight(piece) for piece in split_at_words(text, (AND_KEY,))[0])
    return tuple((piece.strip(), weight) for piece, weight in weighted)


def open_bracket(text: str) -> str:
    """The first bracket of ``text`` without its partner ("" for none); behind a backslash brackets are letters."""
    opened: list[str] = []
    for match in _BRACKET.finditer(text):
        bracket = match[0]
        if bracket in "([":
            opened.append(bracket)
        elif bracket in ")]":
            if not opened or opened[-1] != _OPENING[bracket]:
                return bracket
            opened.pop()
    return opened[0] if opened else ""


def join_texts(*parts: str | None) -> str:
    """The non-empty parts with ", " between. Commas and blanks at the seams are not doubled, and next to BREAK or AND is none."""
    texts = [part for part in parts if part and part.strip(_BLANK)]
    pieces = texts[:1]
    for text in texts[1:]:
        left, right = pieces[-1].rstrip(_BLANK), text.lstrip(_BLANK)
        bare = _ENDS_BARE.search(left[-_KEY_AND_BEFORE:]) or _BEGINS_BARE.match(right)
        pieces[-1:] = [left, " " if bare else ", ", right]
    return "".join(pieces)


def joined(parts: PromptParts) -> str:
    """All of a split prompt as one plain prompt without keys."""
    return join_texts(parts.common, parts.base, *parts.regions)
