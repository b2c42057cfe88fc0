"""The virtual environment: made once, mended where it is broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lib_regional.standalone import environment as environments
from lib_regional.standalone.environment import Environment, SetupError

from .conftest import Fakes


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


def test_the_stamp_is_plain_json(venv: Environment, fakes: Fakes) -> None:
    venv.ensure(["standalone"])
    assert json.loads(venv.stamp.read_text())["extras"].keys() == {"standalone"}
