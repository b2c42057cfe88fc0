"""javascript/: one bundle that is what its sources give, modules that import one way, and checks that are left out with a reason."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import javascript

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "javascript"
SOURCES = FOLDER / "src"
FOLDER_FILES = 12
MODULE_LINES = 300
MAY = {
    "model": "model",
    "host": "host model",
    "widgets": "widgets host model",
    "stage": "stage widgets host model",
    "drawers": "drawers stage widgets host model",
    "panel": "panel drawers stage widgets host model",
    "main.js": "main.js panel drawers stage widgets host model",
}
"""Folder of javascript/src -> the folders from which its modules may import."""
NODE = shutil.which("node")


# ---------------------------------------------------------------- the bundle


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")  # in text mode, so that line ends are those of the repository


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def modules(sources: Path = SOURCES) -> list[str]:
    return sorted(path.relative_to(sources).as_posix() for path in sources.rglob("*.js"))


def sources_sum(sources: Path) -> str:
    return sha256("".join(f"{name}\0{text_of(sources / name)}\0" for name in modules(sources)))


def faults_of(bundle: Path, sources: Path) -> list[str]:
    """What is wrong with a bundle, by the sums in its header."""
    header = re.match(r"// Generated [^\n]*\n// sources (\w{64})\n// script (\w{64})\n", text_of(bundle))
    if header is None:
        return ["it has no header"]
    faults = [] if header[1] == sources_sum(sources) else ["it is stale"]
    return faults if header[2] == sha256(text_of(bundle)[header.end() :]) else [*faults, "it was edited by hand"]


def test_the_bundle_is_fresh() -> None:
    assert not faults_of(FOLDER / "regional.js", SOURCES), "run `npm run build` and commit javascript/regional.js"


def test_a_changed_source_or_bundle_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "src", tmp_path / "src")
    bundle = tmp_path / "regional.js"
    bundle.write_text(text_of(FOLDER / "regional.js"), encoding="utf-8")
    assert faults_of(bundle, tmp_path / "src") == []
    (tmp_path / "src" / "new.js").write_text("")
    assert faults_of(bundle, tmp_path / "src") == ["it is stale"]
    bundle.write_text(text_of(bundle) + " ", encoding="utf-8")
    assert faults_of(bundle, tmp_path / "src") == ["it is stale", "it was edited by hand"]
    bundle.write_text("(() => {})();", encoding="utf-8")
    assert faults_of(bundle, tmp_path / "src") == ["it has no header"]


@pytest.mark.skipif(NODE is None or not (ROOT / "node_modules" / "esbuild").is_dir(), reason="esbuild is not installed (npm ci)")
def test_the_bundle_is_what_esbuild_makes() -> None:
    command = [str(NODE), "javascript/tools/bundle.js", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_webuis_load_the_bundle_only() -> None:
    """They load every *.js and *.mjs of the folder javascript/, but none of the folders in it."""
    assert [path.name for path in FOLDER.iterdir() if path.suffix in {".js", ".mjs"}] == ["regional.js"]


# ---------------------------------------------------------------- the modules


def imports_of(name: str, source: str) -> Iterator[str]:
    """Modules that a module imports, as paths below javascript/src. Types in comments do not count."""
    code = re.sub(r"/\*.*?\*/|^//[^\n]*", "", source, flags=re.S | re.M)
    for target in re.findall(r'^(?:import|export|\}) ?[^;]*?from "([^"]+)";', code, flags=re.M):
        yield (SOURCES / name).parent.joinpath(target).resolve().relative_to(SOURCES.resolve()).as_posix()


def wrong_imports(name: str, source: str) -> list[str]:
    allowed = MAY[name.split("/")[0]].split()
    return [f"{name} imports {target}" for target in imports_of(name, source) if target.split("/")[0] not in allowed]


def test_modules_import_one_way() -> None:
    faults = [fault for name in modules() for fault in wrong_imports(name, text_of(SOURCES / name))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("model/state.js", 'import {el} from "../widgets/elements.js";'),
        ("stage/stage.js", '/** Text. */\nimport {\n    Panel,\n} from "../panel/panel.js";'),
        ("widgets/fields.js", 'export * from "../stage/stage.js";'),
    ],
    ids=["one line", "several lines", "export"],
)
def test_a_wrong_import_is_found(name: str, source: str) -> None:
    assert len(wrong_imports(name, source)) == 1


def test_types_in_comments_are_no_imports() -> None:
    assert list(imports_of("stage/stage.js", '/** @import {Panel} from "../panel/panel.js" */\n')) == []


def test_no_module_imports_itself_through_others() -> None:
    left = {name: set(imports_of(name, text_of(SOURCES / name))) for name in modules()}
    assert sum(map(len, left.values())) > len(left), "imports are found at all"
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"import circles among {sorted(left)}"


def test_folders_and_modules_are_small() -> None:
    folders = Counter(path.parent.name for path in SOURCES.rglob("*") if path.is_file())
    assert {folder: count for folder, count in folders.items() if count > FOLDER_FILES} == {}
    lengths = {name: len(text_of(SOURCES / name).splitlines()) for name in modules()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


# ---------------------------------------------------------------- the checks of run.py


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a lock file and one test, on a machine with a new Node.js and npm."""
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "tests" / "js").mkdir(parents=True)
    (tmp_path / "tests" / "js" / "a.test.js").write_text("")
    monkeypatch.setattr(javascript.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(javascript, "node_version", lambda node: (22, 0))
    return tmp_path


def fake_npm(monkeypatch: pytest.MonkeyPatch, code: int = 0, error: bytes = b"") -> list[list[str]]:
    """The commands that are run, each of which ends with ``code`` and leaves a folder node_modules."""
    seen: list[list[str]] = []

    def run(command: list[str], cwd: Path, **_more: object) -> subprocess.CompletedProcess[bytes]:
        seen.append(command)
        (cwd / "node_modules").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, code, b"", error)

    monkeypatch.setattr(javascript.subprocess, "run", run)
    return seen


def test_tools_are_installed_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = fake_npm(monkeypatch)
    names = [name for name, _ in javascript.javascript_checks(project)]
    assert names == ["node", "eslint", "prettier", "tsc", "bundle"]
    assert dict(javascript.javascript_checks(project))["node"][-1] == "tests/js/a.test.js"
    assert seen == [["/bin/npm", "ci", "--ignore-scripts"]]
    (project / "package-lock.json").write_text("{ }")
    assert javascript.install_tools(project) == ""
    assert len(seen) == 2, "another lock file is installed anew"


def test_the_tools_of_another_checkout_are_left_alone(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = fake_npm(monkeypatch)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "eslint").write_text("x")
    (project / "node_modules").symlink_to(tmp_path / "other")
    assert "is a link to" in javascript.install_tools(project) and seen == []
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["eslint"]


def test_without_a_registry_the_tools_are_skipped(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_npm(monkeypatch, 1, b"npm error ENOTFOUND\nmore")
    assert [name for name, _ in javascript.javascript_checks(project)] == ["node"]
    assert "SKIPPED: eslint, prettier, tsc, bundle: npm ci failed: npm error ENOTFOUND." in capsys.readouterr().out


@pytest.mark.parametrize(("version", "reason"), [(None, "none is on PATH"), ((20, 8), "it is older")], ids=["none", "old"])
def test_without_a_new_node_all_is_skipped(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: tuple[int, int] | None,
    reason: str,
) -> None:
    monkeypatch.setattr(javascript.shutil, "which", lambda name: None if version is None else name)
    monkeypatch.setattr(javascript, "node_version", lambda node: version)
    assert list(javascript.javascript_checks(project)) == []
    assert f"SKIPPED: the JavaScript checks need Node.js 20.9 or newer, and {reason}." in capsys.readouterr().out


@pytest.mark.skipif(NODE is None, reason="node is not on PATH")
def test_the_version_of_node_is_read() -> None:
    assert javascript.node_version(str(NODE)) > (0, 0)
    assert javascript.node_version("/nowhere/node") == (0, 0)
