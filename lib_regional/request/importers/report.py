"""The input and the result of an importer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..methods.specs import METHODS
from ..settings import Settings

MaskReader = Callable[[str], Sequence[tuple[int, str]]]
"""Colour-coded picture (data URL or base64) -> (number of the colour in Regional Prompter's palette, mask as data URL) of each region."""


@dataclass(frozen=True)
class Source:
    """A layout of another tool: its ``options`` by name, and the prompts and the picture that it belongs to.

    ``size`` is (width, height) in pixels, ``steps`` the number of sampling steps (0: not known), ``read_masks`` reads mask pictures
    (None: they cannot be read).
    """

    options: Mapping[str, Any]
    prompt: str = ""
    negative: str = ""
    size: tuple[int, int] = (512, 512)
    steps: int = 0
    read_masks: MaskReader | None = None

    def text(self, name: str, default: str = "") -> str:
        """An option as text."""
        value = self.options.get(name)
        return default if value is None or value == "" else str(value)

    def flag(self, name: str) -> bool:
        """An option as yes or no; infotexts write "True" and "False"."""
        value = self.options.get(name)
        return value.strip().lower() == "true" if isinstance(value, str) else bool(value)


@dataclass(frozen=True)
class Imported:
    """Settings and the report on them: ``taken`` lists what was converted, ``lost`` what could not be kept."""

    settings: Settings
    format: str
    taken: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass
class Report:
    """Collects the two lists while an importer works."""

    taken: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def result(self, settings: Mapping[str, Any], name: str) -> Imported:
        """The finished import. Raises SettingsError where the settings are not valid."""
        return Imported(Settings.parse({"enabled": True, **settings}), name, tuple(self.taken), tuple(self.lost))

    def method(self, name: str, asked: str) -> dict[str, str]:
        """The method ``name`` where this Regional has it; else the default, which is reported."""
        if name in METHODS:
            self.taken.append(f"{asked}: method {METHODS[name].label}.")
            return {"method": name}
        self.lost.append(f"{asked}: this Regional has no method for it, attention couple is used.")
        return {}


def quoted(text: str) -> str:
    """A short quotation for a report."""
    words = " ".join(text.split())
    return f'"{words}"' if len(words) <= 50 else f'"{words[:49]}…"'


def count(number: int, noun: str) -> str:
    """``1 region``, ``3 boxes``, ``2 entries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}{'es' if noun.endswith('x') else 's'}"
