"""Reading and quoting infotexts."""

from typing import Any, NamedTuple

from lib_regional.standalone.pipeline.infotext import parse_generation_parameters, quote, unquote

__all__ = ["PasteField", "parse_generation_parameters", "quote", "unquote"]


class PasteField(NamedTuple):
    """A component and the infotext key that fills it."""

    component: Any
    label: Any
    api: str | None = None
