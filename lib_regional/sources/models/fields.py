"""Kinds of values that the ways to find masks with models ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...request.errors import raise_any
from ...request.fields import FRACTION, Choice, Field, Flag, Number, Text, read_fields
from ...request.layout.procedural import Corners

MOST_PHRASES, MOST_CLICKS, MOST_SLICES = 32, 64, 32
_LONGEST_PHRASE = 200


@dataclass(frozen=True)
class Phrases(Text):
    """1 to `MOST_PHRASES` phrases, separated by commas; held as a tuple."""

    def fault(self, value: object) -> str | None:
        allowed = f"1 to {MOST_PHRASES} phrases separated by commas, each with at most {_LONGEST_PHRASE} characters"
        phrases = _phrases(value) if isinstance(value, str) else []
        if not 1 <= len(phrases) <= MOST_PHRASES or max(map(len, phrases)) > _LONGEST_PHRASE:
            return allowed
        return super().fault(value)

    def read(self, value: object) -> object:
        return tuple(_phrases(str(value)))


def _phrases(text: str) -> list[str]:
    """Phrases in order, each once."""
    return list(dict.fromkeys(part.strip(" .") for part in text.replace("\n", ",").split(",") if part.strip(" .")))


@dataclass(frozen=True)
class Clicks(Field):
    """Points [x, y] or [x, y, inside] of the unit square; inside 1 (the default) or 0; at least one of them inside."""

    def fault(self, value: object) -> str | None:
        allowed = f"at most {MOST_CLICKS} points [x, y] or [x, y, 0] (outside), from 0 to 1, at least one of them inside"
        if not isinstance(value, (list, tuple)) or len(value) > MOST_CLICKS or not all(map(_is_click, value)):
            return allowed
        return allowed if value and not any(len(click) == 2 or click[2] for click in value) else None

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return tuple((float(x), float(y), int(label[0]) if label else 1) for x, y, *label in value)

    def shape(self) -> dict[str, object]:
        return {
            "type": "array",
            "items": {"type": "array", "items": FRACTION.shape(), "minItems": 2, "maxItems": 3},
            "maxItems": MOST_CLICKS,
        }


def _is_click(value: object) -> bool:
    good = isinstance(value, (list, tuple)) and len(value) in (2, 3) and not any(map(FRACTION.fault, value))
    return good and (len(value) == 2 or value[2] in (0, 1))  # type: ignore[arg-type,index]


@dataclass(frozen=True)
class OptionalCorners(Corners):
    """A box, or null."""

    def fault(self, value: object) -> str | None:
        return None if value is None else super().fault(value)

    def read(self, value: object) -> object:
        return None if value is None else super().read(value)

    def shape(self) -> dict[str, object]:
        return {**super().shape(), "type": ["array", "null"]}


WORDS = Phrases("What to look for; commas separate regions.", longest=MOST_PHRASES * (_LONGEST_PHRASE + 2))
SOFTNESS = Number("Width of the soft border, as a share of the whole depth.", 0.05)
MODEL = Text("Name of the model; null takes the first that fits.", None, longest=400, optional=True)
SPACING = Choice("Slices of equal depth, or of equal area in the picture.", "depth", choices=("depth", "area"))

WAY_FIELDS: Mapping[str, Mapping[str, Field]] = {
    "words": {
        "words": WORDS,
        "threshold": Number("Values from here on are inside; null keeps the greys.", 0.4, optional=True),
        "model": MODEL,
    },
    "boxes": {
        "words": WORDS,
        "threshold": Number("Least score of a box.", 0.35),
        "separate": Flag("Every object found becomes a region of its own.", False),
        "outlines": Flag("Outlines by SAM in place of the boxes.", True),
        "model": MODEL,
        "sam": Text("Name of the SAM model; null takes the first.", None, longest=400, optional=True),
    },
    "click": {
        "clicks": Clicks("Points inside the object, and points outside of it.", ()),
        "box": OptionalCorners("A box around it.", None),
        "model": MODEL,
    },
    "depth": {
        "slices": Number("How many slices, from near to far.", 3, low=2, high=MOST_SLICES, whole=True),
        "softness": SOFTNESS,
        "spacing": SPACING,
        "model": MODEL,
    },
    "slice": {
        "near": Number("Where the slice begins; 0 is the nearest point of the picture.", 0.0),
        "far": Number("Where it ends; 1 is the farthest.", 0.5),
        "softness": SOFTNESS,
        "spacing": SPACING,
        "model": MODEL,
    },
}
"""Way -> its parameters."""


def read_parameters(fields: Mapping[str, Field], given: Mapping[str, object]) -> dict[str, object]:
    """All parameters of a way or a flow, as `fields` declares them, defaults filled in. Raises SettingsError with every problem."""
    values, problems = read_fields(given, fields)
    raise_any(problems)
    return {name: values[name] if name in values else field.read(field.default) for name, field in fields.items()}
