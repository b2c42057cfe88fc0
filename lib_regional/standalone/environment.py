"""A virtual environment made with nothing but a Python, and child processes that end when their parent is stopped.

`run.py` starts here before anything is installed, so this file uses the standard library only, and no syntax that older Pythons lack.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, Sequence, Tuple  # noqa: UP035 - older Pythons get this far

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
Pythons = Tuple[Tuple[int, int], ...]  # noqa: UP006
Steps = Tuple[Tuple[str, Tuple[str, ...]], ...]  # noqa: UP006
"""For each call of pip a file of requirements/, and the options that it needs."""
Extras = Dict[str, Steps]  # noqa: UP006

PROBE = "import sys, json; print(json.dumps([sys.version_info[0], sys.version_info[1], getattr(sys, '_base_executable', sys.executable)]))"
PROBE_WITH_VENV = "import venv, ensurepip; " + PROBE
OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
"""What is set for the demo and the tests: neither opens a connection to another machine."""


class SetupError(Exception):
    """A problem of the installation; the message names the cause and the remedy."""


def say(text: str) -> None:
    print("[regional] " + text, flush=True)


# ---------------------------------------------------------------- Python


def version_of(command: Sequence[str], probe: str = PROBE) -> tuple[int, int, str] | None:
    """(major, minor, path) of a Python that starts and passes the probe, or None. The path is outside of any virtual environment."""
    try:
        done = subprocess.run([*command, "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True)
        major, minor, path = json.loads(done.stdout.decode("utf-8"))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return int(major), int(minor), str(path)


def candidates(pythons: Pythons) -> Iterator[list[str]]:
    """Commands in order of preference: the running Python, then those of PATH, then those of the Windows launcher."""
    if sys.version_info[:2] in pythons:
        yield [sys.executable]
    for major, minor in pythons:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            yield [found]
    launcher = shutil.which("py") if os.name == "nt" else None
    for major, minor in pythons if launcher else ():
        yield [str(launcher), f"-{major}.{minor}"]


def find_python(pythons: Pythons) -> str:
    """The path of one of these Pythons that has the venv module; SetupError when there is none."""
    for command in candidates(pythons):
        version = version_of(command, PROBE_WITH_VENV)
        if version and version[:2] in pythons:
            return version[2]
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info[:2] in pythons:
        raise SetupError(
            f"This Python {running} cannot make virtual environments: its venv or ensurepip module is missing.\n"
            "On Debian and Ubuntu install it with: sudo apt install python3-venv"
        )
    first, last = (f"{major}.{minor}" for major, minor in (pythons[-1], pythons[0]))
    names = ", ".join(f"python{major}.{minor}" for major, minor in pythons)
    raise SetupError(
        f"The virtual environment needs Python {first if first == last else f'{first} to {last}'}, and this is {running}.\n"
        f"On PATH there is no {names} that works. Install one and start again."
    )


# ---------------------------------------------------------------- the virtual environment


class Environment:
    """A virtual environment in ``folder``: the Pythons it may be made with, and the steps that install each of its extras."""

    def __init__(self, folder: Path, pythons: Pythons, extras: Extras) -> None:
        self.folder, self.pythons, self.extras = folder, pythons, extras
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp = folder / "regional-stamp.json"

    def ensure(self, wanted: Sequence[str], torch_index: str | None = None) -> None:
        """Make it hold the packages of the wanted extras: at once when it does, repaired or made anew when it does not."""
        if self.is_complete(wanted) and not torch_index:
            return
        with alone():
            if self.is_complete(wanted) and not torch_index:
                return
            fault = "another build of torch is asked for" if torch_index else self.fault()
            if self.folder.exists() and fault:
                say(f"Making {self.folder.name} anew: {fault}.")
                force_remove(self.folder)
            if not self.folder.exists():
                self.make()
            self.install(sorted(set(wanted) | set(self.recorded())), torch_index)

    def is_complete(self, wanted: Sequence[str]) -> bool:
        recorded = self.recorded()
        return all(recorded.get(extra) == self.digest(extra) for extra in wanted)

    def recorded(self) -> dict[str, str]:
        """What the last complete installation left; {} when there was none, for another Python, or when that no longer starts."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
            return dict(stamp["extras"]) if stamp["python"] == self.version() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def version(self) -> str:
        version = version_of([str(self.python)])
        return f"{version[0]}.{version[1]}" if version else ""

    def digest(self, extra: str) -> str:
        """The hash of every file that decides what is installed for an extra."""
        files = [part for name, options in self.extras[extra] for part in (name, *options) if part.endswith(".txt")]
        return hashlib.sha256(b"".join((REQUIREMENTS / name).read_bytes() for name in files)).hexdigest()

    def fault(self) -> str:
        """Why it cannot be used or repaired by pip, or "" when it can."""
        version = version_of([str(self.python)])
        if version is None:
            return "its Python does not start"
        if version[:2] not in self.pythons:
            return f"its Python is {version[0]}.{version[1]}"
        if subprocess.run([str(self.python), "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            return "it has no working pip"
        if any(half_installed(folder) for folder in self.folder.glob("**/site-packages")):
            return "a package in it is only half installed"
        return ""

    def make(self) -> None:
        python = find_python(self.pythons)
        say(f"Making the virtual environment {self.folder} with {python}")
        if subprocess.run([python, "-m", "venv", str(self.folder)]).returncode:
            raise SetupError(f"Python could not make {self.folder}. On Debian and Ubuntu: sudo apt install python3-venv")

    def install(self, wanted: Sequence[str], torch_index: str | None) -> None:
        say(f"Installing the packages of: {', '.join(wanted)}. The first time this takes minutes.")
        if not torch_index and not any(self.folder.glob("**/site-packages/torch-*.dist-info")):
            advise_on_torch(self.python)
        if self.stamp.exists():
            self.stamp.unlink()
        steps = [step for extra in wanted for step in self.extras[extra]]
        for options in sorted({options for _name, options in steps}, key=lambda options: "--no-deps" in options):
            names = [name for name, own in steps if own == options]  # in one call, so that pip chooses versions that go together
            self.pip(names, [*options, *(["--extra-index-url", torch_index] if torch_index else [])])
        stamp = {"python": self.version(), "extras": {extra: self.digest(extra) for extra in wanted}}
        self.stamp.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        say("Installed.")

    def pip(self, names: Sequence[str], options: Sequence[str]) -> None:
        files = [part for name in names for part in ("--requirement", str(REQUIREMENTS / name))]
        quiet = [] if sys.stdout.isatty() else ["--quiet", "--progress-bar", "off"]
        command = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--prefer-binary", "--no-compile"]
        if run_child([*command, *quiet, *files, *options]):
            raise SetupError(
                "pip could not install the packages (its message is above). Look at the connection, or at pip's configuration if you use "
                "a mirror, and start again: what is there already is kept."
            )


def half_installed(site_packages: Path) -> bool:
    """True when pip was killed while it copied files: it writes INSTALLER last, and renames to ~name what it removes."""
    unfinished = any(not (info / "INSTALLER").is_file() for info in site_packages.glob("*.dist-info"))
    return unfinished or any(site_packages.glob("~*"))


def force_remove(path: Path) -> None:
    """Remove a folder, also where Windows has marked files in it read-only."""

    def retry(function, name, _info):  # type: ignore[no-untyped-def]
        os.chmod(name, stat.S_IWRITE)
        function(name)

    try:
        shutil.rmtree(str(path), onerror=retry)
    except OSError as error:
        raise SetupError(f"Cannot remove {path}: {error}\nClose what is using it, or remove that folder, and start again.") from error


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold a lock that ends with this process, so that two starts at once do not install into each other."""
    with open(str(ROOT / ".venv.lock"), "a+") as file:
        waited = False
        while not try_lock(file.fileno()):
            if not waited:
                say("Another start is installing; waiting for it.")
            waited = True
            time.sleep(1)
        yield


def try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def advise_on_torch(python: Path) -> None:
    """Print how to avoid the CUDA libraries on Linux without an NVIDIA card, unless pip's configuration names an index."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return
    command = [str(python), "-m", "pip", "config", "list"]
    settings = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PIP_QUIET": "0"})
    written = settings.stdout.decode("utf-8", "replace").lower().replace("_", "-")
    if "index-url" not in written and "find-links" not in written:
        say("No NVIDIA card is seen here. pip's usual torch for Linux brings gigabytes of CUDA libraries; it works, they are not used.")
        say('To leave them out, stop this and give the address of PyTorch\'s CPU index, which its "Start Locally" page names:')
        say("    python run.py demo --torch-index ADDRESS")


# ---------------------------------------------------------------- running


def run_child(command: Sequence[str], environment: dict[str, str] | None = None, folder: str = "") -> int:
    """Run a command in a folder, the project's, to its end and return its exit code; stopping this stops it too."""
    child = subprocess.Popen(list(command), cwd=folder or str(ROOT), env=environment)

    def stop(_number: int, _frame: object) -> None:
        child.terminate()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        return exit_code(child.wait())
    except KeyboardInterrupt:
        close(child)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def close(child: subprocess.Popen[bytes]) -> None:
    """End a child after Ctrl-C. A terminal sends that to the child as well, so it is given time first, then asked, then killed."""
    interrupt = signal.SIGTERM if os.name == "nt" else signal.SIGINT
    for ask, seconds in ((None, 3), (interrupt, 10), (signal.SIGTERM, 5)):
        if ask is not None:
            child.send_signal(ask)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(timeout=seconds)
            return
    child.kill()
    child.wait()


def exit_code(returned: int) -> int:
    """A child that a signal ended gets the code a shell would give."""
    return 128 - returned if returned < 0 else returned


def offline(**more: str) -> dict[str, str]:
    """The environment variables of a child that opens no connection to another machine."""
    return {**os.environ, **OFFLINE, "PYTHONUTF8": "1", **more}
