"""The commands of `run.py` and the checks of the test command."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lib_regional.standalone import environment as environments
from tests import checks
from tests.support.loading import ROOT, load


def commands_of(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: list[str], failing: str = ""
) -> tuple[int, list[list[str]]]:
    """(exit code, commands) of ``module.main``, where the command that contains ``failing`` ends with 1."""
    seen: list[list[str]] = []
    monkeypatch.setattr(module, "run_child", lambda command, environment: seen.append(list(command)) or int(failing in command))
    return module.main(arguments), seen


def test_demo_hands_its_options_on(run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkpoint = tmp_path / "a model.safetensors"
    checkpoint.touch()
    code, seen = commands_of(run, monkeypatch, ["demo", "--port", "7899", "--no-browser", "--checkpoint", str(checkpoint)], "--port")
    assert code == 1
    assert seen[0][1:] == ["-m", "lib_regional.standalone", "--no-browser", "--checkpoint", str(checkpoint), "--port", "7899"]


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["--listen"], ["--listen"]),
        (["--listen", "192.168.1.5"], ["--listen", "192.168.1.5"]),
        (["--allow-host", "a", "--allow-host", "b"], ["--allow-host", "a", "--allow-host", "b"]),
        ([], []),
    ],
    ids=str,
)
def test_demo_hands_on_who_may_use_it(monkeypatch: pytest.MonkeyPatch, given: list[str], passed: list[str]) -> None:
    run, seen = load("run"), []
    monkeypatch.setattr(run.VENV, "ensure", lambda wanted, index=None: None)
    monkeypatch.setattr(run, "run_child", lambda command, environment: seen.append(list(command)) or 0)
    assert run.main(["demo", *given]) == 0
    assert seen[0][3:] == passed


@pytest.mark.parametrize("name", ["batch", "benchmark"])
def test_batches_take_their_own_options_in_the_folder_of_the_caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    run, wanted, seen = load("run"), [], []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run.VENV, "ensure", lambda extras, index=None: wanted.append((extras, index)))
    monkeypatch.setattr(run, "run_child", lambda command, environment, folder: seen.append((command[1:], environment, folder)) or 3)
    arguments = ["jobs.csv", "--out", "there", "--webui-url", "http://a:1", "--threads", "2"]
    assert run.main([name, *arguments, "--torch-index", "file:///wheels"]) == 3
    [(command, environment, folder)] = seen
    assert command == ["-m", "lib_regional.batch", name, *arguments] and folder == str(tmp_path)
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT) and wanted == [(["standalone", "batch"], "file:///wheels")]
    run.main([name, "--help"])
    assert wanted[1] == (["standalone"], None)  # what the command can do is answered without its packages


@pytest.mark.parametrize(
    ("option", "what"), [("--checkpoint", "checkpoint file"), ("--lora-dir", "folder"), ("--controlnet-dir", "folder")]
)
def test_a_file_that_is_missing_is_named_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, what: str
) -> None:
    run, asked = load("run"), []
    monkeypatch.setattr(run.VENV, "ensure", lambda wanted, index=None: asked.append(wanted))
    assert run.main(["demo", option, "nowhere"]) == 1
    assert f"{option}: There is no {what}" in capsys.readouterr().err
    assert asked == []


def test_demo_hands_on_its_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run, seen = load("run"), []
    monkeypatch.setattr(run.VENV, "ensure", lambda wanted, index=None: None)
    monkeypatch.setattr(run, "run_child", lambda command, environment: seen.append(list(command)) or 0)
    assert run.main(["demo", "--controlnet-dir", str(tmp_path), "--lora-dir", str(tmp_path)]) == 0
    assert seen[0][3:] == ["--lora-dir", str(tmp_path), "--controlnet-dir", str(tmp_path)]


@pytest.mark.parametrize(
    "arguments",
    [[], ["demo", "--bogus"], ["demo", "--port", "x"], ["demo", "--port", "99999"], ["test", "--fast", "--matrix"]],
    ids=" ".join,
)
def test_wrong_arguments_end_with_2(run: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["-m", "tests.checks"]),
        (["tests/core", "-k", "grid", "-x"], ["-m", "tests.checks", "tests/core", "-k", "grid", "-x"]),
        (["--fast"], ["-m", "tests.checks", "--fast"]),
        (["--fast", "-x"], ["-m", "tests.checks", "--fast", "-x"]),
        (["--matrix"], ["-m", "tests.matrix"]),
        (["--matrix", "forge"], ["-m", "tests.matrix", "forge"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_test_runs_its_module(run: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]) -> None:
    code, seen = commands_of(run, monkeypatch, ["test", *arguments])
    assert (code, [command[1:] for command in seen]) == (0, [expected])


def test_pytest_runs_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "javascript_checks", lambda: [("eslint", ["node", "-m", "eslint"])])
    ended: list[str] = []
    monkeypatch.setattr(checks, "captured", lambda command: ended.append(command[2]) or (0, ""))
    monkeypatch.setattr(checks, "run_child", lambda command, *_: ended.append(command[2]) or 0)
    assert checks.main([]) == 0
    assert sorted(ended[:3]) == ["eslint", "mypy", "ruff"] and ended[3:] == ["pytest"], "two checks run beside each other"


@pytest.mark.parametrize("failing", ["ruff", "mypy", "pytest"])
def test_each_check_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    monkeypatch.setattr(checks, "javascript_checks", list)
    monkeypatch.setattr(checks, "captured", lambda command: (int(failing in command), ""))
    code, seen = commands_of(checks, monkeypatch, [], failing)
    assert code == 1
    assert "pytest" in seen[-1]


def test_with_pytest_arguments_pytest_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    code, seen = commands_of(checks, monkeypatch, ["tests/core", "-k", "grid", "-x"])
    assert code == 0
    assert [command[-4:] for command in seen] == [["tests/core", "-k", "grid", "-x"]]


def test_fast_runs_what_needs_no_host_and_names_the_rest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    javascript = [("node", ["node", "--test"]), ("eslint", ["node", "-m", "eslint"])]
    monkeypatch.setattr(checks, "javascript_checks", lambda: iter(javascript))
    ran: list[list[str]] = []
    monkeypatch.setattr(checks, "captured", lambda command: ran.append(list(command)) or (int("mypy" in command), "# tests 3\nnoise"))
    code, seen = commands_of(checks, monkeypatch, ["--fast", "-x"])
    assert code == 1, "mypy failed"
    assert [command[2] for command in ran[:2]] == ["ruff", "mypy"] and ran[2:] == [["node", "--test"]]
    assert [command[2] for command in seen] == ["pytest"]
    assert seen[-1][-1] == "-x" and "--fast" not in seen[-1]
    assert seen[-1][seen[-1].index("-m", 2) + 1] == "not (slow or browser or half or gpu)"
    *printed, last = capsys.readouterr().out.splitlines()
    assert printed[-1] == "tests 3", "of a report without a failure only the counts are shown"
    assert last.startswith("Left out by --fast: ")
    for place in sorted(path.name for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py")) or path.match("test_*.py")):
        assert (f"tests/{place}" in checks.FAST) != (re.search(rf"\b{re.escape(place)}\b", last) is not None), place


def test_fast_fails_where_a_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "javascript_checks", lambda: iter([]))
    for failing in ("ruff", "mypy"):
        monkeypatch.setattr(checks, "captured", lambda command: (int(failing in command), ""))  # noqa: B023 - called in this round
        assert commands_of(checks, monkeypatch, ["--fast"])[0] == 1


def test_places_with_a_marker_exist(pytestconfig: pytest.Config) -> None:
    conftest = next(p for p in pytestconfig.pluginmanager.get_plugins() if getattr(p, "MARKED", None))
    assert [place for place in conftest.MARKED if not (ROOT / "tests" / place).exists()] == []
    assert conftest.marker_of(ROOT / "tests" / "browser" / "test_list.py") == "browser"
    assert conftest.marker_of(ROOT / "tests" / "tensors" / "test_half.py") is None
    assert {"slow", "browser", "half", "gpu"} <= {line.partition(":")[0] for line in pytestconfig.getini("markers")}


@pytest.mark.parametrize(("code", "shown"), [(0, "tests 2, pass 2"), (1, "not ok 1 - grids")], ids=["pass", "fail"])
def test_the_javascript_report_is_short_unless_it_fails(capsys: pytest.CaptureFixture[str], code: int, shown: str) -> None:
    report = "not ok 1 - grids\n# tests 2\n# pass 2"
    assert checks.shown("node", *checks.captured([sys.executable, "-c", f"print({report!r}); raise SystemExit({code})"])) == code
    out = capsys.readouterr().out
    assert shown in out
    assert ("grids" in out) is bool(code)


def test_exit_codes_come_through() -> None:
    assert environments.run_child([sys.executable, "-c", "raise SystemExit(7)"]) == 7
