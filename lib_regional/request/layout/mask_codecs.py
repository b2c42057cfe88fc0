"""Masks as text: a PNG data URL, or run-length for soft 8-bit masks. Pixels are decoded elsewhere; here the text is judged."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator

from ..errors import SettingsError, settings_error
from .pixels import MAX_PIXELS, check_pixels
from .png import SIGNATURE, chunks

__all__ = ["MAX_PIXELS", "PATTERN", "PNG_PREFIX", "RLE_PREFIX", "check_mask", "decode_rle", "encode_rle", "relabelled"]

PNG_PREFIX = "data:image/png;base64,"
RLE_PREFIX = "rle:"
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
PATTERN = rf"^(data:image/png;base64,{_BASE64}|data:[A-Za-z0-9_.+/-]{{0,60}};base64,iVBORw0KGgo{_BASE64}|rle:[0-9]+x[0-9]+:[0-9*,]+)$"

_ALLOWED = "a PNG data URL (data:image/png;base64,…) or a run-length mask (rle:WxH:…)"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MAGIC = (
    (re.compile(rb"\xff\xd8\xff"), "a JPEG"),
    (re.compile(rb"GIF8"), "a GIF"),
    (re.compile(rb"RIFF.{4}WEBP", re.S), "a WebP"),
    (re.compile(rb"BM.{12}", re.S), "a BMP"),
    (re.compile(rb"II\*\x00|MM\x00\*"), "a TIFF"),
    (re.compile(rb".{4}ftypavi[fs]", re.S), "an AVIF"),
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE[^>]*>\s*)?<svg", re.S | re.I), "an SVG"),
)
_HEAD = 4096
"""Bytes at whose beginning a format is recognised."""

_MIME = {"jpeg": "a JPEG", "jpg": "a JPEG", "gif": "a GIF", "webp": "a WebP", "svg+xml": "an SVG", "bmp": "a BMP", "avif": "an AVIF"}
_LABEL = re.compile(r"(data:[\w.+/-]{0,60};base64,)iVBORw0KGgo", re.A)
_RLE = re.compile(r"rle:(\d{1,9})x(\d{1,9}):(.*)", re.A | re.S)
_RUN = re.compile(r"(\d{1,3})(?:\*(\d{1,9}))?", re.A)
_BYTES = tuple(bytes((value,)) for value in range(256))
_REPEATED = re.compile(rb"(.)\1*", re.S)


def _error(data: object, text: str) -> SettingsError:
    return settings_error("mask", data, _ALLOWED, text=f"mask {text}")


def check_mask(data: str) -> tuple[int, int]:
    """(width, height) in pixels of a mask text.

    Of a PNG only the frame is checked (signature, IHDR, chunk lengths up to IEND), of a run-length mask every run.
    Raises SettingsError (field ``mask``) naming the likely format of the text.
    """
    if not isinstance(data, str):
        raise settings_error("mask", data, _ALLOWED)
    if data.startswith(RLE_PREFIX):
        return _check_rle(data)
    if data.startswith(PNG_PREFIX):
        return _check_png(data, _from_base64(data, data[len(PNG_PREFIX) :]))
    raise _error(data, _what_else(data))


def relabelled(data: str) -> str:
    """A PNG under the label of another format (``data:image/jpeg;base64,iVBOR…``) under its own; any other text as it is."""
    label = _LABEL.match(data) if isinstance(data, str) else None
    return PNG_PREFIX + data[label.end(1) :] if label else data


def _from_base64(data: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _error(data, f"is not base64 after {PNG_PREFIX}: {error}.") from error


def _what_else(data: str) -> str:
    """The likely format of a text that is not a mask, for the error message."""
    if data.startswith("iVBORw0KGgo"):
        return f"is a bare base64 PNG: put {PNG_PREFIX} in front of it."
    mime = re.match(r"data:image/([\w+.-]+)", data)
    if mime:
        named = _MIME.get(mime[1].lower())
        if named:
            return f"is {named}, not a PNG: save it as PNG."
    return f"must be {_ALLOWED}."


def _check_png(data: str, raw: bytes) -> tuple[int, int]:
    if not raw.startswith(SIGNATURE):
        found = next((name for pattern, name in _MAGIC if pattern.match(raw[:_HEAD])), None)
        if not found and SIGNATURE.startswith(raw[:8]):
            raise _error(data, "is a truncated PNG: its header is not complete.")
        raise _error(data, f"is {found or 'something else'}, not a PNG: save it as PNG.")
    width, height = _header(data, raw)
    _check_size(data, width, height)
    names = [chunk.name for chunk in chunks(raw)]
    if names[-1:] != [b"IEND"]:
        raise _error(data, "is a truncated PNG: its end (IEND) is missing.")
    if b"IDAT" not in names:
        raise _error(data, "is a PNG without picture data.")
    return width, height


def _header(data: str, raw: bytes) -> tuple[int, int]:
    """Width and height of the IHDR chunk, which must be the first one and whole."""
    if len(raw) < 33:
        raise _error(data, "is a truncated PNG: its header is not complete.")
    body = raw[12:29]
    width, height, depth, colour, compression, filters, interlace = struct.unpack(">IIBBBBB", body[4:])
    if raw[8:16] != b"\x00\x00\x00\rIHDR" or struct.unpack(">I", raw[29:33])[0] != binascii.crc32(body):
        raise _error(data, "is a damaged PNG: its header (IHDR) is wrong.")
    if depth not in _DEPTHS.get(colour, ()) or compression or filters or interlace > 1:
        raise _error(data, f"is a damaged PNG: colour type {colour} with {depth} bits does not exist.")
    return width, height


def _check_size(data: str, width: int, height: int) -> None:
    if not width or not height:
        raise _error(data, f"has no pixels: its size is {width}x{height}.")
    check_pixels("mask", width, height)


def _rle_parts(data: str) -> tuple[int, int, str]:
    match = _RLE.fullmatch(data)
    if not match:
        raise _error(data, 'is a damaged run-length mask: it should read like "rle:64x48:0*1024,255*2048".')
    width, height = int(match[1]), int(match[2])
    _check_size(data, width, height)
    return width, height, match[3]


def _runs(data: str, text: str) -> Iterator[tuple[int, int]]:
    """(value, length) of each run."""
    for number, piece in enumerate(text.split(","), 1):
        match = _RUN.fullmatch(piece)
        value, length = (int(match[1]), int(match[2] or 1)) if match else (-1, 0)
        if not 0 <= value <= 255 or length < 1:
            raise _error(data, f'is a damaged run-length mask: run {number} is "{piece[:20]}", it should read like "255*12" or "255".')
        yield value, length


def _check_total(data: str, total: int, width: int, height: int) -> None:
    if total != width * height:
        raise _error(data, f"is a damaged run-length mask: its runs make {total} pixels, {width}x{height} needs {width * height}.")


def _check_rle(data: str) -> tuple[int, int]:
    width, height, text = _rle_parts(data)
    _check_total(data, sum(length for _, length in _runs(data, text)), width, height)
    return width, height


def encode_rle(width: int, height: int, pixels: bytes) -> str:
    """8-bit grey ``pixels`` (row-major, ``width * height`` bytes, 255 is inside) -> ``rle:WxH:0*1024,255*3,128,…``.

    A run is ``value*length``, or ``value`` alone for one pixel; runs go on over row ends. Raises SettingsError for a wrong size.
    """
    _check_size("", width, height)
    _check_total("", len(pixels), width, height)
    runs = (match.span() for match in _REPEATED.finditer(pixels))
    body = ",".join(f"{pixels[a]}*{b - a}" if b - a > 1 else f"{pixels[a]}" for a, b in runs)
    return f"{RLE_PREFIX}{width}x{height}:{body}"


def decode_rle(data: str) -> tuple[int, int, bytes]:
    """``rle:WxH:…`` -> (width, height, pixels), the inverse of :func:`encode_rle`. Raises SettingsError."""
    width, height, text = _rle_parts(data)
    runs = list(_runs(data, text))
    _check_total(data, sum(length for _, length in runs), width, height)
    return width, height, b"".join(_BYTES[value] * length for value, length in runs)
