"""Inside a WebUI nothing is imported but what every WebUI has: read from the source, and run with all other packages blocked."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loading import load
from tests.test_architecture import HOSTS, PACKAGE, ROOT, package_sources, part_of

PROGRAM = ROOT / "tests" / "support" / "only_host_packages.py"
HOST_PACKAGES = set(HOSTS.split())


OWN_PROGRAMS = ("standalone", "batch")
"""Parts that no WebUI imports: programs of their own, with requirements of their own."""


def in_webuis() -> list[Path]:
    return [path for path in package_sources() if part_of(path) not in OWN_PROGRAMS]


def imports(tree: ast.AST, late: bool = False) -> Iterator[tuple[str, bool]]:
    """(top-level package, whether it is imported when a function runs) of every absolute import."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0], late
        yield from imports(node, late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def foreign(late: bool) -> dict[str, set[str]]:
    """Package from outside -> the parts that import it, when they are loaded or (``late``) when a function of theirs runs."""
    found: dict[str, set[str]] = {}
    for path in in_webuis():
        for name, is_late in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if is_late == late and name not in sys.stdlib_module_names | {PACKAGE, "__future__"}:
                found.setdefault(name, set()).add(part_of(path))
    return found


def test_install_checks_what_is_imported_at_load() -> None:
    assert foreign(late=False).keys() - HOST_PACKAGES == load("install").NEEDED.keys()


def test_install_names_what_is_imported_for_a_feature() -> None:
    install = load("install")
    assert foreign(late=True).keys() - HOST_PACKAGES - install.NEEDED.keys() == install.OPTIONAL.keys()


def test_hosts_are_imported_late_but_by_the_script() -> None:
    early = foreign(late=False)
    assert {name: parts for name, parts in early.items() if name in HOST_PACKAGES} == {"modules": {"scripts"}}


def test_late_imports_are_distinguished_from_early_ones() -> None:
    source = "import a.b\nfrom . import own\nif TYPE_CHECKING:\n    import t\ndef f():\n    from c.d import e\nclass K:\n    import g\n"
    assert list(imports(ast.parse(source))) == [("a", False), ("c", True), ("g", False)]


def run_blocked(what: str, folder: Path, program: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(["-c", program] if program else [str(PROGRAM)]), what, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)


@pytest.mark.parametrize("what", ["a1111", "forge"])
def test_nothing_else_is_needed(what: str, tmp_path: Path) -> None:
    done = run_blocked(what, tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["done"]), done.stderr[-4000:]


def test_a_package_that_is_not_everywhere_is_found(tmp_path: Path) -> None:
    """The block is real: with an adapter loaded for every host the script does not start."""
    program = (
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r}); import only_host_packages as program\n"
        "found = program.block(program.OURS)\n"
        "sys.path.insert(0, str(program.ROOT)); import diffusers"
    )
    done = run_blocked("", tmp_path, program)
    assert done.returncode == 1 and "diffusers is blocked" in done.stderr
