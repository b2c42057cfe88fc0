"""Start Regional's demo or its tests on a machine that has nothing but Python.

    python run.py demo [--port N] [--no-browser] [--checkpoint FILE]
    python run.py test [pytest arguments]

The first start makes a virtual environment in ``.venv`` beside this file and lets pip install the pinned packages of
``requirements/`` into it; later starts find it complete and take seconds. ``run.py test`` checks the style (ruff) and the types
(mypy), runs the JavaScript tests where Node.js is found, and then pytest; with pytest arguments it runs pytest alone.

This file uses the standard library only, and no syntax that older Pythons lack: it has to be able to tell them that they are old.
"""

from __future__ import annotations

import argparse
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
from typing import Iterator, Sequence  # noqa: UP035 - older Pythons get this far

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "regional-stamp.json"
REQUIREMENTS = ROOT / "requirements"
SUPPORTED = ((3, 12), (3, 11), (3, 10))

# Each step is one call of pip: requirement files, then further options.
EXTRAS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "standalone": (("standalone.txt", ()),),
    "test": (("test.txt", ()), ("test-nodeps.txt", ("--no-deps",))),
    "train": (("train.txt", ()),),
}
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
    """Something the user has to know or do; the text says what."""


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


def candidates() -> Iterator[list[str]]:
    """Pythons in order of preference: the running one, then those of PATH, then those of the Windows launcher."""
    if sys.version_info[:2] in SUPPORTED:
        yield [sys.executable]
    for major, minor in SUPPORTED:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            yield [found]
    launcher = shutil.which("py") if os.name == "nt" else None
    for major, minor in SUPPORTED if launcher else ():
        yield [str(launcher), f"-{major}.{minor}"]


def find_python() -> str:
    """The path of a Python 3.10 to 3.12 with the venv module; SetupError when there is none."""
    for command in candidates():
        version = version_of(command, PROBE_WITH_VENV)
        if version and version[:2] in SUPPORTED:
            return version[2]
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info[:2] in SUPPORTED:
        raise SetupError(
            f"This Python {running} cannot make virtual environments: its venv or ensurepip module is missing.\n"
            "On Debian and Ubuntu install it with: sudo apt install python3-venv"
        )
    raise SetupError(
        f"Regional needs Python 3.10, 3.11 or 3.12, and this is {running}.\n"
        "None of python3.12, python3.11, python3.10 was found on PATH. Install one of them and start again, for example:\n"
        "    python3.11 run.py demo"
    )


# ---------------------------------------------------------------- the virtual environment


def venv_python() -> Path:
    return VENV / "Scripts" / "python.exe" if os.name == "nt" else VENV / "bin" / "python"


def venv_fault() -> str:
    """Why the present environment cannot be used or repaired by pip, or "" when it can."""
    version = version_of([str(venv_python())])
    if version is None:
        return "its Python does not start"
    if version[:2] not in SUPPORTED:
        return f"its Python is {version[0]}.{version[1]}"
    if subprocess.run([str(venv_python()), "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return "it has no working pip"
    if any(half_installed(folder) for folder in VENV.glob("**/site-packages")):
        return "a package in it is only half installed"
    return ""


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


def make_venv() -> None:
    python = find_python()
    say(f"Making the virtual environment {VENV} with {python}")
    if subprocess.run([python, "-m", "venv", str(VENV)]).returncode:
        raise SetupError(f"Python could not make the virtual environment {VENV}. On Debian and Ubuntu: sudo apt install python3-venv")


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


# ---------------------------------------------------------------- packages


def wanted_stamp(extras: Sequence[str]) -> dict[str, str]:
    """Extra -> hash of every file that decides what is installed for it."""
    stamp = {}
    for extra in extras:
        digest = hashlib.sha256((REQUIREMENTS / "lock.txt").read_bytes())
        for name, _options in EXTRAS[extra]:
            digest.update((REQUIREMENTS / name).read_bytes())
        stamp[extra] = digest.hexdigest()
    return stamp


def read_stamp() -> dict[str, str]:
    """What the last complete installation recorded; {} when there was none, for another Python, or when that no longer starts."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return dict(stamp["extras"]) if stamp["python"] == venv_version() else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def venv_version() -> str:
    version = version_of([str(venv_python())])
    return f"{version[0]}.{version[1]}" if version else ""


def is_complete(extras: Sequence[str]) -> bool:
    stamp = read_stamp()
    return all(stamp.get(extra) == value for extra, value in wanted_stamp(extras).items())


def ensure_venv(extras: Sequence[str], torch_index: str | None = None) -> None:
    """Make `.venv` hold the packages of the extras: at once when it does, repaired or made anew when it does not."""
    if is_complete(extras) and not torch_index:
        return
    with alone():
        if is_complete(extras) and not torch_index:
            return
        fault = "another build of torch is asked for" if torch_index else venv_fault()
        if VENV.exists() and fault:
            say(f"Making .venv anew: {fault}.")
            force_remove(VENV)
        if not VENV.exists():
            make_venv()
        install(sorted(set(extras) | set(read_stamp())), torch_index)


def install(extras: Sequence[str], torch_index: str | None) -> None:
    say(f"Installing the packages of: {', '.join(extras)}. The first time this takes minutes.")
    if not torch_index and not torch_installed():
        advise_on_torch()
    if STAMP.exists():
        STAMP.unlink()
    with_deps = [name for extra in extras for name, options in EXTRAS[extra] if not options]
    steps: list[tuple[list[str], tuple[str, ...]]] = [(with_deps, ("--constraint", str(REQUIREMENTS / "lock.txt")))]
    steps += [([name], options) for extra in extras for name, options in EXTRAS[extra] if options]
    for names, options in steps:
        pip_install(names, [*options, *(["--extra-index-url", torch_index] if torch_index else [])])
    stamp = {"python": venv_version(), "extras": wanted_stamp(extras)}
    STAMP.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    say("Installed.")


def pip_install(names: Sequence[str], options: Sequence[str]) -> None:
    files = [part for name in names for part in ("--requirement", str(REQUIREMENTS / name))]
    quiet = [] if sys.stdout.isatty() else ["--quiet", "--progress-bar", "off"]
    command = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--prefer-binary", "--no-compile"]
    code = run_child([*command, *quiet, *files, *options])
    if code:
        raise SetupError(
            "pip could not install the packages (its message is above). Look at the connection, or at pip's configuration if you use "
            "a mirror, and start again: what is there already is kept."
        )


def torch_installed() -> bool:
    return any(VENV.glob("**/site-packages/torch-*.dist-info"))


def advise_on_torch() -> None:
    """Tell a Linux user without an NVIDIA card how to avoid the CUDA libraries, unless pip has been told where to look."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return
    command = [str(venv_python()), "-m", "pip", "config", "list"]
    settings = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "PIP_QUIET": "0"})
    told = settings.stdout.decode("utf-8", "replace").lower()
    if any(key in told for key in ("index-url", "index_url", "find-links", "find_links")):
        return
    say("No NVIDIA card is seen here. pip's usual torch for Linux brings some gigabytes of CUDA libraries; it works, they are not used.")
    say('To leave them out, stop this and give the address of PyTorch\'s CPU index, which its "Start Locally" page names:')
    say("    python run.py demo --torch-index ADDRESS")


# ---------------------------------------------------------------- running


def run_child(command: Sequence[str], environment: dict[str, str] | None = None) -> int:
    """Run a command in the project's folder to its end and return its exit code; stopping this stops it too."""
    child = subprocess.Popen(list(command), cwd=str(ROOT), env=environment)

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


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **OFFLINE, "PYTHONUTF8": "1", **more}


def demo(arguments: argparse.Namespace) -> int:
    command = [str(venv_python()), "-m", "lib_regional.standalone"]
    if arguments.checkpoint:
        checkpoint = Path(arguments.checkpoint).expanduser().resolve()
        if not checkpoint.is_file():
            raise SetupError(f"There is no checkpoint file {checkpoint}")
        command += ["--checkpoint", str(checkpoint)]
    if arguments.port is not None:
        command += ["--port", str(arguments.port)]
    if arguments.no_browser:
        command += ["--no-browser"]
    if arguments.listen is not None:
        command += ["--listen", *filter(None, [arguments.listen])]
    for name in arguments.allow_host:
        command += ["--allow-host", name]
    ensure_venv(["standalone"], arguments.torch_index)
    return run_child(command, environment())


def test(arguments: argparse.Namespace, pytest_arguments: Sequence[str]) -> int:
    ensure_venv(["standalone", "test"], arguments.torch_index)
    failed = {} if pytest_arguments else {name: code for name, code in map(run_check, checks()) if code}
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # two workers share the cores
    pytest = [str(venv_python()), "-m", "pytest", "-n", "2", "--dist", "loadfile", *pytest_arguments]
    code = run_child(pytest, environment(OMP_NUM_THREADS=threads))
    if failed:
        print("Failed before pytest: " + ", ".join(failed), flush=True)
    return code or next(iter(failed.values()), 0)


def checks() -> Iterator[tuple[str, list[str]]]:
    """(name, command) of everything that is run before pytest."""
    python = str(venv_python())
    yield "ruff", [python, "-m", "ruff", "check", "."]
    yield "mypy", [python, "-m", "mypy"]
    yield "node", node_command()


def run_check(check: tuple[str, list[str]]) -> tuple[str, int]:
    name, command = check
    if not command:
        return name, 0
    say(name)
    return name, run_node(command) if name == "node" else run_child(command, environment())


def run_node(command: Sequence[str]) -> int:
    """Run the JavaScript tests; their long report is shown when one fails, else only its counts."""
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    report = done.stdout.decode("utf-8", "replace")
    counts = [line[2:] for line in report.splitlines() if line.startswith(("# tests", "# pass", "# fail"))]
    print(report if done.returncode else ", ".join(counts), flush=True)
    return exit_code(done.returncode)


def node_command() -> list[str]:
    """The command that runs the JavaScript tests; [] where they are skipped, which is said."""
    found = (path for path in (ROOT / "tests").glob("**/*test*") if path.suffix in {".js", ".mjs", ".cjs"})
    tests = sorted(str(path.relative_to(ROOT)) for path in found)
    node = shutil.which("node")
    if not node or node_major(node) < 20:
        say(f"SKIPPED: the JavaScript tests need Node.js 20 or newer, and {'it is older' if node else 'none is on PATH'}.")
        return []
    return [node, "--test", "--test-reporter=tap", *tests] if tests else []


def node_major(node: str) -> int:
    try:
        return int(subprocess.run([node, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode().lstrip("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return number


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="run.py", description="Start Regional's demo or its tests.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="demo|test")
    demo_parser = commands.add_parser("demo", help="the page and the API on 127.0.0.1, with the small model", allow_abbrev=False)
    demo_parser.add_argument("--port", type=port, help="the port to serve on")
    demo_parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    demo_parser.add_argument("--checkpoint", metavar="FILE", help="an SD1.x or SDXL checkpoint to use in place of the small model")
    demo_parser.add_argument("--listen", nargs="?", const="", metavar="ADDRESS", help="answer other machines too, without a password")
    demo_parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="answer under this name too")
    test_parser = commands.add_parser("test", help="style, types, JavaScript tests, pytest", allow_abbrev=False)
    for each in (demo_parser, test_parser):
        each.add_argument("--torch-index", metavar="ADDRESS", help="a pip index with another build of torch; remakes .venv")
    known, rest = parser.parse_known_args(arguments)
    if not known.command:
        parser.print_help()
        raise SystemExit(2)
    if rest and known.command == "demo":
        demo_parser.error("unrecognized arguments: " + " ".join(rest))
    return known, rest


def main(arguments: Sequence[str]) -> int:
    known, rest = parse(arguments)
    try:
        return demo(known) if known.command == "demo" else test(known, rest)
    except SetupError as error:
        print("\n" + str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
