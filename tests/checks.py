"""All checks, as ``python run.py test`` runs them in its virtual environment: ruff, mypy, the JavaScript (tests.javascript), pytest.

``python -m tests.checks [pytest arguments]``; with arguments pytest runs alone. ``--fast`` runs ruff, mypy and the JavaScript beside
the pytest files that need no host and no browser (`FAST`, without the markers in `LEFT_OUT`), and prints what it left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from lib_regional.standalone.environment import ROOT, exit_code, offline, run_child, say
from tests.javascript import javascript_checks

PYTEST = ("pytest", "-n", "2", "--dist", "loadfile")
FAST = ("tests/request", "tests/tensors", "tests/engine", "tests/api", "tests/test_architecture.py", "tests/test_documents.py")
"""Folders and files of the fast tests."""
STARTS_PROGRAMS = ("tests/request/test_one_declaration.py",)
"""Files below `FAST` that are not even imported."""
LEFT_OUT = ("slow", "browser", "half", "gpu")
"""Markers that the fast tests do not have."""


def main(arguments: Sequence[str]) -> int:
    """Run the checks; the first exit code that is not 0."""
    if "--fast" in arguments:
        return fast([word for word in arguments if word != "--fast"])
    return run({} if arguments else failing(checks()), arguments)


def fast(arguments: Sequence[str]) -> int:
    """The fast tests, with the checks beside them; the first exit code that is not 0."""
    ignored = (f"--ignore={path}" for path in STARTS_PROGRAMS)
    chosen = [*FAST, *ignored, "-m", f"not ({' or '.join(LEFT_OUT)})", "--hypothesis-profile", "fast"]
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(lambda: [(name, *captured(command)) for name, command in fast_checks()])
        code = run({}, [*chosen, *arguments])
    codes = [code, *(shown(name, failed, report) for name, failed, report in beside.result())]
    print(left_out(), flush=True)
    return next(filter(None, codes), 0)


def captured(command: Sequence[str]) -> tuple[int, str]:
    """(exit code, everything it printed) of a command that is run in the project's folder."""
    done = subprocess.run(command, cwd=str(ROOT), env=offline(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return exit_code(done.returncode), done.stdout.decode("utf-8", "replace").rstrip()


def counts(report: str) -> str:
    """The counts alone of a long report by Node.js's test runner."""
    return ", ".join(line[2:] for line in report.splitlines() if line.startswith(("# tests", "# pass", "# fail")))


def shown(name: str, code: int, report: str) -> int:
    """Print what a check has to say; of the JavaScript tests' long report the counts alone, where none failed. Its exit code."""
    say(name)
    print(report if code or name != "node" else counts(report), flush=True)
    return code


def failing(selected: Iterator[tuple[str, list[str]]]) -> dict[str, int]:
    """Run the checks, two at a time, and print their reports in order; the exit codes of those that failed."""
    with ThreadPoolExecutor(2) as pool:
        running = [(name, pool.submit(captured, command)) for name, command in selected]
        codes = {name: shown(name, *done.result()) for name, done in running}
    return {name: code for name, code in codes.items() if code}


def run(failed: dict[str, int], arguments: Sequence[str]) -> int:
    """Run pytest after checks of which some ``failed``; the exit code of all."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # two workers share the cores
    code = run_child([sys.executable, "-m", *PYTEST, *arguments], offline(OMP_NUM_THREADS=threads, **kept_bytecode(os.environ)))
    if failed:
        print("Failed before pytest: " + ", ".join(failed), flush=True)
    return code or next(iter(failed.values()), 0)


def kept_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables with which tests keep compiled modules in the virtual environment, where Python is set not to write any beside the sources.

    Tests start many programs, and every one would compile PyTorch anew.
    """
    if not environment.get("PYTHONDONTWRITEBYTECODE") or environment.get("PYTHONPYCACHEPREFIX"):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "pycache")}


def checks() -> Iterator[tuple[str, list[str]]]:
    """(name, command) of everything that is run before pytest."""
    yield "ruff", [sys.executable, "-m", "ruff", "check", "."]
    yield "mypy", [sys.executable, "-m", "mypy"]
    yield from javascript_checks()


def fast_checks() -> Iterator[tuple[str, list[str]]]:
    """ruff, mypy and the JavaScript's tests; ESLint, Prettier, types and bundle need tools that a first run installs."""
    yield from ((name, command) for name, command in islice(checks(), 3))


def left_out() -> str:
    """What the fast tests leave out, in one line."""
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    others = sorted(folders - {place.removeprefix("tests/") for place in FAST})
    marked = f"tests marked {', '.join(LEFT_OUT)}"
    return f"Left out by --fast: {', '.join(others)}; {marked}; most examples of property tests; ESLint, Prettier, tsc and the bundle."


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
