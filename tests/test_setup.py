"""run.py, install.py, the pins and the version: what a fresh machine meets first."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ["standalone", "test", "train"]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([A-Za-z0-9.+!]+)(?:; (.+))?$")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"regional_{name}", ROOT / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def pins(lines: Iterable[str], python: str) -> dict[str, str]:
    """Normalised package name -> the version for a Python. Anything that is not an exact pin fails, and so does a second one."""
    found: dict[str, str] = {}
    for line in lines:
        match = PIN.match(line)
        assert match, f"not an exact pin: {line}"
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        if match[3] is None or Marker(match[3]).evaluate({"python_version": python}):
            assert name not in found, f"two pins of {name} for Python {python}"
            found[name] = match[2]
    return found


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# ---------------------------------------------------------------- pins and version


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras_agree_with_the_requirement_files(extra: str) -> None:
    assert sorted(project()["optional-dependencies"][extra]) == sorted(lines_of(ROOT / "requirements" / f"{extra}.txt"))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", EXTRAS)
def test_the_lock_holds_every_direct_pin(extra: str, python: str) -> None:
    lock = pins(lines_of(ROOT / "requirements" / "lock.txt"), python)
    direct = pins(lines_of(ROOT / "requirements" / f"{extra}.txt"), python)
    assert direct and {name: lock.get(name) for name in direct} == direct


def test_the_pythons_that_are_declared_are_those_that_are_taken() -> None:
    declared = SpecifierSet(project()["requires-python"])
    assert sorted(PYTHONS) == sorted(f"{major}.{minor}" for major, minor in load("run").SUPPORTED)
    assert [f"3.{minor}" for minor in range(6, 20) if declared.contains(f"3.{minor}")] == PYTHONS


def test_the_version_is_the_newest_of_the_changelog() -> None:
    newest = re.search(r"^## v?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and newest[1] == project()["version"]


def test_ci_runs_the_documented_command() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().splitlines()[-1] == "python run.py test"


# ---------------------------------------------------------------- run.py


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py, at work in an empty folder that has small requirement files; a fake environment takes the place of a real one."""
    module = load("run")
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    for name in ("lock.txt", "standalone.txt", "test.txt", "test-nodeps.txt", "train.txt"):
        (requirements / name).write_text(f"# {name}\n")
    venv = tmp_path / ".venv"
    for name, value in {"ROOT": tmp_path, "VENV": venv, "STAMP": venv / "stamp", "REQUIREMENTS": requirements}.items():
        monkeypatch.setattr(module, name, value)
    return module


class Fakes:
    """Stands in for venv and pip, and remembers what they were asked to do."""

    def __init__(self, run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.made = 0
        self.installed: list[str] = []
        self.version: tuple[int, int, str] | None = (3, 11, "python")
        monkeypatch.setattr(run, "make_venv", self.make_venv)
        monkeypatch.setattr(run, "pip_install", self.pip_install)
        monkeypatch.setattr(run, "version_of", lambda command, probe="": self.version if run.VENV.exists() else None)
        monkeypatch.setattr(run, "venv_fault", self.fault)
        monkeypatch.setattr(run, "advise_on_torch", lambda: None)

    def make_venv(self) -> None:
        self.made += 1
        self.version = (3, 11, "python")
        (self.run.VENV / "lib" / "site-packages").mkdir(parents=True)

    def pip_install(self, names: list[str], options: list[str]) -> None:
        self.installed += names

    def fault(self) -> str:
        return "" if self.version else "its Python does not start"


@pytest.fixture
def fakes(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    return Fakes(run, monkeypatch)


def test_the_first_start_installs_and_the_second_does_not(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    run.ensure_venv(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt"])


def test_the_test_extra_comes_on_top_and_without_dependencies_last(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    fakes.installed.clear()
    run.ensure_venv(["standalone", "test"])
    run.ensure_venv(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt", "test.txt", "test-nodeps.txt"])


def test_a_changed_pin_installs_again(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    (run.REQUIREMENTS / "lock.txt").write_text("einops==0.8.1\n")
    run.ensure_venv(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt"] * 2)


def test_an_interrupted_installation_is_taken_up_again(run: ModuleType, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(names: list[str], options: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "pip_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.ensure_venv(["standalone"])
    run.ensure_venv(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt"])


def test_a_broken_environment_is_made_anew(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    fakes.version = None
    run.ensure_venv(["standalone"])
    assert (fakes.made, fakes.installed) == (2, ["standalone.txt"] * 2)


def test_another_python_does_not_count_as_installed(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    fakes.version = (3, 12, "python")
    assert not run.is_complete(["standalone"])


def test_another_torch_makes_the_environment_anew(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    run.ensure_venv(["standalone"], "file:///wheels")
    assert fakes.made == 2


@pytest.mark.parametrize(("left", "expected"), [(["INSTALLER", "RECORD"], False), (["METADATA", "RECORD"], True)], ids=["whole", "half"])
def test_half_installed_packages_are_found(run: ModuleType, tmp_path: Path, left: list[str], expected: bool) -> None:
    info = tmp_path / "einops-0.8.2.dist-info"
    info.mkdir()
    for name in left:
        (info / name).touch()
    assert run.half_installed(tmp_path) is expected


def test_half_removed_packages_are_found(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "~orch").mkdir()
    assert run.half_installed(tmp_path)


def test_the_running_python_is_taken_when_it_will_do(run: ModuleType) -> None:
    assert run.version_of([run.find_python()])[:2] == sys.version_info[:2]


@pytest.mark.parametrize("version", [(3, 9), (3, 14)], ids=str)
def test_an_unsuitable_python_looks_for_another(run: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]) -> None:
    monkeypatch.setattr(run.sys, "version_info", version)
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/bin/{name}" if name == "python3.11" else None)
    monkeypatch.setattr(run, "version_of", lambda command, probe="": (3, 11, command[0]))
    assert run.find_python() == "/bin/python3.11"


def test_without_any_suitable_python_the_message_says_which(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.sys, "version_info", (3, 14))
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    with pytest.raises(run.SetupError, match=r"needs Python 3.10 to 3.13, and this is 3.14"):
        run.find_python()


def test_demo_hands_its_options_on(run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    checkpoint = tmp_path / "a model.safetensors"
    checkpoint.touch()
    monkeypatch.setattr(run, "ensure_venv", lambda extras, index: None)
    monkeypatch.setattr(run, "run_child", lambda command, environment: seen.append(list(command)) or 3)
    assert run.main(["demo", "--port", "7899", "--no-browser", "--checkpoint", str(checkpoint)]) == 3
    assert seen[0][1:] == ["-m", "lib_regional.standalone", "--checkpoint", str(checkpoint), "--port", "7899", "--no-browser"]


def test_a_missing_checkpoint_is_said_before_anything_is_installed(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["demo", "--checkpoint", "nowhere.safetensors"]) == 1
    assert "There is no checkpoint file" in capsys.readouterr().err
    assert not run.VENV.exists()


@pytest.mark.parametrize("arguments", [[], ["demo", "--bogus"], ["demo", "--port", "x"], ["demo", "--port", "99999"]], ids=" ".join)
def test_wrong_arguments_end_with_2(run: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(arguments)
    assert ended.value.code == 2


def run_test(run: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: list[str], failing: str = "") -> tuple[int, list[list[str]]]:
    """(exit code, commands) of `run.py test`, where the command that contains ``failing`` ends with 1."""
    seen: list[list[str]] = []
    monkeypatch.setattr(run, "ensure_venv", lambda extras, index: None)
    monkeypatch.setattr(run, "run_child", lambda command, environment: seen.append(list(command)) or int(failing in command))
    return run.main(["test", *arguments]), seen


def test_test_runs_pytest_last(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    code, seen = run_test(run, monkeypatch, [])
    assert code == 0
    assert [command[2] for command in seen if command[1] == "-m"] == ["ruff", "mypy", "pytest"]


@pytest.mark.parametrize("failing", ["ruff", "mypy", "pytest"])
def test_each_check_decides_the_exit_code(run: ModuleType, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    code, seen = run_test(run, monkeypatch, [], failing)
    assert code == 1
    assert "pytest" in seen[-1]


def test_with_pytest_arguments_pytest_runs_alone(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    code, seen = run_test(run, monkeypatch, ["tests/core", "-k", "grid", "-x"])
    assert code == 0
    assert [command[-4:] for command in seen] == [["tests/core", "-k", "grid", "-x"]]


def test_a_missing_node_is_said(run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    assert run.node_command() == []
    assert "SKIPPED" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "shown"), [(0, "tests 2, pass 2"), (1, "not ok 1 - grids")], ids=["pass", "fail"])
def test_the_javascript_report_is_short_unless_it_fails(run: ModuleType, capsys: pytest.CaptureFixture[str], code: int, shown: str) -> None:
    report = "not ok 1 - grids\n# tests 2\n# pass 2"
    assert run.run_node([sys.executable, "-c", f"print({report!r}); raise SystemExit({code})"]) == code
    out = capsys.readouterr().out
    assert shown in out
    assert ("grids" in out) is bool(code)


def test_exit_codes_come_through(run: ModuleType) -> None:
    assert run.run_child([sys.executable, "-c", "raise SystemExit(7)"]) == 7


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminate"])
def test_stopping_stops_the_child_too(run: ModuleType, tmp_path: Path, number: int, code: int) -> None:
    child = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; run.ROOT = run.Path({str(tmp_path)!r})\n"
        f"run.demo = lambda known: run.run_child([sys.executable, '-c', {child!r}])\n"
        "sys.exit(run.main(['demo']))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stderr=subprocess.DEVNULL, preexec_fn=hear_ctrl_c)
    pid = wait_for(tmp_path / "pid")
    os.killpg(parent.pid, number) if number == signal.SIGINT else parent.send_signal(number)
    assert parent.wait(timeout=30) == code
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def hear_ctrl_c() -> None:
    """A shell starts what it puts in the background deaf to Ctrl-C, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(file: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.05)
    raise TimeoutError(file)


# ---------------------------------------------------------------- install.py


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


def test_the_stamp_is_plain_json(run: ModuleType, fakes: Fakes) -> None:
    run.ensure_venv(["standalone"])
    assert json.loads(run.STAMP.read_text())["extras"].keys() == {"standalone"}
