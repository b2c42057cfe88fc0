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

from lib_regional.standalone import environment as environments
from lib_regional.standalone.environment import Environment, SetupError
from tests import checks, matrix

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ["standalone", "test", "train", "batch"]
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


def test_ci_takes_the_pythons_that_are_declared() -> None:
    low, high = re.findall(r"\((3, \d+)\)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert [low, high] == [PYTHONS[0].replace(".", ", "), PYTHONS[-1].replace(".", ", ")]


def test_run_is_short_and_needs_the_standard_library_alone() -> None:
    run, environment = ROOT / "run.py", Path(environments.__file__)
    assert len(run.read_text(encoding="utf-8").splitlines()) <= 300
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert loaded == {"__main__", "run", "lib_regional", "lib_regional.standalone", f"lib_regional.standalone.{environment.stem}"}


# ---------------------------------------------------------------- the virtual environment


EXTRA_STEPS: environments.Extras = {
    "standalone": (("standalone.txt", ("--constraint", "lock.txt")),),
    "test": (("test.txt", ("--constraint", "lock.txt")), ("test-nodeps.txt", ("--no-deps",))),
}


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment to be made in an empty folder that has small requirement files."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path / "requirements")
    environments.REQUIREMENTS.mkdir()
    for name in ("lock.txt", "standalone.txt", "test.txt", "test-nodeps.txt"):
        (environments.REQUIREMENTS / name).write_text(f"# {name}\n")
    return Environment(tmp_path / ".venv", load("run").SUPPORTED, EXTRA_STEPS)


class Fakes:
    """Stands in for venv and pip, and remembers what they were asked to do."""

    def __init__(self, venv: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        self.venv = venv
        self.made = 0
        self.installed: list[str] = []
        self.version: tuple[int, int, str] | None = (3, 11, "python")
        monkeypatch.setattr(venv, "make", self.make)
        monkeypatch.setattr(venv, "pip", self.pip)
        monkeypatch.setattr(venv, "fault", lambda: "" if self.version else "its Python does not start")
        monkeypatch.setattr(environments, "version_of", lambda command, probe="": self.version if venv.folder.exists() else None)
        monkeypatch.setattr(environments, "advise_on_torch", lambda python: None)

    def make(self) -> None:
        self.made += 1
        self.version = (3, 11, "python")
        (self.venv.folder / "lib" / "site-packages").mkdir(parents=True)

    def pip(self, names: list[str], options: list[str]) -> None:
        self.installed += names


@pytest.fixture
def fakes(venv: Environment, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    return Fakes(venv, monkeypatch)


def test_the_first_start_installs_and_the_second_does_not(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    venv.ensure(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt"])


def test_the_test_extra_comes_on_top_and_without_dependencies_last(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    fakes.installed.clear()
    venv.ensure(["standalone", "test"])
    venv.ensure(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt", "test.txt", "test-nodeps.txt"])


def test_what_goes_together_is_one_call_of_pip(venv: Environment, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(venv, "pip", lambda names, options: calls.append((names, options)))
    venv.ensure(["test", "standalone"])
    assert calls == [(["standalone.txt", "test.txt"], ["--constraint", "lock.txt"]), (["test-nodeps.txt"], ["--no-deps"])]


@pytest.mark.parametrize("name", ["lock.txt", "standalone.txt"])
def test_a_changed_pin_installs_again(venv: Environment, fakes: Fakes, name: str) -> None:
    venv.ensure(["standalone"])
    (environments.REQUIREMENTS / name).write_text("einops==0.8.1\n")
    venv.ensure(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt"] * 2)


def test_an_interrupted_installation_is_taken_up_again(venv: Environment, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(names: list[str], options: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(venv, "pip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            venv.ensure(["standalone"])
    venv.ensure(["standalone"])
    assert (fakes.made, fakes.installed) == (1, ["standalone.txt"])


def test_a_broken_environment_is_made_anew(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    fakes.version = None
    venv.ensure(["standalone"])
    assert (fakes.made, fakes.installed) == (2, ["standalone.txt"] * 2)


def test_another_python_does_not_count_as_installed(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    fakes.version = (3, 12, "python")
    assert not venv.is_complete(["standalone"])


def test_another_torch_makes_the_environment_anew(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    venv.ensure(["standalone"], "file:///wheels")
    assert fakes.made == 2


@pytest.mark.parametrize(("left", "expected"), [(["INSTALLER", "RECORD"], False), (["METADATA", "RECORD"], True)], ids=["whole", "half"])
def test_half_installed_packages_are_found(tmp_path: Path, left: list[str], expected: bool) -> None:
    info = tmp_path / "einops-0.8.2.dist-info"
    info.mkdir()
    for name in left:
        (info / name).touch()
    assert environments.half_installed(tmp_path) is expected


def test_half_removed_packages_are_found(tmp_path: Path) -> None:
    (tmp_path / "~orch").mkdir()
    assert environments.half_installed(tmp_path)


def test_the_running_python_is_taken_when_it_will_do(venv: Environment) -> None:
    found = environments.version_of([environments.find_python(venv.pythons)])
    assert found and found[:2] == sys.version_info[:2]


@pytest.mark.parametrize("version", [(3, 9), (3, 14)], ids=str)
def test_an_unsuitable_python_looks_for_another(venv: Environment, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]) -> None:
    monkeypatch.setattr(environments.sys, "version_info", version)
    monkeypatch.setattr(environments.shutil, "which", lambda name: f"/bin/{name}" if name == "python3.11" else None)
    monkeypatch.setattr(environments, "version_of", lambda command, probe="": (3, 11, command[0]))
    assert environments.find_python(venv.pythons) == "/bin/python3.11"


@pytest.mark.parametrize(("pythons", "said"), [(None, "3.10 to 3.13"), (((3, 10),), "3.10")], ids=["all", "a host's"])
def test_without_any_suitable_python_the_message_says_which(
    venv: Environment, monkeypatch: pytest.MonkeyPatch, pythons: environments.Pythons | None, said: str
) -> None:
    monkeypatch.setattr(environments.sys, "version_info", (3, 14))
    monkeypatch.setattr(environments.shutil, "which", lambda name: None)
    with pytest.raises(SetupError, match=f"needs Python {said}, and this is 3.14"):
        environments.find_python(pythons or venv.pythons)


# ---------------------------------------------------------------- the commands


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py, which installs nothing."""
    module = load("run")
    monkeypatch.setattr(module.VENV, "ensure", lambda wanted, index=None: None)
    return module


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


def test_a_missing_checkpoint_is_said_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, asked = load("run"), []
    monkeypatch.setattr(run.VENV, "ensure", lambda wanted, index=None: asked.append(wanted))
    assert run.main(["demo", "--checkpoint", "nowhere.safetensors"]) == 1
    assert "There is no checkpoint file" in capsys.readouterr().err
    assert asked == []


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
    code, seen = commands_of(checks, monkeypatch, [])
    assert code == 0
    assert [command[2] for command in seen if command[1] == "-m"] == ["ruff", "mypy", "eslint", "pytest"]


@pytest.mark.parametrize("failing", ["ruff", "mypy", "pytest"])
def test_each_check_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    monkeypatch.setattr(checks, "javascript_checks", list)
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
    assert checks.run_node([sys.executable, "-c", f"print({report!r}); raise SystemExit({code})"]) == code
    out = capsys.readouterr().out
    assert shown in out
    assert ("grids" in out) is bool(code)


def test_exit_codes_come_through() -> None:
    assert environments.run_child([sys.executable, "-c", "raise SystemExit(7)"]) == 7


# ---------------------------------------------------------------- the environments of hosts


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.name)
def test_hosts_pins_are_exact_and_those_of_the_host(row: matrix.Row) -> None:
    found = pins(lines_of(ROOT / "requirements" / row.pins), f"{row.pythons[0][0]}.{row.pythons[0][1]}")
    expected = {"a1111": ("2.1.2", "3.41.2", "1.10"), "forge": ("2.3.1", "4.40.0", "2.8")}[row.name]
    assert (found["torch"], found["gradio"], found["pydantic"][: len(expected[2])]) == expected
    assert (found["numpy"], found["pillow"], found["einops"]) == ("1.26.2", "9.5.0", "0.4.1")


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


# ---------------------------------------------------------------- stopping


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


def test_the_stamp_is_plain_json(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    assert json.loads(venv.stamp.read_text())["extras"].keys() == {"standalone"}
