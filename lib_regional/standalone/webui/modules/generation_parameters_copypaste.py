"""The older name of ``infotext_utils``."""

from modules.infotext_utils import PasteField, parse_generation_parameters, quote, unquote

__all__ = ["PasteField", "parse_generation_parameters", "quote", "unquote"]
