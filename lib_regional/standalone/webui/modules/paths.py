"""Folders."""

from pathlib import Path

from lib_regional.standalone.host import EXTENSION_ROOT

script_path = str(EXTENSION_ROOT)
data_path = str(EXTENSION_ROOT)
models_path = str(Path(EXTENSION_ROOT) / "models")
extensions_dir = str(Path(EXTENSION_ROOT).parent)
