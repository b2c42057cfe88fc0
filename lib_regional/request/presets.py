"""Settings kept under a name: one JSON file per preset in one folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from . import files
from .errors import RegionalError, SettingsError, shown
from .settings import Settings

LONGEST = 80
_MOST_BYTES = 240
_SUFFIX = ".json"
_EXTRA = " -_."
_OLDER_TEMPORARY = r"\.[0-9a-f]{16}\.tmp"
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.I)


class PresetError(RegionalError):
    """A preset that cannot be read or written."""


class PresetNameError(PresetError):
    """A name that cannot be a file's name everywhere."""


class PresetMissingError(PresetError):
    """No preset of this name."""


class PresetExistsError(PresetError):
    """There is a preset of this name already."""


def check_name(name: object) -> str:
    """A preset's name in the form in which it is kept: letters and digits of any script, space, "-", "_", ".", at most 80 characters.

    Raises PresetNameError for anything else: separators, a dot or blank at an end, names that Windows reserves.
    """
    if not isinstance(name, str):
        raise PresetNameError(f"A preset's name must be a text, got {shown(name)}.")
    text = unicodedata.normalize("NFC", name)
    fault = _name_fault(text)
    if fault:
        raise PresetNameError(f"A preset cannot be named {shown(name)}: {fault}.")
    return text


def _name_fault(text: str) -> str:
    wrong = sorted({character for character in text if not _is_allowed(character)})
    if not text.strip():
        return "the name is empty"
    if wrong:
        return f"use letters, digits, space, - _ and . only, not {' '.join(shown(character) for character in wrong[:5])}"
    if text[0] in " ." or text[-1] in " .":
        return "it must not begin or end with a space or a dot"
    if len(text) > LONGEST or len(text.encode("utf-8")) > _MOST_BYTES:
        return f"it is too long ({len(text)} characters, at most {LONGEST}; {len(text.encode('utf-8'))} bytes, at most {_MOST_BYTES})"
    return "Windows reserves that name" if _RESERVED.fullmatch(text) else ""


def _is_allowed(character: str) -> bool:
    """Letters (L), the marks that belong to them (M), decimal digits (Nd), and a few signs."""
    category = unicodedata.category(character)
    return character in _EXTRA or category[0] in "LM" or category == "Nd"


class PresetStore:
    """Presets in ``folder``, which is made when the first one is saved. Every error is a PresetError."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @classmethod
    def opened(cls, folder: str | os.PathLike[str]) -> PresetStore:
        """The store, after the removal of what processes that were killed while saving have left in its folder."""
        store = cls(folder)
        files.remove_leftovers(store.folder, older=_OLDER_TEMPORARY)
        return store

    def names(self) -> tuple[str, ...]:
        """Names of all presets, sorted without regard to case; other files are left out."""
        try:
            files = [path for path in self.folder.iterdir() if path.suffix == _SUFFIX and path.is_file()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise PresetError(f"The folder of the presets cannot be read: {_reason(error)}.") from error
        names = (unicodedata.normalize("NFC", path.stem) for path in files)
        return tuple(sorted((name for name in names if not _name_fault(name)), key=lambda name: (name.casefold(), name)))

    def load(self, name: str) -> Settings:
        """Settings of a preset. Raises PresetMissingError, or PresetError where the file is damaged."""
        path = self._existing(name)
        try:
            text = path.read_text(encoding="utf-8-sig")
            if text.strip() in ("", "null"):
                raise PresetError(f"Preset {shown(name)} cannot be read: its file is empty.")
            return Settings.parse(text)
        except (OSError, UnicodeDecodeError, SettingsError) as error:
            raise PresetError(f"Preset {shown(name)} cannot be read: {_reason(error)}") from error

    def save(self, name: str, settings: Settings, overwrite: bool = True) -> None:
        """Write a preset in one move: readers see the old one or the new one. Raises PresetExistsError unless ``overwrite``."""
        path = self._path(name)
        if not overwrite and path.exists():
            raise PresetExistsError(f"There is a preset {shown(name)} already.")
        text = json.dumps(Settings.parse(settings).to_json(), ensure_ascii=False, indent=1)
        with _naming(f"Preset {shown(name)} cannot be saved"):
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write_bytes(path, (text + "\n").encode("utf-8"), sync=True)

    def delete(self, name: str) -> None:
        """Remove a preset. Raises PresetMissingError."""
        path = self._existing(name)
        with _naming(f"Preset {shown(name)} cannot be deleted"):
            path.unlink()

    def rename(self, old: str, new: str) -> None:
        """Give a preset another name. Raises PresetMissingError, PresetExistsError."""
        source, target = self._existing(old), self._path(new)
        with _naming(f"Preset {shown(old)} cannot be renamed"):
            if target.exists() and not target.samefile(source):
                raise PresetExistsError(f"There is a preset {shown(new)} already.")
            source.replace(target)

    def _path(self, name: object) -> Path:
        return self.folder / (check_name(name) + _SUFFIX)

    def _existing(self, name: object) -> Path:
        path = self._path(name)
        if not path.is_file():
            known = ", ".join(self.names()[:20]) or "none"
            raise PresetMissingError(f"There is no preset {shown(name)}; there are: {known}.")
        return path


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    """Raise a PresetError that begins with ``what`` for errors of the file system."""
    try:
        yield
    except OSError as error:
        raise PresetError(f"{what}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """The reason without the file's path, which an API must not reveal."""
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
