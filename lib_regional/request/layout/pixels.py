"""How many pixels a picture or a mask may have: judged from its header, before any of them is decoded."""

from __future__ import annotations

import struct
import zlib

from ..errors import SettingsError, settings_error

MAX_PIXELS = 64_000_000
"""Pixels of one picture, of one mask, and of all pictures that one field of a request holds."""

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error, zlib.error)
"""What Pillow raises for files that are cut off, broken inside, or whose EXIF and texts lie about their sizes and kinds."""

ALLOWED = f"at most {MAX_PIXELS // 10**6} megapixels"


def check_pixels(field: str, width: int, height: int, name: str = "") -> None:
    """Raise SettingsError (``field``) for a picture beyond `MAX_PIXELS`; ``name`` is how the sentence calls it, ``field`` by default."""
    if width * height > MAX_PIXELS:
        raise too_many_pixels(field, width * height, f"{width}x{height}", name)


def too_many_pixels(field: str, pixels: int, value: str, name: str = "") -> SettingsError:
    """The error for ``pixels``; ``value`` is the size for the message (``13000x13000``)."""
    size = f"{pixels / 1e6:.{0 if pixels >= 1e8 else 1}f} megapixels"
    text = f"{name or field} is too large: {value} is {size}, {ALLOWED} are allowed."
    return settings_error(field, value, ALLOWED, text=text)
