"""Whole batches over WebUIs by URL, with a double of their API: mixed workers, failures, kills, and the command line."""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from lib_regional.batch import __main__ as command_line
from lib_regional.batch import command
from lib_regional.batch.keeping.store import MANIFEST, Entry, entries
from lib_regional.batch.running import dispatch, ray_workers
from lib_regional.batch.running.ray_workers import has_token
from lib_regional.request.errors import RegionalError
from tests.support.fake_webui import Answer, FakeWebui, answer_of, picture_of

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"enabled": True, "version": 2, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a <red> circle"}]}


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_WAIT", 0.05)


def request(seed: int) -> dict[str, Any]:
    return {"prompt": "grass", "seed": seed, "alwayson_scripts": {"Regional": {"args": [SETTINGS]}}}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve jobs."""
    return written(tmp_path / "jobs.jsonl", 12)


def written(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps(request(seed)) + "\n" for seed in range(count)))
    return path


def run(*arguments: object) -> int:
    return command_line.main(["batch", *map(str, arguments), "--no-parquet"])


def made(out: Path) -> list[bytes]:
    """The pictures by row; every one is that of its request, and there are no others."""
    found = list(entries(out))
    files = [out / name for entry in found for name in entry.files]
    assert sorted(files) == sorted((out / "pictures").iterdir())
    return [file.read_bytes() for file in files]


def expected(count: int = 12) -> list[bytes]:
    return [picture_of(request(seed)) for seed in range(count)]


def test_two_webuis_share_the_jobs(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with FakeWebui() as one, FakeWebui() as two:
        assert run(table, "--out", out, "--webui-url", one.url, "--webui-url", two.url) == 0
        assert len(one.asked) + len(two.asked) == 12 and one.asked and two.asked
        assert made(out) == expected()
        assert "12 jobs: 12 done." in capsys.readouterr().out
        assert run(table, "--out", out, "--webui-url", one.url) == 0
        assert len(one.asked) + len(two.asked) == 12
    assert [entry.scores for entry in entries(out)][0] == ({"score": 0.9, "regions": [0.9]},)
    report = (out / "report.html").read_text()
    assert report.count("<article") == 12 and report.count("data:image/jpeg;base64,") == 12 and 'data-score="0.9000"' in report
    assert "a &lt;red&gt; circle <b>0.90</b>" in report and '<polygon points="0,0 500,0 500,1000 0,1000"' in report
    assert (out / "contact_sheet.jpg").read_bytes().startswith(b"\xff\xd8")


def test_a_refused_job_ends_with_its_text_and_the_others_are_made(table: Path, tmp_path: Path) -> None:
    def respond(asked: dict[str, Any]) -> Answer:
        return (422, {"error": "SettingsError", "detail": "There is no LoRA x."}) if asked["seed"] == 5 else answer_of(asked)

    with FakeWebui(respond) as webui:
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url) == 1
        assert len(webui.asked) == 12
    [refused] = [entry for entry in entries(tmp_path / "out") if entry.status == "refused"]
    assert (refused.row, refused.error, refused.tries, refused.files) == (6, "HTTP 422: There is no LoRA x.", 1, ())
    assert "refused: HTTP 422: There is no LoRA x." in (tmp_path / "out" / "report.html").read_text()


def test_5xx_answers_cost_a_try_and_no_picture(table: Path, tmp_path: Path) -> None:
    number = itertools.count()

    def respond(asked: dict[str, Any]) -> Answer:
        return (500, {"error": "OutOfMemoryError", "detail": ""}) if next(number) % 4 == 1 else answer_of(asked)

    with FakeWebui(respond) as webui:
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url, "--tries", 6) == 0
    assert made(tmp_path / "out") == expected() and max(entry.tries for entry in entries(tmp_path / "out")) == 2


def test_a_webui_that_hangs_is_left_for_another(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang, ends = itertools.count(), threading.Event()

    def respond(asked: dict[str, Any]) -> Answer:
        if next(hang) == 2:
            ends.wait(20)
        return answer_of(asked)

    with FakeWebui(respond) as one, FakeWebui() as two:
        options = ("--webui-url", one.url, "--webui-url", two.url, "--timeout", 0.4)
        monkeypatch.setattr(command, "Limits", functools.partial(dispatch.Limits, start=0.0))
        assert run(table, "--out", tmp_path / "out", *options) == 0
        ends.set()
    assert made(tmp_path / "out") == expected()


def test_a_webui_that_restarts_in_the_middle_loses_nothing(table: Path, tmp_path: Path) -> None:
    first = FakeWebui()
    port = first.server.server_address[1]
    status: list[int] = []
    with first:
        seen = first.respond

        def respond(asked: dict[str, Any]) -> Answer:
            time.sleep(0.02)
            return seen(asked)

        first.respond = respond
        batch = threading.Thread(target=lambda: status.append(run(table, "--out", tmp_path / "out", "--webui-url", first.url)))
        batch.start()
        while len(first.asked) < 4:
            time.sleep(0.005)
    time.sleep(0.2)
    with FakeWebui(port=port) as second:
        batch.join(20)
        assert status == [0] and second.asked
    assert made(tmp_path / "out") == expected()
    assert max(entry.tries for entry in entries(tmp_path / "out")) <= 2


def start(table: Path, out: Path, url: str) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "lib_regional.batch", "batch", str(table), "--out", str(out), "--webui-url", url, "--no-parquet"]
    return subprocess.Popen(program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(os.name == "nt", reason="no kill -9")
def test_a_killed_driver_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed twice in the middle of 60 jobs: no picture is lost, none is made twice but those on the way."""
    table, out = written(tmp_path / "jobs.jsonl", 60), tmp_path / "out"

    def slowly(asked: dict[str, Any]) -> Answer:
        time.sleep(0.01)
        return answer_of(asked)

    with FakeWebui(slowly) as webui:
        for wanted in (15, 35):
            driver = start(table, out, webui.url)
            while len(webui.asked) < wanted and driver.poll() is None:
                time.sleep(0.002)
            driver.send_signal(signal.SIGKILL)
            driver.wait()
        with (out / MANIFEST).open("ab") as file:
            file.write(b'{"key": "torn')
        assert run(table, "--out", out, "--webui-url", webui.url) == 0
        assert 60 <= len(webui.asked) <= 62
    assert made(out) == expected(60)
    lines = (out / MANIFEST).read_bytes().splitlines()
    assert len({Entry.read(line).key for line in lines}) == len(lines) == 60


def test_a_full_disk_ends_the_batch_with_a_sentence(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lib_regional.batch.keeping import store

    real, number = store.write_bytes, itertools.count()

    def full(path: Path, data: bytes) -> None:
        if next(number) >= 5:
            raise OSError(28, os.strerror(28))
        real(path, data)

    with FakeWebui() as webui:
        with monkeypatch.context() as patch:
            patch.setattr(store, "write_bytes", full)
            assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url, "--no-report") == 1
        assert "takes no more files (No space left on device). Make room and start again" in capsys.readouterr().err
        assert len(made(tmp_path / "out")) == 5
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url) == 0
    assert made(tmp_path / "out") == expected()


BAD = {"prompt": "x", "alwayson_scripts": {"Regional": {"args": [{"enabled": True, "regions": [{"box": [0, 0, 2, 1]}]}]}}}


def test_bad_rows_stop_before_the_first_picture_or_are_left_out(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text(table.read_text() + json.dumps(BAD) + "\nnonsense\n")
    with FakeWebui() as webui:
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url) == 1
        said = capsys.readouterr().err
        assert "Row 13: Region 1" in said and "1 or less, got 2" in said and "Row 14: The line is no JSON" in said and not webui.asked
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url, "--keep-going") == 1
        assert len(webui.asked) == 12 and "12 jobs: 12 done, 2 rows left out." in capsys.readouterr().out


def test_a_url_without_a_webui_stops_before_the_first_picture_or_is_left_out(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeWebui() as webui, FakeWebui(scripts=()) as bare:
        places = (("http://127.0.0.1:9", "no WebUI answers there"), (bare.url, "has no script Regional"), ("nonsense", "the address of"))
        for url, said in places:
            options = ("--out", tmp_path / "out", "--webui-url", webui.url, "--webui-url", url)
            assert run(table, *options) == 1
            assert said in capsys.readouterr().err and not webui.asked
        assert run(table, *options, "--keep-going") == 0 and len(webui.asked) == 12


def test_the_cost_is_printed_and_no_picture_made(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeWebui() as webui:
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url, "--dry-run", "--seconds", 2, "--set", "steps=20") == 0
        assert not webui.asked
    assert "12 jobs, 12 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--template", "none.json"], "--template: there is no file none.json"),
        (["--set", "steps"], "FIELD=VALUE"),
        (["--checkpoint", "none.safetensors"], "--checkpoint must be a checkpoint file"),
        (["--lora-dir", "none"], "--lora-dir must be a folder"),
        (["--controlnet-dir", "none"], "--controlnet-dir must be a folder"),
        (["--address", "127.0.0.1:9"], "--address 127.0.0.1:9: no Ray cluster answers there"),
        (["--address", "ray://127.0.0.1:99999"], "no Ray cluster answers there"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_options_are_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: object())
    with FakeWebui() as webui:
        assert run(table, "--out", tmp_path / "out", "--webui-url", webui.url, *arguments) == 1
    assert said in capsys.readouterr().err


def test_a_token_for_clusters_is_found_where_ray_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert not has_token({}) and has_token({"RAY_AUTH_TOKEN": "abc"})
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("abc")
    assert has_token({}) and not has_token({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")})


def test_without_the_extra_the_command_says_what_to_install(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None if name == "ray" else object())
    assert run(table, "--out", tmp_path / "out") == 1
    assert "needs the Python package ray" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_engine_that_cannot_be_made_is_named_with_the_cause() -> None:
    class FakeError(Exception):
        """Ray's error of an actor that died in its creation."""

    class Fake:
        class exceptions:
            RayError = FakeError

        @staticmethod
        def get(reference: object, timeout: float) -> None:
            raise FakeError("The actor died.\n  File x\nCheckpointError: bad.safetensors is no checkpoint.")

    worker = ray_workers.RayWorker("engine 1", lambda: MagicMock())
    with pytest.raises(RegionalError, match="cannot be started: The actor died. … CheckpointError: bad.safetensors is no checkpoint."):
        ray_workers._check_first(Fake, worker)
