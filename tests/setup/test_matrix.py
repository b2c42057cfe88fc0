"""The environments of hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib_regional.standalone.environment import Environment, SetupError
from tests import matrix
from tests.support.loading import ROOT


def test_the_paths_of_the_matrix_exist() -> None:
    assert [path for path in (*matrix.TESTS, *matrix.STANDALONE) if not (ROOT / path).exists()] == []


def test_a_row_runs_the_tests_in_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Path] = []
    seen: list[list[str]] = []

    def pytest_ran(command: list[str], environment: dict[str, str]) -> int:
        seen.append(command)
        suite = '<testsuite tests="9" failures="1" errors="1" skipped="2"/>'
        (tmp_path / "forge" / "report.xml").write_text(f"<testsuites>{suite}</testsuites>")
        return 1

    def ensure(self: Environment, wanted: list[str], torch_index: str | None = None) -> None:
        made.append(self.folder)
        self.folder.mkdir()

    monkeypatch.setattr(matrix, "FOLDER", tmp_path)
    monkeypatch.setattr(Environment, "ensure", ensure)
    monkeypatch.setattr(matrix, "versions", lambda python: "torch 2.3.1")
    monkeypatch.setattr(matrix, "run_child", pytest_ran)
    assert matrix.main(["forge"]) == 1
    assert made == [tmp_path / "forge"] and seen[0][0].startswith(str(tmp_path / "forge"))
    assert "forge: FAILED; torch 2.3.1: 5 passed, 2 failed, 2 skipped" in capsys.readouterr().out


def test_a_row_that_cannot_be_built_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ensure(self: Environment, wanted: list[str], torch_index: str | None = None) -> None:
        raise SetupError("needs Python 3.10")

    monkeypatch.setattr(matrix, "FOLDER", tmp_path / "new")
    monkeypatch.setattr(Environment, "ensure", ensure)
    assert matrix.main([]) == 1
    assert capsys.readouterr().out.count("FAILED; needs Python 3.10") == len(matrix.ROWS)


def test_an_unknown_row_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main(["vlad"]) == 2
    assert "no environment vlad; there are a1111, forge" in capsys.readouterr().err
