"""Regions' pictures: fitted, laid over a picture, limited; and what a picture's parameters keep of them."""

from __future__ import annotations

import base64
import io
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import from_infotext, to_infotext
from lib_regional.request.settings import Settings
from lib_regional.sources import collage
from lib_regional.sources.collage import fitted, laid, region_pictures
from lib_regional.sources.lasting import ROOM, lasting_pictures, reductions
from lib_regional.sources.picture import open_drawn


def url(picture, kind="PNG", **save):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **save)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def settings(*regions):
    return Settings.parse({"enabled": True, "method": "collage", "regions": list(regions)})


def alpha_box(picture):
    return Image.fromarray(np.asarray(picture)[..., 3]).getbbox()


WIDE = Image.new("RGBA", (40, 20), (200, 0, 0, 255))


@pytest.mark.parametrize(("fit", "box"), [("contain", (0, 8, 32, 24)), ("cover", (0, 0, 32, 32)), ("stretch", (0, 0, 32, 32))])
def test_how_a_picture_fits(fit, box):
    found = fitted(WIDE, (32, 32), fit)
    assert found.size == (32, 32) and alpha_box(found) == box


def test_cover_cuts_the_sides_off_and_stretch_does_not():
    halves = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    halves.paste((0, 0, 255, 255), (0, 0, 8, 20))
    blue = [int((np.asarray(fitted(halves, (20, 20), fit))[10, :, 2] > 128).sum()) for fit in ("cover", "stretch")]
    assert blue == [0, 4]


def test_laid_by_alpha_and_mask_with_the_later_and_higher_on_top():
    base = torch.zeros(2, 3, 8, 8)
    half = Image.new("RGBA", (4, 4), (255, 255, 255, 128))
    layout = settings(
        {"box": [0, 0, 1, 1], "picture": url(Image.new("RGB", (4, 4), (255, 0, 0))), "priority": 1},
        {"box": [0, 0, 0.5, 1], "picture": url(Image.new("RGB", (4, 4), (0, 255, 0)))},
        {"ellipse": [0.5, 0, 1, 0.5], "picture": url(half), "fit": "stretch", "priority": 2},
        {"box": [0, 0, 1, 1], "picture": url(Image.new("RGB", (4, 4), (0, 0, 255))), "priority": 9, "enabled": False},
    ).layout()
    made = (laid(base, layout, region_pictures(layout)) * 255).to(torch.uint8)
    assert made[0, :, 6, 1].tolist() == [255, 0, 0] and torch.equal(made[0], made[1])
    assert made[0, :, 1, 5].tolist() == [255, 128, 128] and made[0, :, 0, 4].tolist() == [255, 0, 0]
    assert not base.any()


def test_a_photograph_is_turned_as_its_exif_says():
    photo = Image.new("RGB", (40, 20), (255, 0, 0))
    photo.paste((0, 0, 255), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    layout = settings({"box": [0, 0, 1, 1], "picture": url(photo, "JPEG", exif=exif, quality=95)}).layout()
    (found,) = region_pictures(layout).values()
    assert found.size == (20, 40) and found.getpixel((10, 5))[2] > 200 and found.getpixel((10, 35))[0] > 200


def test_all_pictures_together_have_the_limit_of_one(monkeypatch):
    monkeypatch.setattr(collage, "MAX_PIXELS", 100)
    layout = settings(*({"box": [0, 0, 1, 1], "picture": url(Image.new("L", (8, 8)))} for _ in range(2))).layout()
    with pytest.raises(SettingsError, match="Region 2: picture is too large") as caught:
        region_pictures(layout)
    assert caught.value.problems[0].field == "regions[1].picture"


NOISE = [Image.effect_noise((side, side), 90) for side in (300, 700)]


def test_small_pictures_stay_and_large_ones_are_reduced_for_the_infotext():
    small, large = url(WIDE), url(NOISE[1])
    assert lasting_pictures([small, None]) == [small, None]
    kept = lasting_pictures([large, None, small, url(NOISE[0])])
    assert kept[2] == small and sum(len(text or "") for text in kept) <= ROOM
    assert 32 <= max(open_drawn(kept[0]).size) < 700


def test_the_parameters_hold_the_reduced_picture_and_say_so():
    asked = settings({"box": [0, 0, 1, 1], "prompt": "a cat", "picture": url(NOISE[1]), "denoise": 0.25})
    found = from_infotext(to_infotext(asked, reduce_pictures=lasting_pictures))
    side = max(open_drawn(found.regions[0].picture).size)
    assert found.regions[0].denoise == 0.25
    kept = f"the picture's parameters keep it as {side} × {side}, with the small losses of WebP."
    note = f'Region 1 ("a cat") has a picture of 700 × 700 pixels: {kept}'
    assert list(reductions(asked)) == [note]


def test_a_picture_without_room_is_left_out_and_named():
    asked = settings(*({"box": [0, 0, 1, 1], "picture": url(NOISE[0])} for _ in range(120)))
    assert from_infotext(to_infotext(asked, reduce_pictures=lasting_pictures)).regions[0].picture is None
    assert "no room: they leave it out" in next(iter(reductions(asked)))


def test_the_generation_warns(caplog):
    from types import SimpleNamespace

    from lib_regional.webui import driver

    p = SimpleNamespace(extra_generation_params={}, sample=lambda: None)
    with caplog.at_level(logging.WARNING):
        driver.begin(p, settings({"box": [0, 0, 1, 1], "picture": url(NOISE[1])}))
    assert "the picture's parameters keep it as" in caplog.text and len(p.extra_generation_params["Regional"]) < ROOM + 500
