"""LoRA files of the host: listing, lookup by name, and safe reading."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...request.errors import shown
from ...request.fields import is_unicode
from ...tensors.lora.keys import NetworkError
from . import FOLDER

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = FOLDER / "loras"
"""The LoRAs that come with the small model."""

_PICKLES = (".pt", ".ckpt", ".pth", ".bin")


class LoraError(NetworkError):
    """A LoRA file that cannot be used; the message names it."""


@dataclass(frozen=True)
class LoraFile:
    """One file. ``name`` is its name in prompts: the file's name without the ending."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def alias(self) -> str:
        """The name that its training gave it."""
        return str(self.metadata.get("ss_output_name") or self.name)

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The texts in the file's head; empty for a file without a readable one. What is no text comes shortened."""
        try:
            with self.path.open("rb") as file:
                (size,) = struct.unpack("<Q", file.read(8))
                head = json.loads(file.read(size)) if size < 100 << 20 else {}
        except (OSError, ValueError, RecursionError, struct.error):
            return {}
        found = head.get("__metadata__", {}) if isinstance(head, dict) else {}
        return {_text(key): _text(value) for key, value in found.items()} if isinstance(found, dict) else {}

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the file's content after its head, as the WebUI counts it; its first 12 digits go into the infotext."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
            file.seek(min(size + 8, self.path.stat().st_size))
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def read(self) -> dict[str, Tensor]:
        """All tensors. Raises `LoraError` for a damaged file and for one that may run code when read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if self.path.suffix.lower() in _PICKLES:
            raise LoraError(f"{self.path.name} is a pickle file, which may run code when it is read: convert it to .safetensors.")
        try:
            weights: dict[str, Tensor] = load_file(self.path)
            return weights
        except (SafetensorError, OSError, ValueError) as error:
            raise LoraError(f"{self.path.name} is not a readable safetensors file ({error}).") from error


@dataclass
class LoraShelf:
    """LoRA files of some folders; of two files with one name, the first folder's is used."""

    folders: tuple[Path, ...] = (SHIPPED,)
    _known: dict[str, LoraFile] | None = field(default=None, repr=False)

    def refresh(self) -> None:
        """List the folders again."""
        self._known = None

    @property
    def files(self) -> dict[str, LoraFile]:
        """Files by name; pickles are listed so that a request for one gets its error."""
        if self._known is None:
            self._known = {}
            for file in _walk(self.folders):
                self._known.setdefault(file.name, file)
        return self._known

    def find(self, name: str) -> LoraFile | None:
        """A file by name or alias; the folders are listed again before None is returned."""
        for _ in range(2):
            found = self.files.get(name) or next((file for file in self.files.values() if file.alias == name), None)
            if found is not None and found.path.is_file():
                return found
            self.refresh()
        return None

    def get(self, name: str) -> LoraFile:
        """`find`, with an error that lists the available files."""
        found = self.find(name)
        if found is None:
            there = ", ".join(sorted(self.files)) or "none"
            raise LoraError(f'there is no LoRA "{name}" (there are: {there}).')
        return found


def _text(value: object) -> str:
    """A text that JSON and UTF-8 can hold."""
    return value if isinstance(value, str) and is_unicode(value) else shown(value)


def _walk(folders: Sequence[Path]) -> Iterator[LoraFile]:
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.suffix.lower() in (".safetensors", *_PICKLES):
                yield LoraFile(path)
