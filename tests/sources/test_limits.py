"""Pictures and masks that are larger than they look: refused from the header, or kept small."""

from __future__ import annotations

import base64
import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import from_infotext, to_infotext
from lib_regional.request.layout.mask_codecs import PNG_PREFIX, check_mask, encode_rle
from lib_regional.request.layout.pixels import MAX_PIXELS, check_pixels
from lib_regional.request.layout.png import MAX_TEXT, pixels_only, unpacked_text, without_profile
from lib_regional.request.settings import Settings
from lib_regional.sources.lasting import lasting_mask, reduction
from lib_regional.sources.picture import infotext_of, open_picture
from lib_regional.tensors.masks.decoding import decode_mask, mask_at


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header_alone(width: int, height: int) -> str:
    """A PNG of this size that has a header and no pixels: who decodes it fails in another way."""
    body = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", b"") + chunk(b"IEND")
    return PNG_PREFIX + base64.b64encode(raw).decode()


def png_bytes(picture: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def url(raw: bytes) -> str:
    return PNG_PREFIX + base64.b64encode(raw).decode()


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (13000, 13000), (65000, 65000)])
def test_the_limit_names_itself_before_anything_is_decoded(width, height):
    begin = time.process_time()
    with pytest.raises(SettingsError, match="at most 64 megapixels") as caught:
        open_picture(header_alone(width, height), "init_images[3]")
    (problem,) = caught.value.problems
    assert problem.field == "init_images[3]" and problem.allowed == "at most 64 megapixels"
    assert time.process_time() - begin < 1
    with pytest.raises(SettingsError, match="at most 64 megapixels") as caught:
        check_mask(header_alone(width, height))
    assert caught.value.problems[0].field == "mask" and caught.value.problems[0].value == f"{width}x{height}"


def test_the_limit_itself_is_allowed():
    check_pixels("picture", MAX_PIXELS, 1)
    with pytest.raises(SettingsError, match="picture is too large: 64000001x1 is 64.0 megapixels"):
        check_pixels("picture", MAX_PIXELS + 1, 1)


def test_other_programs_are_not_started_for_a_picture():
    """Pillow opens EPS with Ghostscript."""
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(Exception, match="no picture that can be read"):
        open_picture("data:image/eps;base64," + base64.b64encode(eps).decode())


# ---------------------------------------------------------------- texts in a PNG


def with_text(kind: str, size: int) -> bytes:
    info = PngInfo()
    (info.add_text if kind == "zTXt" else info.add_itxt)("parameters", "a" * size, zip=True)
    return png_bytes(Image.new("L", (4, 4)), pnginfo=info)


@pytest.mark.parametrize("kind", ["zTXt", "iTXt"])
def test_packed_texts_are_refused_with_their_limit(kind):
    raw = with_text(kind, 300 * MAX_TEXT)
    assert len(raw) < 400_000 and unpacked_text(raw) == MAX_TEXT + 1
    with pytest.raises(SettingsError, match="at most 1 MB") as caught:
        open_picture(url(raw), "image")
    assert caught.value.problems[0].field == "image" and kind in str(caught.value)


@pytest.mark.parametrize("kind", ["zTXt", "iTXt"])
def test_packed_texts_within_the_limit_are_read(kind):
    raw = with_text(kind, 1000)
    assert unpacked_text(raw) == 1000
    assert infotext_of(open_picture(url(raw))) == "a" * 1000


def test_many_small_packed_texts_count_together():
    info = PngInfo()
    for number in range(20):
        info.add_text(f"text {number}", "a" * (MAX_TEXT // 10), zip=True)
    with pytest.raises(SettingsError, match="at most 1 MB"):
        open_picture(url(png_bytes(Image.new("L", (4, 4)), pnginfo=info)))


def test_a_packed_profile_is_left_packed():
    raw = png_bytes(Image.new("L", (4, 4), 9), icc_profile=b"\0" * 50 * MAX_TEXT)
    picture = open_picture(url(raw))
    assert "icc_profile" not in picture.info and picture.getpixel((0, 0)) == 9


def test_chunks_that_are_left_out_change_no_pixel():
    info = PngInfo()
    info.add_text("parameters", "a")
    picture = Image.effect_noise((20, 10), 90).convert("P")
    raw = png_bytes(picture, pnginfo=info, icc_profile=b"x" * 100, transparency=3)
    for cut in (pixels_only(raw), without_profile(raw)):
        again = Image.open(io.BytesIO(cut))
        assert np.array_equal(np.asarray(again.convert("RGBA")), np.asarray(Image.open(io.BytesIO(raw)).convert("RGBA")))
    assert b"tEXt" in without_profile(raw) and b"tEXt" not in pixels_only(raw)


# ---------------------------------------------------------------- masks in infotexts


def settings(mask: str) -> Settings:
    source = {"regions": [{"mask": mask, "prompt": "before"}]}
    return Settings.parse(
        {"enabled": True, "method": "mrgd", "regions": [{"mask": mask, "prompt": "after"}], "options": {"mrgd": {"source": source}}}
    )


def test_a_large_mask_goes_into_the_infotext_as_what_it_can_show():
    rows, columns = np.indices((1000, 2000))
    levels = (np.hypot(rows - 500, columns - 900) < 400).astype(np.uint8) * 255
    mask = encode_rle(2000, 1000, levels.tobytes())
    fields = to_infotext(settings(mask), lasting_mask)
    assert mask not in fields["Regional"] and len(fields["Regional"]) < 8000
    read = from_infotext(fields)
    shape = read.regions[0].shape
    assert shape.size == (512, 256) and reduction(shape) == ""
    assert read.options["mrgd"]["source"]["regions"][0]["mask"] == shape.data
    assert float((mask_at(shape.data, 64, 64) - mask_at(mask, 64, 64)).abs().max()) < 0.02
    assert reduction(settings(mask).regions[0].shape) == (
        "has a mask of 2000 × 1000 pixels: the picture's parameters keep it as 512 × 256."
    )


def test_a_small_mask_stays_as_it_is():
    mask = encode_rle(512, 300, bytes(512 * 300 - 1) + b"\xff")
    assert lasting_mask(mask) == mask and reduction(settings(mask).regions[0].shape) == ""
    assert from_infotext(to_infotext(settings(mask), lasting_mask)) == settings(mask)


def test_soft_masks_stay_soft():
    levels = np.tile(np.linspace(0, 255, 1024).astype(np.uint8), (64, 1))
    kept = lasting_mask(encode_rle(1024, 64, levels.tobytes()))
    assert len(np.unique(decode_mask(kept).numpy())) > 200


def test_a_prompt_that_is_called_mask_is_left_alone():
    given = Settings.parse({"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "rle:2x2:0*4", "name": "mask"}]})
    assert to_infotext(given, lambda text: "changed") == to_infotext(given)
