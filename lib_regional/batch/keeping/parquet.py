"""The manifest as a Parquet file: a row for each picture, and one for each job that has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...request.files import replacing
from ..jobs.plan import Plan
from ..jobs.requests import Job
from .store import Entry, entries

FILE = "manifest.parquet"
_ROWS = 1000


def write_parquet(folder: Path, plan: Plan) -> Path:
    """Write the rows of all jobs of ``plan`` that have ended, some at a time."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    text, whole, real = pa.string(), pa.int64(), pa.float64()
    schema = pa.schema([
        ("key", text), ("row", whole), ("name", text), ("status", text), ("file", text), ("seed", whole), ("width", whole),
        ("height", whole), ("prompt", text), ("method", text), ("score", real), ("region_scores", pa.list_(real)),
        ("region_prompts", pa.list_(text)), ("request", text), ("worker", text), ("seconds", real), ("tries", whole), ("error", text),
    ])  # fmt: skip
    target = folder / FILE
    with replacing(target) as beside, parquet.ParquetWriter(beside, schema) as writer:
        part: list[dict[str, Any]] = []
        for entry, job in with_jobs(folder, plan):
            part += rows_of(entry, job)
            if len(part) >= _ROWS:
                writer.write_table(pa.Table.from_pylist(part, schema))
                part = []
        writer.write_table(pa.Table.from_pylist(part, schema))
    return target


def with_jobs(folder: Path, plan: Plan) -> Iterator[tuple[Entry, Job]]:
    """The ended jobs of a plan with their lines, in the plan's order; one request in memory at a time."""
    ended = {entry.key: entry for entry in entries(folder)}
    for job in plan.read([planned for planned in plan.jobs if planned.key in ended]):
        yield ended[job.key], job


def rows_of(entry: Entry, job: Job) -> Iterator[dict[str, Any]]:
    """The rows of a job."""
    settings = job.settings
    regions = [] if settings is None else [region.prompt for region in settings.regions]
    base = {name: getattr(entry, name) for name in ("key", "row", "name", "status", "worker", "seconds", "tries", "error")}
    base |= {"prompt": job.request.get("prompt", ""), "method": "" if settings is None else settings.method, "region_prompts": regions}
    base |= {"width": job.size[0], "height": job.size[1], "request": json.dumps(job.request, ensure_ascii=False)}
    for at, file in enumerate(entry.files or (None,)):
        score = entry.scores[at] if at < len(entry.scores) else None
        yield {
            **base,
            "file": file,
            "seed": entry.seeds[at] if at < len(entry.seeds) else None,
            "score": None if score is None else score.get("score"),
            "region_scores": [] if score is None else list(score.get("regions", ())),
        }
