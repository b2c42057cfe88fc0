"""How the test command starts its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.checks import kept_bytecode


def test_compiled_modules_are_kept_where_python_would_write_none(tmp_path: Path) -> None:
    """In the virtual environment and not beside the sources; where they are written as ever, nothing changes."""
    kept = kept_bytecode({"PYTHONDONTWRITEBYTECODE": "1"})
    assert kept["PYTHONPYCACHEPREFIX"].startswith(sys.prefix)
    assert kept_bytecode({}) == kept_bytecode({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "elsewhere"}) == {}
    (tmp_path / "module.py").write_text("")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **kept, "PYTHONPYCACHEPREFIX": str(tmp_path / "kept")}
    subprocess.run([sys.executable, "-c", "import module"], cwd=tmp_path, env={**environment, "PYTHONPATH": str(tmp_path)}, check=True)
    assert list((tmp_path / "kept").rglob("module*.pyc")) and not (tmp_path / "__pycache__").exists()
