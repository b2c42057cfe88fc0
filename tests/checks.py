"""All checks, as ``python run.py test`` runs them in its virtual environment: ruff, mypy, the JavaScript tests, pytest.

``python -m tests.checks [pytest arguments]``; with arguments pytest runs alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

from lib_regional.standalone.environment import ROOT, exit_code, offline, run_child, say

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
    yield "node", node_command()


def run_check(check: tuple[str, list[str]]) -> tuple[str, int]:
    """(name, exit code); 0 for what has no command."""
    name, command = check
    if not command:
        return name, 0
    say(name)
    return name, run_node(command) if name == "node" else run_child(command, offline())


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
    """Its major version; 0 where it does not start."""
    try:
        return int(subprocess.run([node, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode().lstrip("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
