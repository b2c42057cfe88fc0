"""The checks of the JavaScript: its tests, and with the development tools of ``package.json`` ESLint, Prettier, types and the bundle.

The tools are installed once into ``node_modules`` (``npm ci``); a stamp there names the lock file that they came from. Without Node.js, npm
or a registry the checks are left out, which one line reports.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lib_regional.standalone.environment import ROOT, say

LEAST_NODE = (20, 9)
INSTALL_SECONDS = 300
TOOLS = {
    "eslint": ["node_modules/eslint/bin/eslint.js", "."],
    "prettier": ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level", "warn", "."],
    "tsc": ["node_modules/typescript/bin/tsc", "--project", "javascript"],
    "bundle": ["javascript/tools/bundle.js", "--check"],
}
"""Check -> arguments for Node.js."""


def javascript_checks(root: Path = ROOT) -> Iterator[tuple[str, list[str]]]:
    """(name, command) of every check that can run here. Installs the tools where they are missing."""
    node = shutil.which("node")
    version = node_version(node) if node else (0, 0)
    if not node or version < LEAST_NODE:
        least = ".".join(map(str, LEAST_NODE))
        say(f"SKIPPED: the JavaScript checks need Node.js {least} or newer, and {'it is older' if node else 'none is on PATH'}.")
        return
    yield "node", [node, "--test", "--test-reporter=tap", *javascript_tests(root)]
    missing = install_tools(root)
    if missing:
        say(f"SKIPPED: {', '.join(TOOLS)}: {missing}.")
        return
    for name, arguments in TOOLS.items():
        yield name, [node, *arguments]


def javascript_tests(root: Path = ROOT) -> list[str]:
    """Paths of the test files."""
    return sorted(path.relative_to(root).as_posix() for path in (root / "tests" / "js").rglob("*.test.js"))


def install_tools(root: Path = ROOT) -> str:
    """Install the tools unless the stamp says that they are there. "" when they are, else why they are not."""
    stamp = root / "node_modules" / "regional-stamp.txt"
    wanted = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return ""
    if (root / "node_modules").is_symlink():  # npm would empty the folder behind it, which is another checkout's
        return f"node_modules is a link to {(root / 'node_modules').resolve()}, whose tools are not those of this package-lock.json"
    npm = shutil.which("npm")
    if not npm:
        return "npm is not on PATH"
    say("Installing the JavaScript tools (npm ci)")
    try:
        done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=root, capture_output=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"npm ci did not end ({type(error).__name__})"
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"npm ci failed: {message[0] if message else f'code {done.returncode}'}"
    stamp.write_text(wanted, encoding="utf-8")
    return ""


def node_version(node: str) -> tuple[int, int]:
    """Its (major, minor) version; (0, 0) where it does not start."""
    try:
        text = subprocess.run([node, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
        major, minor = text.strip().lstrip("v").split(".")[:2]
        return int(major), int(minor)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0, 0
