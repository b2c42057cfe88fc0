"""A region's reference: a picture that acts as a prompt, by an IP-Adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..collage.pictures import ALLOWED, PictureText
from ..fields import REQUIRED, Field, Given, Number, Span, Text, read_fields

HIGHEST_WEIGHT = 2.0


@dataclass(frozen=True)
class ReferenceImage(PictureText):
    """A data URL of a picture."""

    def fault(self, value: object) -> str | None:
        return ALLOWED if value is None else super().fault(value)

    def shape(self) -> dict[str, object]:
        return {**super().shape(), "type": "string"}


REFERENCE_FIELDS: Mapping[str, Field] = {
    "image": ReferenceImage("The picture (data URL), of which the encoder sees the square in the middle; what is transparent is white."),
    "weight": Number("How strongly it acts beside the texts; 0 is none.", 1.0, high=HIGHEST_WEIGHT),
    "steps": Span("It acts from the first to the second, as fractions of the sampling steps, where the region does.", (0.0, 1.0)),
    "model": Text("File name of the IP-Adapter; null: the first that fits the model.", None, longest=300, optional=True),
}
"""What a reference is made of."""


class Reference(Given):
    """A reference in its held form; keys that were not given have their defaults."""

    def _value(self, name: str) -> Any:
        return self[name] if name in self else REFERENCE_FIELDS[name].default

    @property
    def image(self) -> str:
        """The picture, a data URL."""
        return str(self["image"])

    @property
    def weight(self) -> float:
        """Strength: 0 is none."""
        return float(self._value("weight"))

    @property
    def steps(self) -> tuple[float, float]:
        """Range of the steps ``[from, to)``, as fractions."""
        start, end = self._value("steps")
        return start, end

    @property
    def model(self) -> str | None:
        """File name of the adapter; None for the first that fits."""
        found: str | None = self._value("model")
        return found

    def acts(self, progress: float) -> bool:
        """Whether it acts at this share of the steps."""
        return self.weight > 0 and self.steps[0] <= progress < self.steps[1]

    def with_image(self, image: str) -> Reference:
        """The same with another picture."""
        return Reference({**self, "image": image})


@dataclass(frozen=True)
class ReferenceField(Field):
    """null, or an object of `REFERENCE_FIELDS`."""

    def fault(self, value: object) -> str | None:
        if value is None:
            return None
        allowed = "null or an object with image, and as you like weight, steps and model"
        if not isinstance(value, Mapping):
            return allowed
        problems = read_fields(value, REFERENCE_FIELDS)[1]
        return f"{allowed} ({problems[0].message.rstrip('.')})" if problems else None

    def read(self, value: object) -> object:
        if not isinstance(value, Mapping):
            return None
        given = read_fields(value, REFERENCE_FIELDS)[0]
        return Reference({name: one for name, one in given.items() if one != REFERENCE_FIELDS[name].default})

    def shape(self) -> dict[str, object]:
        properties = {name: kind.schema() for name, kind in REFERENCE_FIELDS.items()}
        required = [name for name, kind in REFERENCE_FIELDS.items() if kind.default is REQUIRED]
        return {"type": ["object", "null"], "properties": properties, "additionalProperties": False, "required": required}
