"""Mask texts: PNG data URLs and run-length masks, whole and broken."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.mask_codecs import MAX_PIXELS, PNG_PREFIX, check_mask, decode_rle, encode_rle


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int = 3, height: int = 2, depth: int = 8, colour: int = 0, *, body: bytes = b"x", end: bool = True) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + (chunk(b"IDAT", body) if body else b"") + (chunk(b"IEND") if end else b"")


def url(raw: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(raw).decode()}"


GOOD = [
    pytest.param(url(png()), (3, 2), id="8-bit grey"),
    pytest.param(url(png(depth=16)), (3, 2), id="16-bit grey"),
    pytest.param(url(png(depth=1)), (3, 2), id="1-bit grey"),
    pytest.param(url(png(colour=2)), (3, 2), id="rgb"),
    pytest.param(url(png(colour=6)), (3, 2), id="rgba"),
    pytest.param(url(png(colour=3)), (3, 2), id="palette"),
    pytest.param(url(png(8000, 8000)), (8000, 8000), id="64 megapixels"),
    pytest.param(url(png() + b"trailing"), (3, 2), id="something behind the end"),
    pytest.param("rle:4x2:0*3,255*5", (4, 2), id="run-length"),
    pytest.param("rle:2x2:0,1,2,3", (2, 2), id="single pixels"),
    pytest.param("rle:2x2:9,9,9*2", (2, 2), id="runs that could be one"),
]

BAD = [
    pytest.param("", "must be a PNG data URL", id="empty"),
    pytest.param("mask.png", "must be a PNG data URL", id="a path"),
    pytest.param("https://example.com/mask.png", "must be a PNG data URL", id="a link"),
    pytest.param(base64.b64encode(png()).decode(), "bare base64 PNG", id="without prefix"),
    pytest.param(PNG_PREFIX + "%%%", "is not base64", id="not base64"),
    pytest.param(PNG_PREFIX + "abcde", "is not base64", id="bad padding"),
    pytest.param(PNG_PREFIX + "äöü", "is not base64", id="not ascii"),
    pytest.param(PNG_PREFIX, "truncated", id="nothing in it"),
    pytest.param(url(b"\xff\xd8\xff\xe0 jfif"), "is a JPEG, not a PNG", id="jpeg inside"),
    pytest.param(url(b"\xff\xd8\xff\xe0", "image/jpeg"), "is a JPEG", id="jpeg by type"),
    pytest.param(url(b"GIF89a"), "is a GIF", id="gif"),
    pytest.param(url(b"RIFF\x00\x00\x00\x00WEBPVP8 "), "is a WebP", id="webp"),
    pytest.param(url(b'<?xml version="1.0"?>\n<svg xmlns="">'), "is an SVG", id="svg"),
    pytest.param(url(b"<svg>", "image/svg+xml"), "is an SVG", id="svg by type"),
    pytest.param(url(b"hello"), "is something else, not a PNG", id="text"),
    pytest.param(url(png()[:4]), "truncated", id="cut in the signature"),
    pytest.param(url(png()[:20]), "truncated", id="cut in the header"),
    pytest.param(url(png()[:-20]), "its end (IEND) is missing", id="cut in the data"),
    pytest.param(url(png(end=False)), "its end (IEND) is missing", id="no end"),
    pytest.param(url(png(body=b"")), "without picture data", id="no data"),
    pytest.param(url(png().replace(b"\x00\x00\x00\x03", b"\x00\x00\x00\x04", 1)), "header (IHDR) is wrong", id="flipped bits"),
    pytest.param(url(png(depth=3)), "does not exist", id="odd depth"),
    pytest.param(url(png(0, 5)), "has no pixels", id="no width"),
    pytest.param(url(png(8001, 8000)), "too large: 8001x8000 is 64.0 megapixels, at most 64", id="over 64 megapixels"),
    pytest.param(url(png(2**32 - 1, 2**32 - 1)), "too large", id="absurd"),
    pytest.param("rle:", "damaged run-length mask", id="empty run-length"),
    pytest.param("rle:2x2", "damaged run-length mask", id="no runs"),
    pytest.param("rle:2x2:", 'run 1 is ""', id="empty runs"),
    pytest.param("rle:2x2:0*3", "its runs make 3 pixels, 2x2 needs 4", id="too few pixels"),
    pytest.param("rle:2x2:0*5", "its runs make 5 pixels", id="too many pixels"),
    pytest.param("rle:2x2:256*4", 'run 1 is "256*4"', id="over 255"),
    pytest.param("rle:2x2:0*0,1*4", 'run 1 is "0*0"', id="empty run"),
    pytest.param("rle:2x2:0*2,-1*2", 'run 2 is "-1*2"', id="negative"),
    pytest.param("rle:2x2:0*2,,1*2", 'run 2 is ""', id="double comma"),
    pytest.param("rle:0x2:", "has no pixels", id="no size"),
    pytest.param("rle:100000x100000:0*999999999", "too large", id="run-length over 64 megapixels"),
    pytest.param("rle:-2x2:0*4", "damaged run-length mask", id="negative size"),
    pytest.param("rle:٢x2:0*4", "damaged run-length mask", id="other digits"),
]


@pytest.mark.parametrize(("data", "size"), GOOD)
def test_good_masks(data: str, size: tuple[int, int]) -> None:
    assert check_mask(data) == size


@pytest.mark.parametrize(("data", "text"), BAD)
def test_bad_masks_say_what_they_are(data: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_mask(data)
    assert text in str(caught.value)
    assert [problem.field for problem in caught.value.problems] == ["mask"]


@pytest.mark.parametrize("data", [None, 3, b"rle:1x1:0", ["rle:1x1:0"]], ids=repr)
def test_masks_are_texts(data: object) -> None:
    with pytest.raises(SettingsError, match="mask must be a PNG data URL"):
        check_mask(data)  # type: ignore[arg-type]


@st.composite
def pictures(draw: st.DrawFn) -> tuple[int, int, bytes]:
    width, height = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    levels = draw(st.sampled_from([b"\x00\xff", b"\x00\x80\xff", bytes(range(256))]))
    return width, height, bytes(draw(st.lists(st.sampled_from(levels), min_size=width * height, max_size=width * height)))


@given(pictures())
def test_run_length_round_trip(picture: tuple[int, int, bytes]) -> None:
    text = encode_rle(*picture)
    assert decode_rle(text) == picture
    assert check_mask(text) == picture[:2]
    assert encode_rle(*decode_rle(text)) == text


def test_run_length_is_compact() -> None:
    assert encode_rle(512, 512, b"\xff" * 512 * 512) == "rle:512x512:255*262144"


@pytest.mark.parametrize("size", [(2, 2), (0, 5), (1, 4)], ids=str)
def test_encode_refuses_a_wrong_size(size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError):
        encode_rle(*size, b"\x00" * 5)


def test_decode_refuses_a_picture() -> None:
    with pytest.raises(SettingsError, match="damaged run-length"):
        decode_rle(url(png()))


@given(st.text(alphabet="rle:0123456789x*,. ", max_size=30))
def test_any_run_length_text_is_read_or_refused(text: str) -> None:
    try:
        width, height = check_mask("rle:" + text)
    except SettingsError:
        return
    assert 0 < width * height <= MAX_PIXELS


@given(st.binary(max_size=60), st.integers(0, 80))
def test_any_bytes_are_read_or_refused(noise: bytes, cut: int) -> None:
    raw = png()[:cut] + noise
    try:
        check_mask(url(raw))
    except SettingsError as error:
        assert error.problems[0].field == "mask"
