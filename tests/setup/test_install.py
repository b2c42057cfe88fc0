"""`install.py`, which a WebUI runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.loading import ROOT, load


def test_install_is_silent_where_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    load("install").main()
    assert capsys.readouterr().out == ""


def test_install_says_what_is_missing_in_one_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    install = load("install")
    monkeypatch.setattr(install, "find_spec", lambda name: None)
    lines = install.report()
    assert len(lines) == 2
    assert all(package in lines[0] for package in install.NEEDED.values())


def test_install_survives_a_package_that_breaks_on_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    install = load("install")

    def broken(name: str) -> None:
        raise ValueError(f"{name}.__spec__ is None")

    monkeypatch.setattr(install, "find_spec", broken)
    assert len(install.report()) == 2


def test_install_runs_without_the_webui_and_from_another_folder(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "install.py")], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
