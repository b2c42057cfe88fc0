"""The input and the result of an importer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import SettingsError, settings_error
from ..layout.regions import MAX_REGIONS
from ..methods.specs import METHODS
from ..prompt.splitting import open_bracket
from ..settings import Settings

MaskReader = Callable[[str, bool], Sequence[tuple[int, str]]]
"""Colour-coded picture (data URL or base64), whether the first colour takes the uncoloured pixels -> (number of the colour in Regional
Prompter's palette, mask as data URL) of each region."""

BLANK = "_"
"""The prompt of a region without text, as Regional Prompter writes it: an empty one would leave the place to the base."""

_MOST_LINES = 100
_REGION = re.compile(r"regions\[(\d+)\]")


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

    def given(self, name: str, default: str) -> str:
        """An option as text, where an empty one is not a missing one."""
        value = self.options.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: float) -> float:
        """An option as a finite number. Raises SettingsError."""
        value = self.options.get(name)
        return default if value is None or value == "" else finite(name, value)

    def flag(self, name: str) -> bool:
        """An option as yes or no; infotexts write "True" and "False"."""
        value = self.options.get(name)
        return value.strip().lower() == "true" if isinstance(value, str) else bool(value)


@dataclass(frozen=True)
class Imported:
    """Settings and the report on them: ``taken`` lists what was converted, ``lost`` what could not be kept.

    ``picture`` holds what the text says of the whole picture and the settings have no place for: width, height, steps, seed.
    """

    settings: Settings
    format: str
    taken: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    picture: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Report:
    """Collects the two lists while an importer works."""

    taken: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def result(self, settings: Mapping[str, Any], name: str) -> Imported:
        """The finished import. A region that is not valid is left out and reported.

        Raises SettingsError where no region is valid, or something else is not.
        """
        settings = {"enabled": True, **settings}
        return Imported(self._parsed(settings), name, _shortened(self.taken), _shortened(self.lost))

    def _parsed(self, settings: dict[str, Any]) -> Settings:
        try:
            return Settings.parse(settings)
        except SettingsError as error:
            found = [_REGION.match(problem.field) for problem in error.problems]
            bad = {int(match[1]) for match in found if match}
            regions = list(settings["regions"])
            if None in found or settings.get("grid") or len(bad) >= len(regions):
                raise
            self.lost += [f"{problem.message} The region is left out." for problem in error.problems]
            return Settings.parse({**settings, "regions": [region for at, region in enumerate(regions) if at not in bad]})

    @staticmethod
    def check_count(parts: Sequence[str]) -> None:
        """Raise SettingsError where a prompt has more parts than there may be regions."""
        if len(parts) > MAX_REGIONS:
            text = f"The prompt has {len(parts)} parts: there are at most {MAX_REGIONS} regions."
            raise settings_error("prompt", len(parts), f"at most {MAX_REGIONS} parts", text=text)

    def texts(self, parts: Sequence[str]) -> list[str]:
        """The regions' prompts: a blank one as `BLANK`; a bracket that is open at the end of one is reported."""
        self.check_count(parts)
        for number, text in enumerate(parts, 1):
            if not text.strip(" ,\n\t"):
                self.taken.append(f"Region {number} has no text: its prompt is {BLANK}, almost an empty one.")
            elif bracket := open_bracket(text):
                self.lost.append(f'A "{bracket}" is open across the parts of the prompt, in {quoted(text)}: it acts within one part only.')
        return [text if text.strip(" ,\n\t") else BLANK for text in parts]

    def method(self, name: str, asked: str) -> dict[str, str]:
        """The method ``name`` where this Regional has it; else the default, which is reported."""
        if name in METHODS:
            self.taken.append(f"{asked}: method {METHODS[name].label}.")
            return {"method": name}
        self.lost.append(f"{asked}: this Regional has no method for it, attention couple is used.")
        return {}


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - _MOST_LINES
    return (*lines[:_MOST_LINES], f"… and {rest} more lines.") if rest > 0 else tuple(lines)


def finite(name: str, value: object) -> float:
    """``value`` as a finite number. Raises SettingsError (field ``name``)."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # judged here
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise settings_error(name, value, "a number")
    return number


def quoted(text: str) -> str:
    """A short quotation for a report."""
    words = " ".join(text.split())
    return f'"{words}"' if len(words) <= 50 else f'"{words[:49]}…"'


def count(number: int, noun: str) -> str:
    """``1 region``, ``3 boxes``, ``2 entries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}{'es' if noun.endswith('x') else 's'}"
