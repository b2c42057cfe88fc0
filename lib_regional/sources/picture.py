"""Picture files that users bring: opened with care, or refused with a sentence that says what they are."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings

from PIL import Image, UnidentifiedImageError

from ..core.errors import RegionalError
from ..core.mask_data import MAX_PIXELS

_KINDS = "PNG, JPEG, WebP, BMP and TIFF work"
_USER_COMMENT, _EXIF = 0x9286, 0x8769


def open_picture(text: str) -> Image.Image:
    """A data URL or bare base64 -> the decoded picture. Raises RegionalError for what is none, too large, cut off or animated."""
    raw = _bytes_of(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw))
            _check(picture)
            picture.load()
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise _too_large(int(found[0]) if found else 2 * MAX_PIXELS) from error
    except UnidentifiedImageError as error:
        raise RegionalError(_not_a_picture(raw)) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RegionalError("The picture is damaged: it is cut off or broken inside. Save it again.") from error
    return picture


def infotext_of(picture: Image.Image) -> str:
    """The generation parameters that a picture carries, "" where it carries none."""
    text = picture.info.get("parameters")
    if isinstance(text, str):
        return text
    comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
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


def _check(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(width * height)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        raise RegionalError(f"The picture is an animated {picture.format} of {frames} frames: save the one frame that is meant.")


def _too_large(pixels: int) -> RegionalError:
    size = f"{pixels / 1e6:.0f} megapixels, at most {MAX_PIXELS // 10**6} are read"
    return RegionalError(f"The picture is too large: it has {size}. Make it smaller first.")


def _not_a_picture(raw: bytes) -> str:
    head = raw[:1000].lower()
    if b"<svg" in head:
        return "The picture is an SVG, a drawing without pixels: save it as PNG."
    if not raw:
        return "The file is empty."
    return f"This is no picture that can be read: {_KINDS}."
