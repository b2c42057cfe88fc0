"""Kinds of values that flows ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...request.errors import RegionalError
from ...request.fields import Field, Number
from ...request.layout.shapes import SHAPES, read_shape
from .fields import MODEL, WAY_FIELDS, WORDS, Phrases


@dataclass(frozen=True)
class AnyShape(Field):
    """A shape of the settings, ``{"box": …}``, ``{"mask": …}`` and so on, or null; not one that is found while sampling."""

    def fault(self, value: object) -> str | None:
        if value is None:
            return None
        kinds = [kind for kind in SHAPES if kind != "words"]
        if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in kinds:
            return f"an object with one of {', '.join(kinds)}, or null"
        try:
            read_shape(*next(iter(value.items())))
        except RegionalError as error:
            return f"a shape that can be read: {error}"
        return None

    def shape(self) -> dict[str, object]:
        return {"type": ["object", "null"], "minProperties": 1, "maxProperties": 1}


@dataclass(frozen=True)
class OptionalPhrases(Phrases):
    """Phrases, or nothing; held as a tuple."""

    def fault(self, value: object) -> str | None:
        return None if value == "" else super().fault(value)


_THING: Mapping[str, Field] = {
    "words": OptionalPhrases("What it is, found by CLIPSeg; empty: what is clicked, else the selected region's shape.", "", WORDS.longest),
    "threshold": WAY_FIELDS["words"]["threshold"],
    "clicks": WAY_FIELDS["click"]["clicks"],
    "box": WAY_FIELDS["click"]["box"],
    "shape": AnyShape("Where it is, without a model: a shape of the settings.", None),
    "model": MODEL,
}
"""How a thing in a picture is named: by words, by clicks or a box, or by a shape."""

FLOW_FIELDS: Mapping[str, Mapping[str, Field]] = {
    "depth": {
        **{name: field for name, field in WAY_FIELDS["depth"].items() if name != "model"},
        "near": Number("Denoising strength of the nearest slice.", 0.3),
        "far": Number("Denoising strength of the farthest slice; those between lie on a line.", 0.8),
        "model": MODEL,
    },
    "background": {
        **_THING,
        "grow": Number("How far the kept thing is grown, as a share of the shorter side.", 0.0, high=0.25),
        "feather": Number("Width of the soft border, as a share of the shorter side.", 0.05, high=0.5),
    },
    "object": {
        **_THING,
        "denoise": Number("Denoising strength of the thing in the other picture.", 0.3),
        "outside": Number("Denoising strength of the rest of the other picture; 0 keeps its pixels.", 0.0),
    },
}
"""Flow -> its parameters."""
