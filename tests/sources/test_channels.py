"""Pictures of regions: what is found in them, what is kept, and what is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lib_regional.request.errors import RegionalError
from lib_regional.sources import channels, colours
from lib_regional.sources.picture import infotext_of, open_picture
from lib_regional.tensors.masks.decoding import decode_mask

PALETTE = ["#804040", "#408080", "#608040", "#604080", "#807040", "#408050", "#405080", "#804070", "#805840", "#788040"]


def url(image: Image.Image, kind: str = "PNG", **options) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def halves(left, right, size=(64, 32)) -> Image.Image:
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def test_palette_is_regional_prompters():
    assert ["#" + "".join(f"{value:02x}" for value in colours.palette_colour(at)) for at in range(10)] == PALETTE


def test_palette_colours_keep_their_order_wherever_they_lie():
    found = channels.colour_masks(halves(PALETTE[3], PALETTE[0]))
    assert [mask.palette for mask in found] == [0, 3]
    assert found[0].mask[:, 32:].min() == 255 and found[0].mask[:, :32].max() == 0


def test_neighbours_of_the_palette_are_distinguished():
    image = Image.new("RGB", (200, 20))
    for at, colour in enumerate(PALETTE):
        image.paste(colour, (at * 20, 0, at * 20 + 20, 20))
    assert [mask.palette for mask in channels.colour_masks(image)] == list(range(10))


def test_colours_are_found_by_themselves_in_a_jpeg_sketch_on_white():
    image = Image.new("RGB", (320, 240), "white")
    image.paste((250, 20, 20), (20, 20, 120, 220))
    image.paste((20, 40, 240), (200, 40, 300, 200))
    picture = open_picture(url(image, "JPEG", quality=85))
    red, blue = channels.colour_masks(picture)
    for mask, (x0, y0, x1, y1) in ((red.mask, (20, 20, 120, 220)), (blue.mask, (200, 40, 300, 200))):
        wanted = np.zeros((240, 320))
        wanted[y0:y1, x0:x1] = 1
        assert np.abs(mask / 255 - wanted).mean() < 0.01


def test_uncoloured_pixels_go_to_the_lowest_colour_when_asked():
    image = Image.new("RGB", (60, 20), "white")
    image.paste(PALETTE[1], (0, 0, 20, 20))
    image.paste(PALETTE[4], (20, 0, 40, 20))
    (first, mask), (fourth, _) = channels.palette_masks(url(image))
    assert (first, fourth) == (1, 4)
    assert decode_mask(mask)[:, 40:].min() == 1 and decode_mask(mask)[:, 20:40].max() == 0


def test_only_greys_are_refused():
    with pytest.raises(RegionalError, match="only greys"):
        channels.colour_masks(halves("white", "#777"))


def test_soft_greys_are_kept():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 16, 0)
    (found,) = channels.grey_mask(Image.fromarray(ramp))
    assert np.abs(np.asarray(decode_mask(found.url)) * 255 - ramp).max() < 0.5


def test_grey_is_brightness_times_opacity():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert channels.grey_mask(image)[0].mask[0, 0] == round(0.299 * 128)
    with pytest.raises(RegionalError, match="black"):
        channels.grey_mask(Image.new("RGBA", (4, 4), (255, 255, 255, 0)))


def test_channels_are_regions_and_empty_ones_are_none():
    planes = np.zeros((8, 8, 3), np.uint8)
    planes[:, :4, 0], planes[:, 4:, 2] = 255, 100
    found = channels.channel_masks(Image.fromarray(planes))
    assert [mask.name for mask in found] == ["red", "blue"]
    assert found[1].mask[0].tolist() == [0] * 4 + [100] * 4


def test_masks_are_small_however_rough_they_are():
    noise = np.random.default_rng(1).integers(0, 256, (900, 700), dtype=np.uint8)
    (found,) = channels.grey_mask(Image.fromarray(noise))
    assert max(found.mask.shape) == 512
    smooth = np.tile(np.abs(np.linspace(-255, 255, 512)).astype(np.uint8), (512, 1))
    assert len(channels.mask_url(smooth)) < 9000
    assert max(decode_mask(found.url).shape) == 256, "noise is halved"


def test_a_palette_png_is_read_as_what_it_shows():
    picture = open_picture(url(halves("#ff0000", "#00ff00").convert("P", palette=Image.Palette.ADAPTIVE)))
    assert picture.mode == "P"
    assert [mask.name for mask in channels.colour_masks(picture)] == ["#ff0000", "#00ff00"]


def frames(kind):
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    images[0].save(buffer, kind, save_all=True, append_images=images[1:], duration=100)
    return "data:image/gif;base64," + base64.b64encode(buffer.getvalue()).decode()


def truncated():
    whole = url(Image.effect_noise((64, 64), 90)).partition(",")[2]
    return "data:image/png;base64," + base64.b64encode(base64.b64decode(whole)[:2000]).decode()


def coded(raw: bytes, kind="svg+xml") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (url(Image.new("1", (20000, 10000))), "200 megapixels"),
        (truncated(), "cut off"),
        (coded(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), "SVG"),
        (frames("GIF"), "animated GIF of 2 frames"),
        (frames("WEBP"), "animated WEBP"),
        (coded(b"", "png"), "empty"),
        (coded(b"hello, this is text", "png"), "no picture"),
        ("data:text/html;base64,PGI+", "text/html"),
        ("data:image/png;base64,***", "base64"),
    ],
    ids=["200 megapixels", "truncated", "SVG", "GIF", "animated WebP", "empty", "text", "another type", "no base64"],
)
def test_bad_files_are_named(text, says):
    with pytest.raises(RegionalError, match=says):
        open_picture(text)


def test_the_parameters_of_a_picture():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a\nSteps: 1")
    assert infotext_of(open_picture(url(Image.new("L", (4, 4)), pnginfo=info))) == "a\nSteps: 1"
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + "ä\nSteps: 2".encode("utf-16-be")}
    assert infotext_of(open_picture(url(Image.new("L", (4, 4)), "JPEG", exif=exif))) == "ä\nSteps: 2"
    assert infotext_of(open_picture(url(Image.new("L", (4, 4))))) == ""
