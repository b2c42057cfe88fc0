"""Standalone engines as Ray actors: the same bytes as one after the other, also with workers that are killed. Skipped without Ray."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("ray")

from lib_regional.batch import __main__ as command_line
from lib_regional.batch.jobs.requests import Job, key_of
from lib_regional.batch.keeping.store import Entry, entries
from lib_regional.batch.running.dispatch import Dispatcher, Limits, Outcome
from lib_regional.batch.running.engine import Engine
from lib_regional.batch.running.ray_workers import EngineOptions, RayWorker, ray_workers
from lib_regional.batch.running.work import read_answer

JOBS = int(os.environ.get("REGIONAL_BATCH_JOBS", "6"))
"""Jobs of the test with killed workers; 200 is the long run of docs/batch.md."""
EVERY = 3 if JOBS < 60 else 20
"""Jobs between two kills."""


def job(row: int) -> Job:
    settings = {"enabled": True, "version": 2, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a red circle"}]}
    request = {"prompt": "grass", "width": 64, "height": 64, "steps": 2, "seed": row, "sampler_name": "Euler a"}
    request["alwayson_scripts"] = {"Regional": {"args": [settings]}}
    return Job(key_of("txt2img", request), row, "txt2img", request)


@pytest.fixture(scope="module")
def workers() -> list[RayWorker]:
    """Two engines with a thread each."""
    with ray_workers(EngineOptions(workers=2, threads=1)) as made:
        yield made


def test_killed_workers_lose_no_picture_and_change_none(workers: list[RayWorker]) -> None:
    import ray

    reports: list[str] = []
    dispatcher = Dispatcher(workers, Limits(tries=5, timeout=300), reports.append)
    ended: list[Outcome] = []
    kills = 0
    for outcome in dispatcher.outcomes(iter(job(row) for row in range(1, JOBS + 1))):
        ended.append(outcome)
        if len(ended) % EVERY == 0 and len(ended) < JOBS:
            os.kill(ray.get(workers[kills % 2].actor.process.remote()), signal.SIGKILL)
            kills += 1
    assert sorted(outcome.job.row for outcome in ended) == list(range(1, JOBS + 1))
    assert {outcome.status for outcome in ended} == {"done"} and kills >= 1 and len(reports) >= 1
    engine = Engine()
    for outcome in ended:
        alone = read_answer(*engine.make(outcome.job.route, outcome.job.request))
        assert outcome.answer is not None and outcome.answer.pictures == alone.pictures


def test_a_request_that_is_refused_ends_with_the_hosts_text(workers: list[RayWorker]) -> None:
    bad = Job("key", 1, "txt2img", {**job(1).request, "sampler_name": "nope"})
    [outcome] = Dispatcher(workers).outcomes(iter([bad]))
    assert outcome.status == "refused" and 'Sampler "nope" is not one of' in outcome.error and outcome.tries == 1


def test_the_command_with_engines(tmp_path: Path, workers: list[RayWorker], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command with the engines that run here, because a second Ray in one process is none; the manifest is Parquet too."""
    from contextlib import contextmanager

    from lib_regional.batch import command

    monkeypatch.setattr(command, "ray_workers", contextmanager(lambda options: iter([workers])))
    table = tmp_path / "jobs.jsonl"
    table.write_text("".join(json.dumps({**job(row).request, "name": f"n{row}"}) + "\n" for row in (1, 2)))
    assert command_line.main(["batch", str(table), "--out", str(tmp_path / "out"), "--workers", "2"]) == 0
    found: list[Entry] = list(entries(tmp_path / "out"))
    assert [entry.status for entry in found] == ["done", "done"]
    import pyarrow.parquet as parquet

    rows = parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert [(row["row"], row["name"], row["status"], row["file"]) for row in rows] == [
        (entry.row, entry.name, "done", entry.files[0]) for entry in found
    ]
    assert rows[0]["region_prompts"] == ["a red circle"] and len(rows[0]["region_scores"]) == 1 and rows[0]["seed"] == 1
