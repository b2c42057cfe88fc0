"""Grids from ratio strings, in the syntax that Regional Prompter made common.

::

    1-D   1,1,2        cells along one axis: side by side in "columns", stacked in "rows"
    2-D   1,1;2,1,1    groups of cells; the first number of a group is its own size, the others are its cells,
                       a number alone is a group of one cell

In "columns" groups are rows from top to bottom, separated by ";", and cells are separated by ",". In "rows" groups are columns
from left to right, separated by ",", and cells are separated by ";". Whatever has no ";" is 1-D.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from ..errors import Problem, raise_any, settings_error
from ..fields import Choice, Field, Text, settle
from ..prompt.splitting import COLUMN_KEY, REGION_KEYS, ROW_KEY
from .boxes import Box
from .regions import MAX_REGIONS

DIRECTIONS = ("columns", "rows")
PATTERN = r"^\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*([,;]\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*)*$"
SMALLEST, LARGEST = 1e-6, 1e6
_LONGEST, _MOST_PROBLEMS = 2000, 20

GRID_FIELDS: dict[str, Field] = {
    "ratios": Text(
        'Sizes of the cells: "1,1,2" along one axis, "1,1;2,1,1" in two (first number of a group: its own size).', longest=_LONGEST
    ),
    "direction": Choice("columns: cells side by side, groups are rows; rows: cells stacked, groups are columns.", "columns", DIRECTIONS),
}

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")


@dataclass(frozen=True)
class _Group:
    """A row (or column) of cells: its own size and theirs, as written."""

    size: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A ratio string and the direction of its cells. Raises SettingsError (fields ``ratios``, ``direction``) where malformed."""

    ratios: str
    direction: str = "columns"

    def __post_init__(self) -> None:
        raise_any(settle(self, GRID_FIELDS))
        groups = _groups(self.ratios, self.direction)
        count = sum(len(group.cells) for group in groups)
        if count > MAX_REGIONS:
            text = f"ratios make {count} cells, at most {MAX_REGIONS} are allowed."
            raise settings_error("ratios", self.ratios, f"at most {MAX_REGIONS} cells", text=text)

    def boxes(self) -> tuple[Box, ...]:
        """One box per cell in reading order: group after group, cell after cell. Neighbours share a border exactly."""
        groups = _groups(self.ratios, self.direction)
        outer = _intervals([group.size for group in groups])
        boxes = ((low, high, *cell) for (low, high), group in zip(outer, groups, strict=True) for cell in _intervals(group.cells))
        if self.direction == "columns":
            return tuple(Box(x0, y0, x1, y1) for y0, y1, x0, x1 in boxes)
        return tuple(Box(x0, y0, x1, y1) for x0, x1, y0, y1 in boxes)

    def to_json(self) -> dict[str, Any]:
        """``{"ratios": …, "direction": …}``."""
        return {"ratios": self.ratios, "direction": self.direction}


def flip_ratios(ratios: str) -> str:
    """Swap "," and ";", as Regional Prompter's flip does."""
    return ratios.translate(str.maketrans(",;", ";,"))


def _intervals(sizes: Sequence[str]) -> list[tuple[float, float]]:
    """Sizes -> borders from 0 to 1."""
    sums = [0.0, *accumulate(map(float, sizes))]
    return list(pairwise(at / sums[-1] for at in sums))


def _check_pieces(text: str, field: str, smallest: float) -> None:
    """Raise SettingsError where a piece between the separators is not a usable number; the first twenty such pieces are named."""
    if len(text) > _LONGEST:
        raise settings_error(field, text, f"at most {_LONGEST} characters long")
    problems: list[Problem] = []
    for number, match in enumerate(re.finditer(r"[^,;]*(?:[,;]|$)", text), 1):
        piece = match[0].rstrip(",;").strip()
        if not (_NUMBER.fullmatch(piece) and smallest <= float(piece) <= LARGEST):
            allowed = f"from {smallest:f}".rstrip("0").rstrip(".") + f" to {LARGEST:.0f}"
            what = f'"{piece}"' if piece else "nothing"
            sentence = f"piece {number} (character {match.start() + 1}) must be a number {allowed}, found {what}"
            problems.append(Problem(field, text, 'numbers with "," and ";" between', text=f'{field} "{text[:60]}": {sentence}.'))
        if len(problems) >= _MOST_PROBLEMS or match.end() == len(text) and not match[0].endswith((",", ";")):
            break
    raise_any(problems)


def _split(text: str, direction: str) -> list[list[str]]:
    """Pieces of a 2-D string: groups of stripped pieces."""
    out, within = (";", ",") if direction == "columns" else (",", ";")
    return [[piece.strip() for piece in group.split(within)] for group in text.split(out)]


def _group(pieces: Sequence[str]) -> _Group:
    return _Group(pieces[0], tuple(pieces[1:] or pieces))


def _groups(ratios: str, direction: str) -> list[_Group]:
    _check_pieces(ratios, "ratios", SMALLEST)
    if ";" not in ratios:
        return [_Group("1", tuple(piece.strip() for piece in ratios.split(",")))]
    return [_group(pieces) for pieces in _split(ratios, direction)]


def _written(groups: Sequence[_Group], direction: str) -> str:
    """The ratio string of groups."""
    if len(groups) == 1:
        return ",".join(groups[0].cells)
    out, within = (";", ",") if direction == "columns" else (",", ";")
    alone = direction == "columns" and all(len(group.cells) == 1 for group in groups)
    return out.join(group.size if alone else within.join((group.size, *group.cells)) for group in groups)


def _key_kinds(structure: Sequence[str], ratios: str, direction: str) -> list[bool]:
    """For each key whether it opens a new group. BREAK and AND take what the ratios have at their place, after the end a cell."""
    outer = ROW_KEY if direction == "columns" else COLUMN_KEY
    groups = _groups(ratios, direction)
    drawn = [at > 0 and cell == 0 for at, group in enumerate(groups) for cell in range(len(group.cells))][1:]
    kinds = []
    for at, key in enumerate(structure):
        if key not in REGION_KEYS:
            raise settings_error("structure", key, f"one of {', '.join(REGION_KEYS)}")
        plain = key not in (ROW_KEY, COLUMN_KEY)
        kinds.append(at < len(drawn) and drawn[at] if plain else key == outer)
    return kinds


def _counts(kinds: Sequence[bool]) -> list[int]:
    """Cells of each group."""
    counts = [1]
    for opens in kinds:
        if opens:
            counts.append(1)
        else:
            counts[-1] += 1
    return counts


def _spread(rows: Sequence[Sequence[str]], counts: Sequence[int], *, with_sizes: bool) -> list[_Group]:
    """Numbers brought to the shape ``counts``, row by row.

    A row with too few numbers repeats its last one, one with too many goes on in the next group; what is left over is ignored, and the
    last number fills groups without a row. ``with_sizes``: the first number of every group is its own size.
    """
    groups: list[_Group] = []
    for row in rows:
        rest = list(row)
        while rest and len(groups) < len(counts):
            size, count = rest[0] if with_sizes else "1", counts[len(groups)]
            rest = rest[1:] or rest if with_sizes else rest
            groups.append(_Group(size, tuple(rest[min(at, len(rest) - 1)] for at in range(count))))
            rest = rest[count:]
    last = rows[len(rows) - 1][-1]
    return groups + [_Group(groups[-1].size, (last,) * count) for count in counts[len(groups) :]]


def grid_of(structure: Sequence[str], ratios: str, direction: str = "columns") -> Grid:
    """The grid of a prompt: its keys give the structure, the ratios are broadcast to it.

    ``structure`` holds the keys between the regions (``split_prompt(…, "break").keys``): ADDCOL, ADDROW, BREAK, AND. A short list
    of ratios repeats its last number, a long one goes on in the next group. Numbers without ";" along a single kind of key are 1-D.
    Raises SettingsError for malformed ratios, unknown keys or an unknown direction.
    """
    Grid(ratios, direction)
    kinds = _key_kinds(structure, ratios, direction)
    counts = _counts(kinds)
    if ";" not in ratios and (all(kinds) or not any(kinds)):
        pieces = [piece.strip() for piece in ratios.split(",")]
        rows = [[size] for size in pieces] if kinds and all(kinds) else [["1", *pieces]]
    else:
        rows = _split(ratios, direction)
    return Grid(_written(_spread(rows, counts, with_sizes=True), direction), direction)


def cell_values(structure: Sequence[str], values: str, ratios: str, direction: str = "columns") -> tuple[float, ...]:
    """Numbers for the cells of ``grid_of(structure, ratios, direction)``, such as base ratios: one per cell, broadcast alike.

    ``values`` is split as ratios are, but no number stands for a group; 0 is allowed. Raises SettingsError (field ``values``).
    """
    _check_pieces(values, "values", 0.0)
    counts = _counts(_key_kinds(structure, ratios, direction))
    groups = _spread(_split(values, direction), counts, with_sizes=False)
    return tuple(float(value) for group in groups for value in group.cells)


def row_values(values: str, count: int) -> tuple[float, ...]:
    """``count`` numbers of the first row of ``values``, the last one repeated. Raises SettingsError (field ``values``)."""
    _check_pieces(values, "values", 0.0)
    row = [float(piece) for piece in values.split(";")[0].split(",")]
    return tuple(row[min(at, len(row) - 1)] for at in range(count))
