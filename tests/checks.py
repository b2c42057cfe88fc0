"""All checks, as ``python run.py test`` runs them in its virtual environment: ruff, mypy, the JavaScript (tests.javascript), pytest.

``python -m tests.checks [pytest arguments]``; with arguments pytest runs alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from lib_regional.standalone.environment import ROOT, exit_code, offline, run_child, say
from tests.javascript import javascript_checks

PYTEST = ("pytest", "-n", "2", "--dist", "loadfile")


def main(arguments: Sequence[str]) -> int:
    """Run the checks; the first exit code that is not 0."""
    failed = {} if arguments else {name: code for name, code in map(run_check, checks()) if code}
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # two workers share the cores
    code = run_child([sys.executable, "-m", *PYTEST, *arguments], offline(OMP_NUM_THREADS=threads))
    if failed:
        print("Failed before pytest: " + ", ".join(failed), flush=True)
    return code or next(iter(failed.values()), 0)


def checks() -> Iterator[tuple[str, list[str]]]:
    """(name, command) of everything that is run before pytest."""
    yield "ruff", [sys.executable, "-m", "ruff", "check", "."]
    yield "mypy", [sys.executable, "-m", "mypy"]
    yield from javascript_checks()


def run_check(check: tuple[str, list[str]]) -> tuple[str, int]:
    """(name, exit code)."""
    name, command = check
    say(name)
    return name, run_node(command) if name == "node" else run_child(command, offline())


def run_node(command: Sequence[str]) -> int:
    """Run the JavaScript tests; their long report is shown when one fails, else only its counts."""
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    report = done.stdout.decode("utf-8", "replace")
    counts = [line[2:] for line in report.splitlines() if line.startswith(("# tests", "# pass", "# fail"))]
    print(report if done.returncode else ", ".join(counts), flush=True)
    return exit_code(done.returncode)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
