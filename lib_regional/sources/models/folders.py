"""Which models lie in the user's folders, as ``save_pretrained`` and downloads from Hugging Face lay them out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from .kinds import KINDS, class_fault, kind_of

MOST_FOLDERS = 500
"""Folders that are looked into below one root."""
_LARGEST_CONFIG = 1024 * 1024


@dataclass(frozen=True)
class FoundModel:
    """A folder with a config.json: its name below the root, its kind ("" for models of other kinds), and why it cannot be used ("").

    ``file``: the one file that the model is, whose ``config`` is known by other means.
    """

    name: str
    folder: Path
    kind: str
    model_type: str
    fault: str
    file: Path | None = None
    config: Mapping[str, Any] | None = None

    @property
    def files(self) -> list[Path]:
        """All that it is read from."""
        return [self.file] if self.file is not None else sorted(file for file in self.folder.iterdir() if file.is_file())

    @property
    def class_name(self) -> str:
        """The class of transformers that it is loaded with."""
        return KINDS[self.kind].classes[self.model_type]


def find_models(roots: Sequence[Path]) -> list[FoundModel]:
    """The models one or two folders below each of ``roots`` (``name`` or ``owner/name``), in order; of equal names the first."""
    found: dict[str, FoundModel] = {}
    for root in roots:
        for folder in islice(_folders(root), MOST_FOLDERS):
            if (folder / "config.json").is_file():
                model = _read(root, folder)
                found.setdefault(model.name, model)
    return list(found.values())


def _folders(root: Path) -> Iterator[Path]:
    for outer in _below(root):
        yield outer
        if not (outer / "config.json").is_file():
            yield from _below(outer)


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:  # no such folder, or one that may not be read
        return []


def _read(root: Path, folder: Path) -> FoundModel:
    name = folder.relative_to(root).as_posix()
    model_type, fault = _model_type(folder / "config.json")
    kind = kind_of(model_type) or ""
    if not fault and not kind:
        known = ", ".join(each for row in KINDS.values() for each in row.classes)
        fault = f'its config.json names the model type "{model_type}"; those that are used are {known}'
    if not fault and not any(folder.glob("*.safetensors")):
        fault = "it has no .safetensors file: other formats can run programs and are not read"
    return FoundModel(name, folder, kind, model_type, fault or class_fault(KINDS[kind].classes[model_type]))


def _model_type(file: Path) -> tuple[str, str]:
    """(the model type, "") of a config.json, or ("", what is wrong with it)."""
    try:
        if file.stat().st_size > _LARGEST_CONFIG:
            return "", "its config.json has more than 1 MB"
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return "", f"its config.json cannot be read ({type(error).__name__})"
    kind = config.get("model_type") if isinstance(config, dict) else None
    return (kind[:60], "") if isinstance(kind, str) else ("", "its config.json names no model type")
