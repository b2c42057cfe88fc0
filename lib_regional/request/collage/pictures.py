"""A region's picture as text: a data URL. Pixels are decoded elsewhere; here the text is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..fields import Field

FITS = ("contain", "cover", "stretch")
"""How a picture is fitted into the box around its region's mask: whole inside it, filling it (the rest cut off), or distorted."""

LONGEST = 60_000_000
"""Characters of a picture text: a file of 45 MB."""

PATTERN = r"^data:image/[A-Za-z0-9.+-]{1,60};base64,[A-Za-z0-9+/]+={0,2}$"
ALLOWED = "a picture as a data URL (data:image/png;base64,…; PNG, JPEG, WebP, BMP or TIFF)"
_HEAD = re.compile(r"data:image/[A-Za-z0-9.+-]{1,60};base64,")
_TEXT = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True)
class PictureText(Field):
    """A data URL of a picture, or null."""

    def fault(self, value: object) -> str | None:
        if value is None:
            return None
        head = _HEAD.match(value) if isinstance(value, str) else None
        if not isinstance(value, str) or head is None or not _TEXT.fullmatch(value, head.end()):
            return f"{ALLOWED} or null"
        return f"at most {LONGEST} characters long" if len(value) > LONGEST else None

    def shape(self) -> dict[str, object]:
        return {"type": ["string", "null"], "pattern": PATTERN, "maxLength": LONGEST}
