"""Rows of a table of jobs: JSONL, CSV and Parquet, read one at a time."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...request.errors import RegionalError, SettingsError, settings_error

Values = Mapping[str, Any]
Row = tuple[int, Values | SettingsError]
"""Number of the row, the first one 1, and its values by column, or what is wrong with it."""


def wrong_row(number: int, field: str, value: object, allowed: str, text: str = "") -> SettingsError:
    """What is wrong with a row."""
    return settings_error(field, value, allowed, where=f"Row {number}", text=text)


def read_table(path: Path) -> Iterator[Row]:
    """The rows of a table. Raises `RegionalError` for a file that is not there or no table."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RegionalError(f"JOBS must be a file {', '.join(_READERS)}, got {path}.")
    if not path.is_file():
        raise RegionalError(f"There is no file {path}.")
    return reader(path)


def read_jsonl(path: Path) -> Iterator[Row]:
    """One JSON object in each line; empty lines count as rows and are passed over."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(number, line)


def _object(number: int, line: str) -> Values | SettingsError:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return wrong_row(number, "", line.strip(), "a JSON object", f"The line is no JSON: {error}.")
    if not isinstance(found, Mapping):
        return wrong_row(number, "", found, "a JSON object", f"The line must be a JSON object, got {type(found).__name__}.")
    return found


def read_csv(path: Path) -> Iterator[Row]:
    """A header and rows; cells are texts (see `templates.typed`). Empty cells are left out."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a mask's data URL is a long cell
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        names = next(lines, [])
        twice = {name for name in names if names.count(name) > 1 or not name.strip()}
        if not names or twice:
            raise RegionalError(f"{path.name}: the first line must name every column once, got {', '.join(names) or 'nothing'}.")
        for number, cells in enumerate(filter(None, lines), 1):
            if len(cells) > len(names):
                yield (
                    number,
                    wrong_row(number, "", len(cells), f"{len(names)} cells", f"There are {len(cells)} cells, {len(names)} columns."),
                )
            else:
                yield number, {name: cell for name, cell in zip(names, cells, strict=False) if cell != ""}


def read_parquet(path: Path) -> Iterator[Row]:
    """Columns of any type; null is left out."""
    import pyarrow.parquet as parquet

    number = 0
    with parquet.ParquetFile(path) as file:
        for part in file.iter_batches(batch_size=1000):
            for values in part.to_pylist():
                number += 1
                yield number, {name: value for name, value in values.items() if value is not None}


_READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}
"""Suffix of a file's name -> its reader."""
