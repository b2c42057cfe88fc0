"""Picture files that users bring: opened with care, or refused with a message naming their format."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..request.errors import RegionalError, settings_error
from ..request.layout.pixels import DAMAGED, MAX_PIXELS, check_pixels, too_many_pixels
from ..request.layout.png import MAX_TEXT, SIGNATURE, unpacked_text, without_profile

_KINDS = "PNG, JPEG, WebP, BMP and TIFF work"
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF")
"""Accepted formats: others start programs (EPS) or are no photographs or drawings."""

_USER_COMMENT, _EXIF, _ORIENTATION = 0x9286, 0x8769, 0x0112


_FULL = 65535
_EIGHT_BITS = np.rint(np.arange(_FULL + 1) * 255 / _FULL).astype(np.uint8)
"""Level of 16 bits -> level of 8."""


def open_picture(text: str, field: str = "picture") -> Image.Image:
    """A data URL or bare base64 -> the decoded picture.

    Raises RegionalError for data that is no picture, cut off or animated, and SettingsError (``field``) for one that is too large.
    """
    raw = _bytes_of(text)
    try:
        picture = opened(raw, field)
        _refuse_frames(picture)
        picture.load()
    except UnidentifiedImageError as error:
        raise RegionalError(_not_a_picture(raw)) from error
    except RegionalError:
        raise
    except DAMAGED as error:
        raise RegionalError("The picture is damaged: it is cut off or broken inside. Save it again.") from error
    return picture


def open_drawn(text: str, field: str = "picture") -> Image.Image:
    """`open_picture`, turned as its EXIF says and with 8 bits a channel: the picture as a viewer shows it."""
    return eight_bits(upright(open_picture(text, field)))


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; one whose EXIF says nothing, or cannot be read, stays as it is."""
    try:
        if picture.getexif().get(_ORIENTATION, 1) == 1:
            return picture
        return ImageOps.exif_transpose(picture) or picture
    except DAMAGED:
        return picture


def eight_bits(picture: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits, or floats (0 to 1, or any range), scaled to 8 bits; other pictures stay as they are."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    whole = np.asarray(picture)
    if picture.mode.startswith("I") and whole.max(initial=0) <= _FULL:
        return Image.fromarray(_EIGHT_BITS[whole.clip(0)])
    with np.errstate(invalid="ignore"):
        levels = np.nan_to_num(whole.astype(np.float64), posinf=0, neginf=0)
    highest = float(levels.max(initial=0))
    full = float(_FULL) if picture.mode.startswith("I") else 1.0 if highest <= 1 else 255.0
    scaled = np.rint(levels.clip(0) * 255 / max(full, highest))
    return Image.fromarray(scaled.astype(np.uint8))


def opened(raw: bytes, field: str = "picture") -> Image.Image:
    """A file -> the picture whose header was read and whose pixels were not.

    Raises SettingsError (``field``) beyond `MAX_PIXELS`, or with packed texts beyond `MAX_TEXT`; for a file that is no picture what
    ``PIL.Image.open`` raises.
    """
    if raw.startswith(SIGNATURE):
        if unpacked_text(raw) > MAX_TEXT:
            size = f"packed texts (zTXt, iTXt) of more than {MAX_TEXT // 1024**2} MB"
            raise settings_error(field, size, f"a PNG with at most {MAX_TEXT // 1024**2} MB of them")
        raw = without_profile(raw)
    Image.init()
    name = f"The {field}" if field.isalpha() else field
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw), formats=[kind for kind in _FORMATS if kind in Image.OPEN])
    except Image.DecompressionBombError as error:  # Pillow's own limit is a larger one
        found = re.search(r"\d+", str(error))
        raise too_many_pixels(field, int(found[0]) if found else 2 * MAX_PIXELS, "it", name) from error
    check_pixels(field, picture.width, picture.height, name)
    return picture


def infotext_of(picture: Image.Image) -> str:
    """The generation parameters that a picture carries, "" where it carries none."""
    text = picture.info.get("parameters")
    if isinstance(text, str):
        return text
    try:
        comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    except DAMAGED:  # an EXIF block that lies about its sizes
        return ""
    if isinstance(comment, bytes) and comment[:7] == b"UNICODE":
        return comment[8:].decode("utf-16-be", "ignore")
    return comment.removeprefix(b"ASCII\0\0\0").decode("utf-8", "ignore") if isinstance(comment, bytes) else str(comment or "")


def _bytes_of(text: str) -> bytes:
    head, _, body = text.partition(",") if text.startswith("data:") else ("", "", text)
    if head.startswith("data:") and not head.startswith("data:image/"):
        raise RegionalError(f"This is no picture ({head[5:].split(';')[0] or 'of no known kind'}): {_KINDS}.")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RegionalError("The picture is not base64.") from error


def _refuse_frames(picture: Image.Image) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        raise RegionalError(f"The picture is an animated {picture.format} of {frames} frames: save the one frame that is meant.")


def _not_a_picture(raw: bytes) -> str:
    head = raw[:1000].lower()
    if b"<svg" in head:
        return "The picture is an SVG, a drawing without pixels: save it as PNG."
    if not raw:
        return "The file is empty."
    return f"This is no picture that can be read: {_KINDS}."
