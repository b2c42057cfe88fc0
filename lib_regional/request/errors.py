"""Errors with the field, the value and what is allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

_SHOWN = 60
_KEPT = 200


def shown(value: object) -> str:
    """A value as JSON on one line, cut to about 60 characters; what JSON cannot write appears as Python writes it."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        text = f"{type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _plain(value: object) -> object:
    """``value`` where strict JSON can hold it shortly, else its shown text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else shown(value)
    if isinstance(value, int):
        return value if abs(value) < 2**53 else shown(value)
    if isinstance(value, str) and len(value) <= _KEPT and value.isprintable():
        return value
    return shown(value)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    ``field`` is a JSON path (``regions[2].weight``), ``value`` what stood there, ``allowed`` what may stand there (it completes
    "must be …"), ``where`` the place in the user's terms (``Region 3 ("red hat")``). ``text`` replaces the built sentence.
    """

    field: str
    value: object
    allowed: str
    where: str = ""
    text: str = ""

    @property
    def message(self) -> str:
        """One sentence for people."""
        name = self.field.rpartition(".")[2] if self.where else self.field
        body = self.text or f"{name} must be {self.allowed}, got {shown(self.value)}."
        return f"{self.where}: {body}" if self.where else body

    def at(self, prefix: str, where: str = "") -> Problem:
        """The same problem, seen from outside: ``weight`` at ``regions[2]`` becomes ``regions[2].weight``."""
        if not prefix:
            return replace(self, where=where or self.where)
        return replace(self, field=f"{prefix}.{self.field}" if self.field else prefix, where=where or self.where)

    def to_dict(self) -> dict[str, object]:
        """Strict JSON: field, value, allowed, message."""
        return {"field": self.field, "value": _plain(self.value), "allowed": self.allowed, "message": self.message}


class RegionalError(Exception):
    """Something the user can mend; ``str()`` is the text to show.

    ``status_code``, ``detail`` and ``body`` are what a WebUI's API puts into its answer to a request that raised.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.status_code = 422
        self.detail = text
        self.body: list[dict[str, object]] = []

    def to_dict(self) -> dict[str, object]:
        """The body of an API answer."""
        return {"error": type(self).__name__, "detail": str(self), "problems": []}


class SettingsError(RegionalError, ValueError):
    """Settings that cannot be used, with every problem found in them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(problem.message for problem in self.problems))
        self.body = [problem.to_dict() for problem in self.problems]

    def __reduce__(self) -> tuple[type[SettingsError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)

    def at(self, prefix: str, where: str = "") -> SettingsError:
        """The same problems below ``prefix``."""
        return type(self)(problem.at(prefix, where) for problem in self.problems)

    def to_dict(self) -> dict[str, object]:
        """The body of an API answer: error, detail, problems."""
        return {"error": "SettingsError", "detail": str(self), "problems": self.body}


def settings_error(field: str, value: object, allowed: str, *, where: str = "", text: str = "") -> SettingsError:
    """A SettingsError of one problem."""
    return SettingsError((Problem(field, value, allowed, where, text),))


def raise_any(problems: Iterable[Problem]) -> None:
    """Raise one SettingsError with all problems, if there are any."""
    found = tuple(problems)
    if found:
        raise SettingsError(found)
