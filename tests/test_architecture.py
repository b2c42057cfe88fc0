"""The architecture and the house rules, read from the source: imports point one way, functions and files stay short."""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "lib_regional"
FUNCTION_LINES = 45
FILE_LINES = 300
FOLDER_FILES = 12
FLAT_FOLDERS = {"lib_regional/standalone/webui/modules"}
"""Folders whose file names another program decides: the WebUI's flat ``modules`` package."""
UNTRACKED = {
    ".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", ".venv-matrix", "__pycache__", "build", "dist",
    "node_modules",
}  # fmt: skip


@dataclass(frozen=True)
class May:
    """What a part may import: parts of the package, and packages from outside. The standard library is always free."""

    parts: frozenset[str] = field(default_factory=frozenset)
    outside: frozenset[str] = field(default_factory=frozenset)


def may(parts: str, outside: str = "") -> May:
    return May(frozenset(parts.split()), frozenset(outside.split()))


HOSTS = "modules modules_forge ldm ldm_patched sgm backend k_diffusion diffusers"
TENSORS = "torch numpy einops"
MAY = {
    "request": may("request"),
    "tensors": may("request tensors", f"{TENSORS} PIL"),  # PIL opens the masks that layouts carry as PNG
    "engine": may("request tensors engine", "torch"),
    "methods": may("request tensors engine methods", TENSORS),
    "sources": may("request tensors engine sources", f"{TENSORS} PIL safetensors transformers"),
    "hosts": may("request tensors engine sources hosts", f"{TENSORS} {HOSTS}"),
    "webui": may("request tensors engine methods sources hosts webui", f"{TENSORS} PIL {HOSTS} dynamicprompts"),  # PIL: for inpainting
    "ui": may("request ui", "gradio"),
    "api": may("request tensors sources api", f"{TENSORS} PIL fastapi starlette pydantic"),
    "standalone": may(
        "request tensors engine sources ui api standalone",
        f"{TENSORS} {HOSTS} PIL accelerate fastapi gradio huggingface_hub pydantic safetensors starlette tokenizers transformers uvicorn "
        "matplotlib scipy tqdm",
    ),
    "batch": may("request tensors sources standalone batch", f"{TENSORS} PIL httpx pyarrow ray scipy tqdm transformers"),
    "scripts": may("request tensors engine methods sources hosts webui ui api", f"torch gradio fastapi {HOSTS}"),
}
"""One line for each part; ``methods`` and ``hosts`` meet only in ``engine``, and ``webui`` is the one driver that knows both."""
HOST_PARTS = {"hosts", "webui", "scripts", "standalone"}
EVERYWHERE = may("", " ".join(sys.stdlib_module_names)).outside | {"__future__"}


def part_of(path: Path) -> str:
    """The part a source file belongs to: lib_regional/tensors/masks/weight_maps.py -> tensors, lib_regional/engine/plan.py -> plan."""
    inner = path.relative_to(ROOT).parts
    return inner[0] if inner[0] != PACKAGE else inner[1].removesuffix(".py")


def sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not UNTRACKED & set(path.parts))


def package_sources() -> list[Path]:
    return [path for path in sources(PACKAGE, "scripts") if path != ROOT / PACKAGE / "__init__.py"]


@dataclass(frozen=True)
class Facts:
    """What the rules look at in one file, so that its tree is made once and not kept: lines, names and lengths."""

    imports: tuple[tuple[int, str], ...]
    functions: tuple[tuple[int, str, int], ...]
    """(line, name, lines)."""
    bare: tuple[int, ...]
    """Lines with ``global`` or a bare ``except``."""
    idle: tuple[tuple[int, str], ...]
    """Tests that assert nothing."""


@cache
def facts(path: Path) -> Facts:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    nodes = list(ast.walk(tree))
    package = path.relative_to(ROOT).parts[:-1]
    return Facts(
        tuple((line_of(node), name) for node, name in imported_names(nodes, package)),
        tuple((node.lineno, node.name, (node.end_lineno or 0) - node.lineno + 1) for node in functions(nodes)),
        tuple(line_of(node) for node in nodes if is_bare(node)),
        tuple((node.lineno, node.name) for node in idle_tests(tree)) if path.name.startswith("test_") else (),
    )


def is_bare(node: ast.AST) -> bool:
    """``global``, or an ``except`` without a class."""
    return isinstance(node, ast.Global) or (isinstance(node, ast.ExceptHandler) and node.type is None)


def line_of(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


# ---------------------------------------------------------------- imports


def imported_names(nodes: Iterable[ast.AST], package: tuple[str, ...]) -> Iterator[tuple[ast.AST, str]]:
    """(node, absolute dotted name) of every import in a file of the package, also inside functions and through importlib."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((node, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called_name(node) in {"import_module", "__import__"}:
            yield from ((node, word.value) for word in node.args[:1] if isinstance(word, ast.Constant) and isinstance(word.value, str))


def called_name(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def wrong_imports(part: str, names: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    rule = MAY[part]
    outside = EVERYWHERE | rule.outside
    for line, name in names:
        first, *rest = name.split(".")
        if first == PACKAGE:
            if rest and rest[0] not in rule.parts and rest[0] != "__version__":
                yield line, f"{part} imports {name}"
        elif first not in outside:
            yield line, f"{part} imports {name}"


def names_in(source: str, package: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(line_of(node), name) for node, name in imported_names(ast.walk(ast.parse(source)), package)]


def test_every_part_has_a_rule() -> None:
    assert {part_of(path) for path in package_sources()} <= set(MAY)


def test_imports_point_one_way() -> None:
    faults = [
        f"{where(path, line)}: {fault}" for path in package_sources() for line, fault in wrong_imports(part_of(path), facts(path).imports)
    ]
    assert not faults, "\n".join(faults)


def test_hosts_are_imported_by_the_host_side_only() -> None:
    faults = [
        f"{where(path, line)}: {name}"
        for path in package_sources()
        if part_of(path) not in HOST_PARTS
        for line, name in facts(path).imports
        if name.split(".")[0] in HOSTS.split()
    ]
    assert not faults, "\n".join(faults)


WRONG = [
    ("request", "import torch"),
    ("request", "import numpy as np"),
    ("request", "from ..tensors import masks"),
    ("request", "from ..engine import ports"),
    ("tensors", "from ..engine.ports import Host"),
    ("tensors", "from lib_regional.methods import METHODS"),
    ("tensors", "import gradio"),
    ("engine", "from ..methods import METHODS"),
    ("engine", "from ..hosts import registry"),
    ("methods", "from ..hosts.diffusers.adapter import DiffusersHost"),
    ("methods", "def late():\n    import diffusers"),
    ("methods", "import importlib\nimportlib.import_module('modules.shared')"),
    ("hosts", "from ..methods.attention_couple import attention_couple"),
    ("hosts", "from ..webui import driver"),
    ("hosts", "from ..standalone import model"),
    ("webui", "from ..ui import panel"),
    ("ui", "from ..engine.plan import Plan"),
    ("ui", "from fastapi import FastAPI"),
    ("api", "import gradio as gr"),
]


@pytest.mark.parametrize(("part", "source"), WRONG, ids=[f"{part}: {source.splitlines()[-1].strip()}" for part, source in WRONG])
def test_a_wrong_import_is_found(part: str, source: str) -> None:
    package = (PACKAGE,) if (ROOT / PACKAGE / f"{part}.py").exists() else (PACKAGE, part)
    assert len(list(wrong_imports(part, names_in(source, package)))) == 1


RIGHT = [
    ("request", "from .errors import Problem"),
    ("tensors", "import torch\nfrom ..request.layout.regions import Layout"),
    ("methods", "from ..engine.hooks import Hooks\nfrom ..tensors import masks\nfrom .common import contexts"),
    ("hosts", "import diffusers\nfrom ..engine.patching import replaced"),
    ("webui", "from ..methods import prepare\nfrom ..hosts import registry"),
    ("ui", "import gradio as gr\nfrom lib_regional.request.settings import Settings"),
]


@pytest.mark.parametrize(("part", "source"), RIGHT, ids=[part for part, _ in RIGHT])
def test_a_right_import_is_left_alone(part: str, source: str) -> None:
    assert list(wrong_imports(part, names_in(source, (PACKAGE, part)))) == []


# ---------------------------------------------------------------- import circles


def module_name(path: Path) -> str:
    """lib_regional/engine/plan.py -> lib_regional.engine.plan; a package's ``__init__.py`` is the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def module_of(name: str, known: Iterable[str]) -> str | None:
    """The known module that an imported dotted name lies in: itself, or the module whose attribute it is."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def imported_modules(module: str, names: Iterable[tuple[int, str]], known: Iterable[str]) -> set[str]:
    """Modules of the package that a module imports anywhere: at its top, under TYPE_CHECKING, and inside functions."""
    found = {module_of(name, known) for _, name in names}
    return {name for name in found if name is not None and name != module}


def import_graph() -> dict[str, set[str]]:
    known = {module_name(path): path for path in sources(PACKAGE)}
    return {name: imported_modules(name, facts(path).imports, known) for name, path in known.items()}


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The modules of one import circle, each imported by the one before it; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_modules_import_each_other() -> None:
    graph = import_graph()
    assert {f"{PACKAGE}.standalone.host", f"{PACKAGE}.standalone.binding", f"{PACKAGE}.request.settings"} <= set(graph)
    assert " -> ".join(circle(graph)) == ""


CIRCULAR = {
    "at the top": "from .b import thing",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import Thing",
    "in a function": "def late():\n    from . import b",
}


@pytest.mark.parametrize("source", CIRCULAR.values(), ids=CIRCULAR)
def test_an_import_circle_is_found(source: str) -> None:
    known = ["p.a", "p.b"]
    graph = {"p.a": imported_modules("p.a", names_in(source, ("p",)), known), "p.b": {"p.a"}}
    assert set(circle(graph)) == {"p.a", "p.b"}
    assert circle({**graph, "p.b": set()}) == []


# ---------------------------------------------------------------- house rules


def house_sources() -> list[Path]:
    return [*sources(PACKAGE, "scripts", "tests"), ROOT / "run.py", ROOT / "install.py"]


def functions(nodes: Iterable[ast.AST]) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_functions_are_short() -> None:
    long = [
        f"{where(path, line)}: {name} has {length} lines"
        for path in house_sources()
        for line, name, length in facts(path).functions
        if length > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_files_are_short() -> None:
    files = [*sources(PACKAGE, "scripts"), ROOT / "run.py", ROOT / "install.py"]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_folders_are_small() -> None:
    """Beside its ``__init__.py`` a folder has at most FOLDER_FILES source files."""
    files = (path for path in sources(PACKAGE, "scripts") if path.name != "__init__.py")
    counts = Counter(path.parent.relative_to(ROOT).as_posix() for path in files)
    assert {folder: count for folder, count in counts.items() if count > FOLDER_FILES and folder not in FLAT_FOLDERS} == {}


def test_no_bare_except_and_no_global() -> None:
    faults = [where(path, line) for path in house_sources() for line in facts(path).bare]
    assert not faults, "\n".join(faults)


@dataclass(frozen=True)
class Body:
    """What a function does, for `idle_tests`: whether it holds an ``assert``, and the names it calls."""

    asserts: bool
    calls: frozenset[str]

    @classmethod
    def of(cls, function: ast.AST) -> Body:
        nodes = list(ast.walk(function))
        calls = frozenset(called_name(node) for node in nodes if isinstance(node, ast.Call))
        return cls(any(isinstance(node, ast.Assert) for node in nodes), calls)

    def states(self, helpers: Iterable[str]) -> bool:
        """Whether it states something: an assert, pytest.raises and the like, or a call of a helper that does."""
        known = {"raises", "warns", "fail", "soon", *helpers}  # soon: of the browser tests, an assert that may take a moment to hold
        return self.asserts or any(name in known or name.startswith(("assert", "check", "expect")) for name in self.calls)


def idle_tests(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Tests that cannot fail, except by an accident. Helpers of the same file are followed."""
    bodies = [(function, Body.of(function)) for function in functions(ast.walk(tree))]
    helpers: set[str] = set()
    while more := {function.name for function, body in bodies if function.name not in helpers and body.states(helpers)}:
        helpers |= more
    return [function for function, _ in bodies if function.name.startswith("test") and function.name not in helpers]


def test_every_test_asserts() -> None:
    tests = (path for path in sources("tests") if path.name.startswith("test_"))
    idle = [f"{where(path, line)}: {name}" for path in tests for line, name in facts(path).idle]
    assert not idle, "\n".join(idle)


def test_an_idle_test_is_found() -> None:
    source = "def helper():\n    assert True\ndef test_good():\n    helper()\ndef test_idle():\n    print(1)\n"
    assert [function.name for function in idle_tests(ast.parse(source))] == ["test_idle"]


# ---------------------------------------------------------------- text files


REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("golang", "org"),
        ("ghcr", "io"),
        ("docker", "io"),
    ]
]


def text_files() -> Iterator[tuple[Path, str]]:
    for folder, names, files in os.walk(ROOT):
        names[:] = sorted(set(names) - UNTRACKED)
        for path in (Path(folder) / file for file in sorted(files)):
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_no_package_registry_is_named() -> None:
    found = [f"{path.relative_to(ROOT)}: {host}" for path, text in text_files() for host in REGISTRIES if host in text.lower()]
    assert not found, "\n".join(found)


def test_text_files_end_their_lines_in_one_way() -> None:
    assert [str(path.relative_to(ROOT)) for path, _ in text_files() if b"\r\n" in path.read_bytes()] == []
