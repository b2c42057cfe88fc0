"""The tests that need no standalone host, with the packages that AUTOMATIC1111 and Forge install by their own pins.

``python run.py test --matrix [name …]`` builds one virtual environment for each row under ``.venv-matrix``, runs the tests in it and
prints the versions and the counts. A row that cannot be built counts as failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from lib_regional.standalone.environment import ROOT, Environment, Pythons, SetupError, offline, run_child, say

FOLDER = ROOT / ".venv-matrix"
TESTS = (
    "tests/request", "tests/tensors", "tests/engine", "tests/methods", "tests/hosts", "tests/webui", "tests/sources", "tests/api",
    "tests/ui", "tests/test_imports.py",
)  # fmt: skip
STANDALONE = ("tests/ui/test_page.py",)
"""Tests of the standalone host's page among them."""
SHOWN = ("torch", "numpy", "pillow", "einops", "pydantic", "gradio", "fastapi", "transformers", "diffusers")


@dataclass(frozen=True)
class Row:
    """One environment: the Pythons of the host, and the file in requirements/ with its pins and those of the test tools."""

    name: str
    pythons: Pythons
    pins: str

    def environment(self) -> Environment:
        """Where it is built, and how; ``ldm`` comes without its dependencies, as in the main environment."""
        steps = ((self.pins, ()), ("test-nodeps.txt", ("--no-deps",)))
        return Environment(FOLDER / self.name, self.pythons, {self.name: steps})


ROWS = (
    Row("a1111", ((3, 10),), "a1111.txt"),
    Row("forge", ((3, 10),), "forge.txt"),
)
VERSIONS = (
    "import json, platform, sys; from importlib.metadata import version; "
    "print(json.dumps({'Python': platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))"
)


def main(arguments: Sequence[str]) -> int:
    """Build and run the rows that are named, all without a name; 1 where one fails, 2 for an unknown name."""
    known = {row.name: row for row in ROWS}
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f"There is no environment {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    results = [(name, *run_row(known[name])) for name in arguments or known]
    for name, code, text in results:
        print(f"{name}: {'passed' if code == 0 else 'FAILED'}; {text}", flush=True)
    return int(any(code for _, code, _ in results))


def run_row(row: Row) -> tuple[int, str]:
    """(exit code, versions and counts)"""
    environment = row.environment()
    try:
        environment.folder.parent.mkdir(exist_ok=True)
        environment.ensure([row.name])
    except SetupError as error:
        return 1, str(error)
    say(f"{row.name}: {' '.join(TESTS)}")
    report = environment.folder / "report.xml"
    report.unlink(missing_ok=True)
    left_out = [f"--ignore={path}" for path in STANDALONE]
    command = [str(environment.python), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", f"--junitxml={report}", *left_out, *TESTS]
    code = run_child(command, offline(OMP_NUM_THREADS="1"))
    return code, f"{versions(environment.python)}: {counts(report)}"


def versions(python: Path) -> str:
    """Those of the packages that hosts pin, as an environment has them."""
    done = subprocess.run([str(python), "-c", VERSIONS, *SHOWN], capture_output=True, text=True, check=True)
    return ", ".join(f"{name} {version}" for name, version in json.loads(done.stdout).items())


def counts(report: Path) -> str:
    """What pytest's report in JUnit's format says; that there is none where pytest did not come so far."""
    if not report.is_file():
        return "no test ran"
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    total, failed, skipped = (sum(column) for column in zip(*(_counts(suite) for suite in suites)))
    return f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped"


def _counts(suite: ElementTree.Element) -> tuple[int, int, int]:
    number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
    return number["tests"], number["failures"] + number["errors"], number["skipped"]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
