"""Kinds of values: each declares in one place what it accepts, how it parses it, and its JSON schema."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .errors import Problem, raise_any

REQUIRED = object()
"""Default of a key that has none."""

_MISSING = object()
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")

MOST_UNKNOWN = 20
"""Unknown keys of one object that are named: finding what each is nearest to takes time."""


@dataclass(frozen=True)
class Field:
    """Base of the kinds. ``default`` is what a missing key means."""

    note: str
    default: object = REQUIRED

    def fault(self, value: object) -> str | None:
        """The allowed values, where ``value`` is not one of them; None for a valid value."""
        raise NotImplementedError

    def read(self, value: object) -> object:
        """A good value in the form in which the dataclasses hold it."""
        return value

    def shape(self) -> dict[str, object]:
        """The kind as JSON schema keywords."""
        raise NotImplementedError

    def schema(self) -> dict[str, object]:
        """The whole JSON schema of the key: kind, description, default."""
        default = {} if self.default is REQUIRED else {"default": to_plain(self.default)}
        return {**self.shape(), "description": self.note, **default}


@dataclass(frozen=True)
class Flag(Field):
    """true or false; 1 and "true" are not."""

    def fault(self, value: object) -> str | None:
        return None if isinstance(value, bool) else "true or false"

    def shape(self) -> dict[str, object]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Number(Field):
    """A finite number from ``low`` to ``high``; integers are fine, booleans are none; null where ``optional``."""

    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    optional: bool = False

    def fault(self, value: object) -> str | None:
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            number = "a whole number" if self.whole else "a number"
            return f"{number} from {to_plain(self.low)} to {to_plain(self.high)}{' or null' if self.optional else ''}"
        if value < self.low:
            return f"{to_plain(self.low)} or more"
        if value > self.high:
            return f"{to_plain(self.high)} or less"
        return "a whole number" if self.whole and value != int(value) else None

    def read(self, value: object) -> object:
        if value is None:
            return None
        assert isinstance(value, (int, float))
        return int(value) if self.whole else float(value)

    def shape(self) -> dict[str, object]:
        kind = "integer" if self.whole else "number"
        return {"type": [kind, "null"] if self.optional else kind, "minimum": to_plain(self.low), "maximum": to_plain(self.high)}


@dataclass(frozen=True)
class Text(Field):
    """A string that UTF-8 can hold, up to ``longest`` characters; null where ``optional``."""

    longest: int = 100_000
    optional: bool = False

    def fault(self, value: object) -> str | None:
        if value is None and self.optional:
            return None
        if not isinstance(value, str):
            return "a text or null" if self.optional else "a text"
        if len(value) > self.longest:
            return f"at most {self.longest} characters long"
        return None if is_unicode(value) else "a text without broken characters (lone surrogates)"

    def shape(self) -> dict[str, object]:
        return {"type": ["string", "null"] if self.optional else "string", "maxLength": self.longest}


@dataclass(frozen=True)
class Colour(Field):
    """``#rrggbb``, or null."""

    def fault(self, value: object) -> str | None:
        good = value is None or (isinstance(value, str) and _COLOUR.fullmatch(value))
        return None if good else "a colour #rrggbb or null"

    def shape(self) -> dict[str, object]:
        return {"type": ["string", "null"], "pattern": f"^{_COLOUR.pattern}$"}


@dataclass(frozen=True)
class Choice(Field):
    """One of some words."""

    choices: tuple[str, ...] = ()

    def fault(self, value: object) -> str | None:
        if isinstance(value, str) and value in self.choices:
            return None
        quoted = [f'"{choice}"' for choice in self.choices]
        return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"

    def shape(self) -> dict[str, object]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True)
class Span(Field):
    """Two fractions, from below to."""

    def fault(self, value: object) -> str | None:
        allowed = "two numbers from 0 to 1, the first below the second"
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            return allowed
        return allowed if any(map(FRACTION.fault, value)) or not value[0] < value[1] else None

    def read(self, value: object) -> object:
        assert isinstance(value, (list, tuple))
        return float(value[0]), float(value[1])

    def shape(self) -> dict[str, object]:
        return {"type": "array", "items": FRACTION.shape(), "minItems": 2, "maxItems": 2}


FRACTION = Number("a fraction")


@dataclass(frozen=True)
class Declaration:
    """The declaration of a dataclass field in a request: what it accepts, its ``label``, and the name of its X/Y/Z axis ("" for none)."""

    kind: Field
    label: str
    axis: str = ""


def declared(kind: Field, label: str, axis: str = "") -> Any:
    """A dataclass field with the kind's default that carries its `Declaration`."""
    return dataclasses.field(default=kind.default, metadata={"declaration": Declaration(kind, label, axis)})


def declaration_table(owner: type) -> dict[str, Declaration]:
    """Name -> declaration of the `declared` fields of a dataclass, in order."""
    return {part.name: part.metadata["declaration"] for part in dataclasses.fields(owner) if "declaration" in part.metadata}


def declarations(owner: type) -> dict[str, Field]:
    """Name -> kind of the `declared` fields of a dataclass, in order."""
    return {name: row.kind for name, row in declaration_table(owner).items()}


class Given(Mapping[str, Any]):
    """An immutable mapping that can be hashed."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)


def is_unicode(text: str) -> bool:
    """Whether ``text`` can be written as UTF-8."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def to_plain(value: object) -> object:
    """Tuples as lists and whole floats as integers, so that JSON is short and independent of its writer."""
    if isinstance(value, (tuple, list)):
        return [to_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: to_plain(part) for key, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def settle(owner: object, fields: Mapping[str, Field]) -> list[Problem]:
    """Check the attributes of a frozen dataclass named in ``fields`` and put them into their held form; returns the problems."""
    problems = []
    for name, field in fields.items():
        value = getattr(owner, name)
        allowed = field.fault(value)
        if allowed is None:
            object.__setattr__(owner, name, field.read(value))
        else:
            problems.append(Problem(name, value, allowed))
    return problems


def settled(owner: object, fields: Mapping[str, Field]) -> None:
    """As :func:`settle`, raising SettingsError where there are problems."""
    raise_any(settle(owner, fields))


def read_fields(
    data: Mapping[str, object], fields: Mapping[str, Field], others: Collection[str] = ()
) -> tuple[dict[str, Any], list[Problem]]:
    """Values of the given keys in their held form, and the problems: wrong values, missing keys, the first `MOST_UNKNOWN` unknown keys."""
    values: dict[str, Any] = {}
    unknown = islice((key for key in data if key not in fields and key not in others), MOST_UNKNOWN)
    problems = [unknown_key(key, data[key], [*fields, *others]) for key in unknown]
    for name, field in fields.items():
        value = data.get(name, _MISSING)
        if value is _MISSING:
            if field.default is REQUIRED:
                problems.append(Problem(name, None, "given", text=f"{name} is missing: it has no default."))
            continue
        allowed = field.fault(value)
        if allowed is None:
            values[name] = field.read(value)
        else:
            problems.append(Problem(name, value, allowed))
    return values, problems


def unknown_key(key: object, value: object, known: Collection[str]) -> Problem:
    """The problem of an unknown key, with the nearest known one."""
    near = difflib.get_close_matches(str(key), known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known) or 'none'}."
    return Problem(str(key), value, f"one of {', '.join(known)}" if known else "left out", text=f'"{key}" is not a known key; {hint}')


def not_an_object(field: str, value: object, what: str) -> Problem:
    """The problem of a value that should have been a JSON object."""
    return Problem(field, value, f"an object ({what})")
