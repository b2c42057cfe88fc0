"""The chunks of a PNG file. (PNG specification, section 5.3: length, name, body, CRC)"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 1024 * 1024
"""Bytes to which all compressed texts of a file may unpack together; Pillow reads as much of one."""

_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class Chunk(NamedTuple):
    """One chunk: its name, where it begins (with its length) and ends (behind its CRC)."""

    name: bytes
    start: int
    end: int


def chunks(raw: bytes) -> Iterator[Chunk]:
    """The whole chunks up to IEND. A file that is cut off ends without one."""
    position = len(SIGNATURE)
    while position + 12 <= len(raw):
        length, name = struct.unpack_from(">I4s", raw, position)
        end = position + 12 + length
        if end > len(raw):
            return
        yield Chunk(name, position, end)
        if name == b"IEND":
            return
        position = end


def pixels_only(raw: bytes) -> bytes:
    """The file without all that its pixels do not need: no text, no profile."""
    return SIGNATURE + b"".join(raw[chunk.start : chunk.end] for chunk in chunks(raw) if chunk.name in _PIXELS)


def without_profile(raw: bytes) -> bytes:
    """The file without its colour profile (iCCP), which is packed and which nothing here looks at."""
    found = list(chunks(raw))
    if not any(chunk.name == b"iCCP" for chunk in found):
        return raw
    rest = raw[found[-1].end :]
    return SIGNATURE + b"".join(raw[chunk.start : chunk.end] for chunk in found if chunk.name != b"iCCP") + rest


def unpacked_text(raw: bytes) -> int:
    """Bytes to which the compressed texts (zTXt, iTXt) unpack together; what exceeds `MAX_TEXT` is not unpacked any further."""
    total = 0
    for name, start, end in chunks(raw):
        packed = _packed_text(name, raw[start + 8 : end - 4]) if name in (b"zTXt", b"iTXt") else b""
        if packed:
            total += _unpacked(packed, MAX_TEXT + 1 - total)
        if total > MAX_TEXT:
            break
    return total


def _packed_text(name: bytes, body: bytes) -> bytes:
    """The zlib stream in a text chunk, b"" where its text is plain. (PNG specification, sections 11.3.3.3 and 11.3.3.4)"""
    rest = body.partition(b"\0")[2]
    if name == b"zTXt":
        return rest[1:]
    if rest[:1] != b"\1":
        return b""
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2]


def _unpacked(packed: bytes, most: int) -> int:
    try:
        return len(zlib.decompressobj().decompress(packed, most))
    except zlib.error:
        return 0
