"""Procedural masks: gradients, noise, stripes, checks and text as a few numbers instead of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import Problem, SettingsError, raise_any
from ..fields import FRACTION, Choice, Field, Number, Text, not_an_object, read_fields, to_plain
from .boxes import WHOLE, Box

MAX_STOPS = 32
GLYPHS = (
    (0x20, 0x7E), (0xA0, 0x17F), (0x384, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x3FF), (0x400, 0x45F), (0x2010, 0x2027),
    (0x20AC, 0x20AC),
)  # fmt: skip
"""Code points of the letters that a mask's text may have: Latin, Greek, Cyrillic, dashes and quotation marks. Space is one of them."""


@dataclass(frozen=True)
class Point(Field):
    """A point (x, y) of the unit square."""

    def fault(self, value: object) -> str | None:
        good = isinstance(value, (list, tuple)) and len(value) == 2 and not any(map(FRACTION.fault, value))
        return None if good else "two numbers from 0 to 1: x and y"

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return float(value[0]), float(value[1])

    def shape(self) -> dict[str, object]:
        return {"type": "array", "items": FRACTION.shape(), "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Stops(Field):
    """2 to 32 pairs [position, value], positions not descending; between them the value is linear, beyond them constant."""

    def fault(self, value: object) -> str | None:
        allowed = f"2 to {MAX_STOPS} pairs [position, value] of numbers from 0 to 1, in order of their positions"
        if not isinstance(value, (list, tuple)) or not 2 <= len(value) <= MAX_STOPS or any(map(Point("").fault, value)):
            return allowed
        positions = [pair[0] for pair in value]
        return None if positions == sorted(positions) else allowed

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return tuple((float(position), float(level)) for position, level in value)

    def shape(self) -> dict[str, object]:
        return {"type": "array", "items": Point("").shape(), "minItems": 2, "maxItems": MAX_STOPS}


@dataclass(frozen=True)
class Corners(Field):
    """x0, y0, x1, y1 of a box."""

    def fault(self, value: object) -> str | None:
        good = isinstance(value, (list, tuple)) and len(value) == 4 and not any(map(FRACTION.fault, value))
        inside = good and value[0] < value[2] and value[1] < value[3]  # type: ignore[index]
        return None if inside else "x0, y0, x1, y1 from 0 to 1 with x0 < x1 and y0 < y1"

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return tuple(map(float, value))

    def shape(self) -> dict[str, object]:
        return {"type": "array", "items": FRACTION.shape(), "minItems": 4, "maxItems": 4}


@dataclass(frozen=True)
class Letters(Text):
    """A text of letters that the font has, with at least one that is seen; line breaks are kept."""

    def fault(self, value: object) -> str | None:
        allowed = super().fault(value)
        if allowed or not isinstance(value, str):
            return allowed
        foreign = sorted({letter for letter in value if letter != "\n" and not has_glyph(letter)})
        if foreign:
            return f"of Latin, Greek or Cyrillic letters, without {' '.join(foreign[:8])}"
        return None if value.strip() else "a text with a letter in it"


def has_glyph(letter: str) -> bool:
    """Whether the font of text masks has a glyph for a letter."""
    return any(first <= ord(letter) <= last for first, last in GLYPHS)


_STOPS = Stops("Values along the way from the first point to the second: pairs [position, value].", ((0.0, 0.0), (1.0, 1.0)))
_GRADIENT: Mapping[str, Field] = {
    "from": Point("Where the gradient begins.", (0.0, 0.5)),
    "to": Point("Where it ends.", (1.0, 0.5)),
    "stops": _STOPS,
}
_AROUND: Mapping[str, Field] = {
    "from": Point("The centre.", (0.5, 0.5)),
    "to": Point("A point at the end: the radius, or the direction in which the angle is 0.", (1.0, 0.5)),
    "stops": _STOPS,
}
_NOISE: Mapping[str, Field] = {
    "seed": Number("Another seed is another noise.", 0, high=2**32 - 1, whole=True),
    "cells": Number("Cells of the noise along the picture's shorter side.", 4.0, low=1.0, high=256.0),
    "octaves": Number("Layers of noise, each half as strong and twice as fine as the one before.", 1, low=1, high=8, whole=True),
    "threshold": Number("Values from here on are inside; null keeps the greys.", None, optional=True),
    "softness": Number("Width of the ramp around the threshold.", 0.0),
}
_PATTERN: Mapping[str, Field] = {
    "count": Number("Periods along the picture's shorter side.", 4.0, low=0.5, high=256.0),
    "angle": Number("Degrees by which the pattern is turned clockwise.", 0.0, low=-360.0, high=360.0),
    "phase": Number("Share of a period by which it is moved.", 0.0),
}
KINDS: Mapping[str, Mapping[str, Field]] = {
    "linear": _GRADIENT,
    "radial": _AROUND,
    "angular": _AROUND,
    "value_noise": _NOISE,
    "perlin_noise": _NOISE,
    "stripes": {**_PATTERN, "share": Number("Share of a period that is inside.", 0.5)},
    "checks": _PATTERN,
    "text": {
        "text": Letters("The text, as large as its box allows; lines are centred.", longest=200),
        "box": Corners("Where it stands.", (0.0, 0.0, 1.0, 1.0)),
    },
}
"""Kind of a procedural mask -> its parameters."""
_KIND = {"kind": Choice("What the mask is made of.", choices=tuple(KINDS))}


@dataclass(frozen=True)
class Procedural:
    """A mask that is computed: its kind, and its parameters as (name, value) in the order of `KINDS`."""

    kind: str
    parameters: tuple[tuple[str, Any], ...]
    KIND: ClassVar[str] = "procedural"

    @classmethod
    def from_json(cls, value: object) -> Procedural:
        """``{"kind": "linear", "from": [0, 0.5], …}`` -> shape. Raises SettingsError whose fields begin with ``procedural``."""
        raise_any([not_an_object(cls.KIND, value, "a kind and its parameters")] if not isinstance(value, Mapping) else [])
        assert isinstance(value, Mapping)
        fault = _KIND["kind"].fault(value.get("kind"))
        raise_any([Problem(f"{cls.KIND}.kind", value.get("kind"), fault)] if fault else [])
        fields = KINDS[value["kind"]]
        values, problems = read_fields({name: part for name, part in value.items() if name != "kind"}, fields)
        raise_any(problem.at(cls.KIND) for problem in problems)
        held = tuple((name, values.get(name, kind.default)) for name, kind in fields.items())
        return cls(value["kind"], held)

    def __post_init__(self) -> None:
        if "from" in dict(self.parameters) and self["from"] == self["to"]:
            allowed = f"another point than from ({', '.join(map(str, self['from']))})"
            raise SettingsError((Problem(f"{self.KIND}.to", list(self["to"]), allowed),))

    def __getitem__(self, name: str) -> Any:
        """The value of a parameter."""
        return dict(self.parameters)[name]

    @property
    def bounds(self) -> Box:
        """The smallest known box around the mask: a text's own, else the whole picture."""
        return Box(*self["box"]) if self.kind == "text" else WHOLE

    def to_json(self) -> dict[str, Any]:
        """``{"procedural": {"kind": …}}`` with the parameters that differ from their defaults."""
        fields = KINDS[self.kind]
        changed = {name: to_plain(value) for name, value in self.parameters if value != fields[name].default}
        return {self.KIND: {"kind": self.kind, **changed}}


def procedural_schema() -> dict[str, object]:
    """JSON schema of the key."""
    kinds = [
        {
            "type": "object",
            "properties": {"kind": {"const": kind}, **{name: field.schema() for name, field in fields.items()}},
            "required": ["kind", *(["text"] if kind == "text" else [])],
            "additionalProperties": False,
        }
        for kind, fields in KINDS.items()
    ]
    return {"oneOf": kinds, "description": f"A mask that is computed: {', '.join(KINDS)}."}
