"""An environment that is made of fakes, and `run.py`, which installs nothing."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from lib_regional.standalone import environment as environments
from lib_regional.standalone.environment import Environment
from tests.support.loading import load

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


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py, which installs nothing."""
    module = load("run")
    monkeypatch.setattr(module.VENV, "ensure", lambda wanted, index=None: None)
    return module
