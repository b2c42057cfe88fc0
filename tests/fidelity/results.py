"""The results of the fidelity suite on disk: a line of JSON for each picture, appended once it is judged, so that a run goes on from it.

A picture's key is its variant, sampling, layout and seed. Lines of another request than today's (a variant that was changed since) count as
missing; another checkpoint or host is refused by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import Marks, Picture, Place
from PIL import Image
from suite import Case

Key = tuple[str, str, str, int, int]


@dataclass(frozen=True)
class Row:
    """One picture. ``request`` is a digest of its request; ``seconds`` are those of the processor (own host) or of the clock (WebUIs)."""

    variant: str
    sampling: str
    kind: str
    number: int
    seed: int
    request: str
    seconds: float
    marks: Marks

    @property
    def key(self) -> Key:
        """What a picture is found by."""
        return self.variant, self.sampling, self.kind, self.number, self.seed

    def line(self) -> str:
        """The row as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> Row:
        """The row of a line. Raises ValueError, KeyError or TypeError for one that is no row."""
        data = json.loads(line)
        marks = data.pop("marks")
        places = tuple(Place(**place) for place in marks["places"])
        return cls(**data, marks=Marks(places, marks["straddling"], tuple(marks["seams"])))


def digest(request: dict[str, Any]) -> str:
    """Short digest of a request."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:24]


class OtherResults(Exception):
    """The folder holds results of another host or checkpoint, or a line that cannot be read."""


class Results:
    """The rows in ``folder``/results.jsonl and their pictures in ``folder``/pictures. ``origin`` names host and checkpoint.

    Raises `OtherResults`.
    """

    def __init__(self, folder: Path, origin: dict[str, str] | None = None) -> None:
        self.path, self.pictures = folder / "results.jsonl", folder / "pictures"
        self.pictures.mkdir(parents=True, exist_ok=True)
        lines = self._whole_lines()
        self.origin = json.loads(lines[0]) if lines else dict(origin or {})
        if origin is not None and self.origin != origin:
            raise OtherResults(f"{self.path} holds results of {self.origin}, not of {origin}. Name another folder with --results.")
        if not lines and origin is not None:
            self._append(json.dumps(origin))
        self.rows: dict[Key, Row] = {}
        for number, line in enumerate(lines[1:], 2):
            try:
                row = Row.parse(line)
            except (ValueError, KeyError, TypeError) as error:
                raise OtherResults(f"{self.path}, line {number}, is no row of results: {error}") from error
            self.rows[row.key] = row

    def _whole_lines(self) -> list[str]:
        """The lines that were written to their end; half a line, where a run was killed, is cut off."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")
        return whole.splitlines()

    def _append(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def has(self, key: Key, request: str) -> bool:
        """Whether the picture of ``key`` was made by this request."""
        row = self.rows.get(key)
        return row is not None and row.request == request

    def add(self, row: Row, picture: Picture) -> None:
        """Keep a picture, then its row."""
        Image.fromarray(picture).save(self.pictures / f"{row.request}.png", "PNG")
        self.rows[row.key] = row
        self._append(row.line())

    def picture(self, row: Row) -> Image.Image:
        """The picture of a row."""
        return Image.open(self.pictures / f"{row.request}.png").convert("RGB")

    def of(self, variant: str, sampling: str, kind: str | None = None) -> list[Row]:
        """The rows of a variant, of one kind of layout or of all, in the order of the suite."""
        found = [row for row in self.rows.values() if (row.variant, row.sampling) == (variant, sampling)]
        return sorted((row for row in found if kind in (None, row.kind)), key=lambda row: row.number)


def in_turns(cases: Iterable[Case], variants: Sequence[str], singles: Sequence[Case]) -> Iterator[tuple[Case, str]]:
    """(case, variant) of everything to make: the first layout of every kind by all variants, the second of every kind, and so on.

    ``singles`` are spread over the turns. So whatever is there when a run is stopped is even over layouts and variants.
    """
    by_number: dict[int, list[Case]] = {}
    for case in cases:
        by_number.setdefault(case.number, []).append(case)
    waiting = list(singles)
    share = -(-len(waiting) // max(1, len(by_number)))
    for _, turn in sorted(by_number.items()):
        yield from ((case, "plain") for case in waiting[:share])
        del waiting[:share]
        yield from ((case, variant) for case in turn for variant in variants)
    yield from ((case, "plain") for case in waiting)
