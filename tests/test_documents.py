"""The documents against the tree: names of files and functions that they give, links between them, and the words they do without."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
IDS = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
FUNCTION = re.compile(r"`((?:lib_regional|scripts|tests)/[\w/]+\.py):([\w.]+)`")
FILE = re.compile(r"`((?:lib_regional|scripts|tests|javascript)/[\w/.]+\.(?:py|js|ts))(?::[\w.]+)?`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PRIVATE = re.compile(r"\b(heard|hears|that is none|that are none|says of)\b", re.IGNORECASE)


def names_in(tree: ast.AST, outer: str = "") -> Iterator[str]:
    """Dotted names of the classes and functions of a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield outer + node.name
            yield from names_in(node, f"{outer}{node.name}.")


def anchors(text: str) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_functions_and_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [name for name in FILE.findall(text) if not (ROOT / name).is_file()]
    for name, function in FUNCTION.findall(text):
        if (ROOT / name).is_file() and function not in names_in(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            missing.append(f"{name}:{function}")
    assert not missing, missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_links_inside_lead_somewhere(document: Path) -> None:
    text, broken = document.read_text(encoding="utf-8"), []
    for link in LINK.findall(text):
        name, _, anchor = link.partition("#")
        if name.startswith("http"):
            continue
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert not broken, broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_words_are_the_fields(document: Path) -> None:
    assert PRIVATE.findall(document.read_text(encoding="utf-8")) == []


def test_the_architecture_names_functions() -> None:
    assert len(FUNCTION.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))) >= 20
