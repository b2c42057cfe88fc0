"""Ctrl+C and SIGTERM stop the child too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.loading import ROOT


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminate"])
def test_stopping_stops_the_child_too(tmp_path: Path, number: int, code: int) -> None:
    child = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; from lib_regional.standalone import environment\n"
        f"environment.ROOT = environment.Path({str(tmp_path)!r})\n"
        f"run.demo = lambda known: run.run_child([sys.executable, '-c', {child!r}])\n"
        "sys.exit(run.main(['demo']))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stderr=subprocess.DEVNULL, preexec_fn=take_ctrl_c)
    pid = wait_for(tmp_path / "pid")
    os.killpg(parent.pid, number) if number == signal.SIGINT else parent.send_signal(number)
    assert parent.wait(timeout=30) == code
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def take_ctrl_c() -> None:
    """A shell starts what it puts in the background with Ctrl-C ignored, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(file: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.05)
    raise TimeoutError(file)
