"""The folder of a batch: pictures written whole or not at all, and a manifest with a line for each end of a job.

A line is written after its pictures. What a killed process leaves is a picture without a line (its job is made again, with the same
bytes) or the beginning of a line, which the next start cuts off.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ...request.errors import RegionalError
from ...request.files import remove_leftovers, write_bytes
from ..jobs.requests import Job
from ..running.dispatch import Outcome
from ..running.work import Answer

MANIFEST, PICTURES = "manifest.jsonl", "pictures"
_SUFFIXES = {b"\x89": ".png", b"\xff": ".jpg", b"R": ".webp"}
"""First byte of a picture file -> suffix of its name."""
_NAME_LENGTH = 60


class FullError(RegionalError):
    """The folder takes no more."""


@dataclass(frozen=True)
class Entry:
    """A line of the manifest. ``files`` are relative to the batch's folder; ``scores`` are one per picture, see `scoring.scores`."""

    key: str
    row: int
    name: str
    status: str
    files: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    scores: tuple[Mapping[str, Any] | None, ...] = ()
    worker: str = ""
    seconds: float = 0.0
    tries: int = 1
    error: str = ""

    @classmethod
    def read(cls, line: bytes) -> Entry:
        """A line. Raises ValueError for what is none."""
        data = json.loads(line)
        if not isinstance(data, dict) or not {"key", "row", "name", "status"} <= set(data):
            raise ValueError("no line of a manifest")
        lists = {name: tuple(data[name]) for name in ("files", "sizes", "seeds", "scores") if name in data}
        return cls(**{**data, **lists})

    def line(self) -> bytes:
        """The line with its end."""
        fields = {name: value for name, value in self.__dict__.items() if value not in ((), "")}
        return (json.dumps({**fields, "name": self.name}, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


@dataclass
class Store:
    """``done`` holds the keys of jobs whose pictures are there. Close it at the end; `opened` does."""

    folder: Path
    done: set[str] = field(default_factory=set)
    _file: IO[bytes] | None = None

    def __enter__(self) -> Store:
        """Take the folder for this process. Raises `RegionalError` where another batch has it, or where it cannot be written."""
        try:
            (self.folder / PICTURES).mkdir(parents=True, exist_ok=True)
            self._file = open(self.folder / MANIFEST, "a+b", buffering=0)
        except OSError as error:
            raise RegionalError(f"--out {self.folder} cannot be written: {error.strerror}.") from error
        if not _locked(self._file):
            self._file.close()
            raise RegionalError(f"Another batch writes into {self.folder}.")
        for place in (self.folder, self.folder / PICTURES):
            remove_leftovers(place)
        self._cut_torn_line()
        self.done = {entry.key for entry in entries(self.folder) if entry.status == "done" and self._is_whole(entry)}
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, outcome: Outcome) -> Entry:
        """Write the pictures of a job that is done, and its line. Raises `FullError` where they cannot be written; nothing is left then."""
        job, answer = outcome.job, outcome.answer
        ended = {"worker": outcome.worker, "seconds": round(outcome.seconds, 3), "tries": outcome.tries, "error": outcome.error}
        entry = Entry(job.key, job.row, job.name, outcome.status, **ended)  # type: ignore[arg-type]  # one dict of several types
        try:
            if answer is not None:
                entry = self._with_pictures(entry, job, answer)
            self._append(entry.line())
        except OSError as error:
            text = f"{self.folder} takes no more files ({error.strerror}). Make room and start again: what is done is kept."
            raise FullError(text) from error
        if entry.status == "done":
            self.done.add(job.key)
        return entry

    def _with_pictures(self, entry: Entry, job: Job, answer: Answer) -> Entry:
        names = picture_names(job, answer)
        for name, data in zip(names, answer.pictures, strict=True):
            write_bytes(self.folder / name, data)
        seeds, scores = _of_pictures(answer, len(names))
        fields = {**entry.__dict__, "files": tuple(names), "sizes": tuple(map(len, answer.pictures)), "seeds": seeds, "scores": scores}
        return Entry(**fields)

    def _append(self, line: bytes) -> None:
        assert self._file is not None
        end = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(28, os.strerror(28))
        except OSError:
            os.ftruncate(self._file.fileno(), end)
            raise

    def _cut_torn_line(self) -> None:
        """Remove the part of a line that a process left that was killed, or had no space, while it wrote."""
        assert self._file is not None
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                os.ftruncate(self._file.fileno(), whole)
                return
            whole += len(line)

    def _is_whole(self, entry: Entry) -> bool:
        """Whether the pictures of a line are there, with their sizes."""
        try:
            sizes = tuple(os.stat(self.folder / name).st_size for name in entry.files)
        except OSError:
            return False
        return bool(sizes) and sizes == entry.sizes


def entries(folder: Path) -> Iterator[Entry]:
    """The last line of every job, in the order of the table's rows."""
    last: dict[str, Entry] = {}
    with (folder / MANIFEST).open("rb") as file:
        for line in file:
            try:
                entry = Entry.read(line)
            except (ValueError, TypeError):
                continue
            if not (entry.status != "done" and entry.key in last and last[entry.key].status == "done"):
                last[entry.key] = entry
    yield from sorted(last.values(), key=lambda entry: entry.row)


def picture_names(job: Job, answer: Answer) -> list[str]:
    """Names that follow from the job alone: another try writes the same files."""
    label = re.sub(r"[^\w.-]+", "_", job.name).strip("._")[:_NAME_LENGTH]
    stem = "_".join(filter(None, [f"{job.row:06d}", label, job.key[:12]]))
    suffixes = [_SUFFIXES.get(picture[:1], ".png") for picture in answer.pictures]
    if len(suffixes) == 1:
        return [f"{PICTURES}/{stem}{suffixes[0]}"]
    return [f"{PICTURES}/{stem}_{at}{suffix}" for at, suffix in enumerate(suffixes, 1)]


def _of_pictures(answer: Answer, count: int) -> tuple[tuple[int, ...], tuple[Mapping[str, Any] | None, ...]]:
    """(seeds, scores) of the pictures, as far as the answer has them."""
    seeds, more = answer.info.get("all_seeds"), answer.info.get("extra_generation_params")
    scores = more.get("Regional scores") if isinstance(more, Mapping) else None
    found = [score if isinstance(score, Mapping) else None for score in scores] if isinstance(scores, list) else []
    first = int(answer.info.get("index_of_first_image") or 0)  # a grid comes before the pictures
    padded = [None] * first + found
    return tuple(seeds if isinstance(seeds, list) else ()), tuple((padded + [None] * count)[:count]) if found else ()


def _locked(file: IO[bytes]) -> bool:
    """Lock the file until it is closed, or its process ends. True where this system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
