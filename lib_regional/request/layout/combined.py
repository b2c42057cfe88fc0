"""Operations on shapes: one mask out of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import Problem, SettingsError, raise_any
from ..fields import Choice, Number, not_an_object, read_fields
from .boxes import WHOLE, Box, hull

MAX_DEPTH = 8
MAX_SHAPES = 64
SEVERAL = ("union", "intersection", "difference")
"""Operations on two shapes and more."""
ONE = ("invert", "mirror", "grow", "shrink", "blur", "threshold")
"""Operations on one shape."""
_AMOUNTS = {
    "grow": Number("How far the edge moves outwards, as a share of the shorter side.", high=0.25),
    "shrink": Number("How far the edge moves inwards, as a share of the shorter side.", high=0.25),
    "blur": Number("Standard deviation of the Gaussian, as a share of the shorter side.", high=0.25),
    "threshold": Number("Values from here on are inside."),
}
_AXIS = Choice("The direction in which sides change places: x left and right, y top and bottom.", "x", choices=("x", "y"))
_OP = Choice("The operation.", choices=(*SEVERAL, *ONE))


@dataclass(frozen=True)
class Combined:
    """``op`` on the shapes ``of``; ``amount`` of grow, shrink, blur and threshold, ``axis`` of mirror."""

    op: str
    of: tuple[Any, ...]
    amount: float = 0.0
    axis: str = "x"
    KIND: ClassVar[str] = "combined"

    @property
    def bounds(self) -> Box:
        """The smallest known box around the mask; the whole picture where the operation may reach everywhere."""
        parts: list[Box] = [part.bounds for part in self.of]
        if self.op == "union":
            return hull(parts)
        if self.op in ("intersection", "difference", "shrink", "threshold"):
            return parts[0]
        if self.op != "mirror":
            return WHOLE
        (x0, y0, x1, y1) = (parts[0].x0, parts[0].y0, parts[0].x1, parts[0].y1)
        return Box(1 - x1, y0, 1 - x0, y1) if self.axis == "x" else Box(x0, 1 - y1, x1, 1 - y0)

    def to_json(self) -> dict[str, Any]:
        """``{"combined": {"op": …, "of": […], …}}``."""
        more: dict[str, Any] = {"amount": self.amount} if self.op in _AMOUNTS else {}
        if self.op == "mirror" and self.axis != "x":
            more["axis"] = self.axis
        return {self.KIND: {"op": self.op, "of": [shape.to_json() for shape in self.of], **more}}


def leaves(shape: Any) -> Iterator[Any]:
    """The shapes that are no combination, in a shape."""
    if isinstance(shape, Combined):
        for part in shape.of:
            yield from leaves(part)
    else:
        yield shape


def depth(shape: Any) -> int:
    """How many operations stand in each other; 0 for a shape that is no combination."""
    return 1 + max(map(depth, shape.of)) if isinstance(shape, Combined) else 0


def read_combined(value: object, readers: Mapping[str, Callable[[object], Any]], level: int = 1) -> Combined:
    """``{"op": "union", "of": [shape, …]}`` -> shape; ``readers`` are those of the other keys.

    Raises SettingsError whose fields begin with ``combined``.
    """
    name = Combined.KIND
    if level > MAX_DEPTH:
        raise SettingsError((Problem(name, level, f"at most {MAX_DEPTH} operations in each other"),))
    raise_any([not_an_object(name, value, "op and of")] if not isinstance(value, Mapping) else [])
    assert isinstance(value, Mapping)
    fault = _OP.fault(value.get("op"))
    raise_any([Problem(f"{name}.op", value.get("op"), fault)] if fault else [])
    op = value["op"]
    fields = {**({"amount": _AMOUNTS[op]} if op in _AMOUNTS else {}), **({"axis": _AXIS} if op == "mirror" else {})}
    values, problems = read_fields({key: part for key, part in value.items() if key not in ("op", "of")}, fields)
    raise_any(problem.at(name) for problem in problems)
    shape = Combined(op, _read_parts(op, value.get("of"), readers, level), **values)
    if level == 1 and (count := sum(1 for _ in leaves(shape))) > MAX_SHAPES:
        raise SettingsError((Problem(f"{name}.of", count, f"at most {MAX_SHAPES} shapes together"),))
    return shape


def _read_parts(op: str, of: object, readers: Mapping[str, Callable[[object], Any]], level: int) -> tuple[Any, ...]:
    name = f"{Combined.KIND}.of"
    count, allowed = (2, f"a list of 2 to {MAX_SHAPES} shapes") if op in SEVERAL else (1, "a list of one shape")
    most = MAX_SHAPES if op in SEVERAL else 1
    if not isinstance(of, (list, tuple)) or not count <= len(of) <= most:
        raise SettingsError((Problem(name, of if not isinstance(of, (list, tuple)) else len(of), allowed),))
    return tuple(_read_part(part, f"{name}[{at}]", readers, level) for at, part in enumerate(of))


def _read_part(part: object, path: str, readers: Mapping[str, Callable[[object], Any]], level: int) -> Any:
    known = (*readers, Combined.KIND)
    if not isinstance(part, Mapping) or len(part) != 1 or next(iter(part)) not in known:
        raise SettingsError((Problem(path, part, f"an object with one of {', '.join(known)}"),))
    ((kind, value),) = part.items()
    try:
        return read_combined(value, readers, level + 1) if kind == Combined.KIND else readers[kind](value)
    except SettingsError as error:
        raise SettingsError(tuple(problem.at(path) for problem in error.problems)) from error


def combined_schema() -> dict[str, object]:
    """JSON schema of the key; the shapes in it are checked by the parser."""
    shapes = {"type": "array", "items": {"type": "object", "minProperties": 1, "maxProperties": 1}, "maxItems": MAX_SHAPES}
    several: dict[str, object] = {"properties": {"op": {"enum": list(SEVERAL)}, "of": {**shapes, "minItems": 2}}}
    ones: list[dict[str, object]] = [
        {
            "properties": {
                "op": {"const": op},
                "of": {**shapes, "minItems": 1, "maxItems": 1},
                **({"amount": _AMOUNTS[op].schema()} if op in _AMOUNTS else {}),
                **({"axis": _AXIS.schema()} if op == "mirror" else {}),
            },
            "required": ["op", "of", *(["amount"] if op in _AMOUNTS else [])],
        }
        for op in ONE
    ]
    kinds = [{"type": "object", "required": ["op", "of"], "additionalProperties": False, **kind} for kind in (several, *ones)]
    return {"oneOf": kinds, "description": f"One mask out of others: {', '.join((*SEVERAL, *ONE))}."}
