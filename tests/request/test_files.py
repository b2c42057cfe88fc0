"""Whole files or none, also when the process is killed while it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib_regional.request import files
from lib_regional.request.presets import PresetStore
from lib_regional.request.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

KILLED = """
import os, signal, sys
from pathlib import Path
from lib_regional.request import files
with files.replacing(Path(sys.argv[1])) as beside:
    beside.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_while_writing(path: Path) -> Path:
    """Leave what a killed process leaves; its temporary file."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, timeout=120)
    assert done.returncode == -signal.SIGKILL
    (left,) = path.parent.glob(".regional-*.tmp")
    assert left.read_bytes() == b"half"
    return left


def aged(path: Path, seconds: float) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_a_file_is_replaced_in_one_move(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with files.replacing(path) as beside:
        beside.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.bin"]
    files.write_bytes(path, b"third", sync=True)
    assert path.read_bytes() == b"third" and os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), files.replacing(path) as beside:
        beside.write_bytes(b"ne")
        raise error
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_follow_the_mode_and_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        files.write_bytes(tmp_path / "shared", b"")
        with files.replacing(tmp_path / "private", mode=0o600):
            pass
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("shared", "private")] == [0o644, 0o600]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_what_a_killed_process_left_is_removed_and_a_living_ones_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    kill_while_writing(path)
    with files.replacing(tmp_path / "b.png") as beside:
        assert files.remove_leftovers(tmp_path) == 1
        assert sorted(os.listdir(tmp_path)) == sorted([beside.name, "a.png"])
    assert path.read_bytes() == b"old" and sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_presets_are_opened_without_leftovers(tmp_path: Path) -> None:
    PresetStore(tmp_path).save("a", Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "x"}]}))
    kill_while_writing(tmp_path / "a.json")
    older = tmp_path / ".0123456789abcdef.tmp"  # as earlier versions named them
    older.write_bytes(b"")
    assert PresetStore.opened(tmp_path).names() == ("a",)
    assert sorted(os.listdir(tmp_path)) == [older.name, "a.json"]
    aged(older, files.FILE_SECONDS + 60)
    PresetStore.opened(tmp_path)
    assert os.listdir(tmp_path) == ["a.json"]
    assert PresetStore.opened(tmp_path / "missing").names() == ()


@pytest.mark.parametrize(
    ("name", "age", "stays"),
    [
        (".regional-00000000-1-00000000-00000000.tmp", 60, True),  # another machine in the same folder
        (".regional-00000000-1-00000000-00000000.tmp", files.FILE_SECONDS + 60, False),
        (f".regional-{files._MACHINE}-{os.getpid()}-00000000-00000000.tmp", 0, False),  # an earlier process had this id
        (f".regional-{files._MACHINE}-99999999999999999999-00000000-00000000.tmp", 0, True),  # no process id
        (".0123456789abcdef.tmp", 1e6, True),
        ("other.tmp", 1e6, True),
        ("a.png", 1e6, True),
    ],
    ids=["elsewhere", "elsewhere-old", "id-given-again", "no-id", "unnamed", "others", "picture"],
)
def test_only_what_is_surely_left_over_goes(tmp_path: Path, name: str, age: float, stays: bool) -> None:
    (tmp_path / name).write_bytes(b"")
    aged(tmp_path / name, age)
    assert files.remove_leftovers(tmp_path) == (not stays) and (tmp_path / name).exists() == stays


@pytest.mark.skipif(os.name == "nt", reason="process ids cannot be asked for there")
def test_folders_of_dead_processes_go_with_their_files(tmp_path: Path) -> None:
    left = tmp_path / f"pages-{files._MACHINE}-{os.getpid()}-00000000-12345678-abcd"
    own = tmp_path / files.temporary_name("pages-", "-abcd")
    for folder in (left, own):
        folder.mkdir()
        (folder / "0.png").write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / left.name.replace("-abcd", "-link")).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert files.remove_leftovers(tmp_path, "pages-", "") == 2
    assert sorted(os.listdir(tmp_path)) == sorted(["elsewhere", own.name])
