"""Pins, versions and the lock: what stands in several files agrees."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from lib_regional.standalone import environment as environments
from tests import matrix
from tests.support.loading import ROOT, load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


EXTRAS = ["standalone", "test", "train", "batch"]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([A-Za-z0-9.+!]+)(?:; (.+))?$")
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


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


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.name)
def test_hosts_pins_are_exact_and_those_of_the_host(row: matrix.Row) -> None:
    found = pins(lines_of(ROOT / "requirements" / row.pins), f"{row.pythons[0][0]}.{row.pythons[0][1]}")
    expected = {"a1111": ("2.1.2", "3.41.2", "1.10"), "forge": ("2.3.1", "4.40.0", "2.8")}[row.name]
    assert (found["torch"], found["gradio"], found["pydantic"][: len(expected[2])]) == expected
    assert (found["numpy"], found["pillow"], found["einops"]) == ("1.26.2", "9.5.0", "0.4.1")
