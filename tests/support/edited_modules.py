"""A fresh Python in which modules of the package are loaded with a text of theirs replaced: a toy row or a toy field."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

EDITED = """
import importlib.abc, importlib.util, json, sys

class Edited(importlib.abc.SourceLoader):
    # Loads a module from its file with one text in it replaced.
    def __init__(self, path, old, new):
        self.path, self.old, self.new = path, old, new
    def get_filename(self, name):
        return self.path
    def get_data(self, path):
        text = open(self.path, encoding="utf-8").read()
        assert self.old in text, (self.path, self.old)
        return text.replace(self.old, self.new, 1).encode()
    def path_stats(self, path):
        raise OSError  # never from, and never into, the bytecode cache

class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name, path, old, new):
        self.name, self.loader = name, Edited(path, old, new)
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self.loader) if name == self.name else None

def edit(name, old, new):
    sys.meta_path.insert(0, Finder(name, name.replace(".", "/") + ".py", old, new))
"""


def run_edited(script: str) -> dict[str, object]:
    """Run ``script`` after the definition of ``edit(module, old, new)``; what it prints is JSON."""
    done = subprocess.run([sys.executable, "-c", EDITED + script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found
