"""The folder of a batch: whole pictures, whole lines, and what is there after a kill or on a full disk."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lib_regional.batch.jobs.requests import Job
from lib_regional.batch.keeping import store as stores
from lib_regional.batch.keeping.store import MANIFEST, FullError, Store, entries
from lib_regional.batch.running.dispatch import Outcome
from lib_regional.batch.running.work import Answer, BrokenError, RefusedError, UnreachableError, read_answer
from lib_regional.request.errors import RegionalError
from tests.support.fake_webui import answer_of, picture_of

INFO = {"all_seeds": [5, 6], "extra_generation_params": {"Regional scores": [{"score": 0.5, "regions": [0.5, None]}, None]}}


def job(row: int = 1, name: str = "") -> Job:
    return Job(f"{row:032x}", row, "txt2img", {"seed": row}, name)


def done(row: int = 1, pictures: int = 1, name: str = "", info: dict[str, Any] | None = None) -> Outcome:
    files = tuple(picture_of({"row": row, "at": at}) for at in range(pictures))
    return Outcome(job(row, name), "done", "w", 1.5, 1, Answer(files, info or {}))


def test_a_picture_and_its_line(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        entry = store.keep(done(7, 2, "red hat/../x", INFO))
    assert entry.files == ("pictures/000007_red_hat_.._x_000000000000_1.png", "pictures/000007_red_hat_.._x_000000000000_2.png")
    assert [Image.open(tmp_path / name).size for name in entry.files] == [(16, 12)] * 2
    assert (entry.seeds, entry.scores) == ((5, 6), (INFO["extra_generation_params"]["Regional scores"][0], None))
    assert list(entries(tmp_path)) == [entry]


def test_a_second_start_knows_what_is_there_and_misses_what_is_not(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for row in (1, 2, 3):
            store.keep(done(row))
        store.keep(Outcome(job(4), "failed", "w", 1.0, 3, None, "HTTP 500"))
    (tmp_path / next(iter(entries(tmp_path))).files[0]).unlink()
    second = list(entries(tmp_path))[1].files[0]
    (tmp_path / second).write_bytes(b"half")
    with Store(tmp_path) as store:
        assert store.done == {job(3).key}


def test_a_torn_line_is_cut_off_and_its_job_made_again(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep(done(1))
        store.keep(done(2))
    whole = (tmp_path / MANIFEST).read_bytes()
    (tmp_path / MANIFEST).write_bytes(whole[:-20])
    with Store(tmp_path) as store:
        assert store.done == {job(1).key}
        store.keep(done(2))
    assert (tmp_path / MANIFEST).read_bytes() == whole


def test_the_last_line_of_a_job_counts_but_done_stays_done(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep(Outcome(job(1), "failed", "w", 1.0, 3, None, "HTTP 500"))
        store.keep(done(1))
        store.keep(Outcome(job(1), "refused", "w", 1.0, 1, None, "HTTP 422"))
    assert [entry.status for entry in entries(tmp_path)] == ["done"]


def test_two_batches_do_not_share_a_folder(tmp_path: Path) -> None:
    with Store(tmp_path):
        with pytest.raises(RegionalError, match="Another batch writes into"):
            Store(tmp_path).__enter__()
    with Store(tmp_path) as again:
        assert again.done == set()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegionalError, match="--out .*file.* cannot be written"):
        Store(tmp_path / "file" / "out").__enter__()


@pytest.mark.parametrize("where", ["picture", "line"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, os.strerror(28))

    class Half:
        """A file that takes half of what is written, as a disk does that fills up."""

        def __init__(self, file: io.RawIOBase) -> None:
            self._file = file

        def write(self, data: bytes) -> int:
            return self._file.write(data[: len(data) // 2])

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    with Store(tmp_path) as store:
        store.keep(done(1))
        before = (tmp_path / MANIFEST).read_bytes()
        if where == "picture":
            monkeypatch.setattr(stores, "write_bytes", full)
        else:
            store._file = Half(store._file)  # type: ignore[assignment, arg-type]
        with pytest.raises(FullError, match="Make room and start again"):
            store.keep(done(2))
        assert (tmp_path / MANIFEST).read_bytes() == before and store.done == {job(1).key}
    monkeypatch.undo()
    with Store(tmp_path) as store:
        store.keep(done(2))
        assert store.done == {job(1).key, job(2).key}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    own = stores.remove_leftovers.__globals__["_MACHINE"]
    (tmp_path / "pictures" / f".regional-{own}-999999999-00000000-00000000.tmp").write_bytes(b"half")
    with Store(tmp_path):
        assert list((tmp_path / "pictures").iterdir()) == []


GOOD = answer_of({"seed": 1})[1]
ANSWERS = [
    pytest.param(422, b'{"detail": "weight must be 0 or more"}', RefusedError, "HTTP 422: weight must be 0 or more", id="422"),
    pytest.param(422, b'{"detail": [{"loc": ["steps"]}]}', RefusedError, "steps", id="422 of FastAPI"),
    pytest.param(500, b"<html>oops</html>", BrokenError, "HTTP 500: <html>oops", id="500"),
    pytest.param(429, b"{}", BrokenError, "429", id="429"),
    pytest.param(503, b'{"detail": "stopping"}', UnreachableError, "stopping", id="503"),
    pytest.param(404, b'{"detail": "Not Found"}', UnreachableError, "404", id="404 while it starts"),
    pytest.param(200, b"not json", BrokenError, "not that of a WebUI", id="no JSON"),
    pytest.param(200, b'{"images": [], "info": "{}"}', BrokenError, "no pictures", id="no pictures"),
    pytest.param(200, b'{"images": ["aGVsbG8="], "info": "{}"}', BrokenError, "something else", id="no picture"),
]


@pytest.mark.parametrize(("status", "body", "error", "said"), ANSWERS)
def test_answers_of_webuis(status: int, body: bytes, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        read_answer(status, body)
