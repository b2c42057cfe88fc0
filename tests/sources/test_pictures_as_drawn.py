"""Mask pictures as a viewer shows them: turned, scaled to 8 bits, with their opacity, with small areas and without noise."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lib_regional.api.checks import validate
from lib_regional.request.layout.mask_codecs import PNG_PREFIX
from lib_regional.request.settings import Settings
from lib_regional.sources.channels import channel_masks, colour_masks, grey_mask
from lib_regional.sources.picture import eight_bits, infotext_of, open_drawn, open_picture
from lib_regional.tensors.masks.decoding import decode_mask

ORIENTATION = 0x0112


def written(image: Image.Image, kind: str = "PNG", **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def halves(size: tuple[int, int] = (48, 32)) -> Image.Image:
    image = Image.new("RGB", size, "#ff0000")
    image.paste("#0000ff", (size[0] // 2, 0, *size))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_turned_as_its_exif_says(orientation, kind):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    drawn = open_drawn(written(halves(), kind, exif=exif))
    assert drawn.size == ((32, 48) if orientation >= 5 else (48, 32))
    assert [mask.mask.shape for mask in colour_masks(drawn)] == [drawn.size[::-1]] * 2


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\0\0\0\0", b"Exif\0\0"]
)
def test_an_exif_that_lies_turns_nothing(exif):
    text = written(halves(), "JPEG", exif=exif)
    assert open_drawn(text).size == (48, 32)
    assert infotext_of(open_picture(text)) == ""


def test_sixteen_bits_are_scaled():
    ramp = np.tile((np.arange(0, 65536, 8278)[:8]).astype(np.uint16), (4, 1))
    drawn = open_drawn(written(Image.fromarray(ramp)))
    assert np.asarray(drawn)[0].tolist() == [0, 32, 64, 97, 129, 161, 193, 225]


@pytest.mark.parametrize(
    ("levels", "expected"), [([0, 0.5, 1], [0, 128, 255]), ([0, 100, 255], [0, 100, 255]), ([0, np.nan, 510], [0, 0, 255])]
)
def test_floats_are_scaled_by_their_range(levels, expected):
    picture = Image.fromarray(np.array([levels], np.float32))
    assert np.asarray(eight_bits(picture))[0].tolist() == expected


def test_opacity_counts_where_the_colour_says_nothing():
    for colour in ("black", "white", "#808080"):
        image = Image.new("RGBA", (16, 8), (0, 0, 0, 0))
        image.paste(colour, (0, 0, 8, 8))
        assert np.asarray(grey_mask(image)[0].mask)[0].tolist() == [255] * 8 + [0] * 8


def test_a_small_area_is_found():
    image = Image.new("RGB", (512, 512))
    image.paste("#ff0000", (0, 0, 256, 512))
    image.paste("#0000ff", (400, 400, 420, 420))
    masks = colour_masks(image)
    assert [int((mask.mask > 0).sum()) for mask in masks] == [256 * 512, 400]


def test_the_noise_of_a_jpeg_is_no_channel():
    drawn = open_drawn(written(halves((96, 64)), "JPEG", quality=30))
    assert [mask.name for mask in channel_masks(drawn)] == ["red", "blue"]


def test_a_png_under_another_label_is_a_png():
    text = written(Image.new("L", (8, 8), 255))
    settings = Settings.parse({"enabled": True, "regions": [{"mask": text.replace("image/png", "image/jpeg"), "prompt": "x"}]})
    mask = settings.to_json()["regions"][0]["mask"]
    assert mask.startswith(PNG_PREFIX) and decode_mask(mask).min() == 1


REASONS = [
    ({"box": [0.5, 0.5, 0.504, 0.504]}, "smaller than one cell"),
    ({"mask": written(Image.new("L", (64, 64), 0))}, "empty mask"),
]


@pytest.mark.parametrize(("shape", "reason"), REASONS, ids=["tiny", "empty"])
def test_the_warning_names_the_true_reason(shape, reason):
    settings = Settings.parse({"enabled": True, "regions": [{**shape, "prompt": "a red circle"}]})
    assert reason in " ".join(validate(settings, "grass", "", (128, 128))["warnings"])


def test_a_covered_region_is_said_to_be_covered():
    regions = [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0, 0, 1, 1], "prompt": "b", "priority": 1}]
    settings = Settings.parse({"enabled": True, "overlap": "over", "regions": regions})
    assert "is covered by other regions" in " ".join(validate(settings, "grass", "", (128, 128))["warnings"])
