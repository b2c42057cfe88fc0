"""What prompts can name on a host: LoRAs and embeddings, with their files and the pictures beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PICTURES = tuple(f"{middle}.{ending}" for middle in (".preview", "") for ending in ("png", "jpg", "jpeg", "webp", "avif", "gif"))
"""Ends of the names of pictures that WebUIs show for a file, after its name without ending."""


@dataclass(frozen=True)
class Networks:
    """Name in prompts -> file, for LoRAs and for embeddings (textual inversion); ``aliases`` are further names of LoRAs."""

    loras: Mapping[str, Path] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    embeddings: Mapping[str, Path] = field(default_factory=dict)

    def files(self, kind: str) -> Mapping[str, Path]:
        """The files of a ``kind``: "loras" or "embeddings"."""
        return {"loras": self.loras, "embeddings": self.embeddings}[kind]


def pictures_of(files: Mapping[str, Path]) -> dict[str, Path]:
    """Name -> picture beside its file, for those that have one. Every folder is listed once."""
    there = {folder: _names(folder) for folder in {path.parent for path in files.values()}}
    found = ((name, _picture(path, there[path.parent])) for name, path in files.items())
    return {name: picture for name, picture in found if picture is not None}


def _names(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError:
        return set()


def _picture(path: Path, there: Iterable[str]) -> Path | None:
    return next((path.with_name(path.stem + end) for end in PICTURES if path.stem + end in there), None)
