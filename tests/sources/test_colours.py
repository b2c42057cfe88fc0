"""The colours of a drawing: pixels by their nearest colour, areas without their borders, and pictures of a hundred thousand colours."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lib_regional.request.errors import RegionalError
from lib_regional.sources import colours
from lib_regional.sources.channels import channel_masks, colour_masks, grey_mask

SOME = [(255, 0, 0), (0, 0, 255), (128, 64, 64), (128, 88, 64)]


def packed(rgb: np.ndarray) -> np.ndarray:
    rgb = rgb.astype(np.uint32)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def test_every_pixel_is_of_its_nearest_colour() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (40, 50, 3))
    made = colours.owners(packed(rgb), np.unique(packed(rgb)), SOME)
    naive = np.stack([((rgb - np.array(colour)) ** 2).sum(-1) for colour in SOME]).argmin(0)
    assert (made == naive).all()


@pytest.mark.parametrize("shape", [(30, 20), (1, 9), (9, 1), (1, 1)])
def test_the_inside_of_areas_is_what_erosion_leaves(shape) -> None:
    owner = np.repeat(np.random.default_rng(2).integers(0, 3, shape), 4, 0).astype(np.int16)
    owner = np.repeat(owner, 3, 1)
    height, width = owner.shape
    window = [[owner[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] for x in range(width)] for y in range(height)]
    naive = [[part.min() == part.max() for part in row] for row in window]
    assert (colours._inside(owner) == np.array(naive)).all()


def test_colours_that_are_nearly_a_commoner_one_join_it_but_those_of_the_palette_do_not() -> None:
    found = [(128, 64, 64), (128, 66, 64), (128, 88, 64), (255, 0, 0), (250, 9, 0), (0, 255, 0)]
    values = packed(np.array(found))
    order = np.argsort(values)
    counts = np.array([900, 50, 800, 700, 300, 0])[order]
    assert colours.main_colours(values[order], counts) == [(128, 64, 64), (128, 88, 64), (255, 0, 0)]


def test_noise_takes_no_longer_than_a_drawing() -> None:
    """A damaged JPEG, or a photograph: a hundred thousand colours, hundreds of which are apart from each other."""
    noise = np.random.default_rng(3).integers(0, 256, (96, 96, 3), np.uint8)
    start = time.process_time()
    found = colour_masks(Image.fromarray(noise).resize((768, 768), Image.Resampling.BICUBIC))
    assert time.process_time() - start < 1 and len(found) > 5


def test_more_colours_than_regions_are_refused() -> None:
    levels = np.arange(7) * 42
    patches = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(49, 7, 3).astype(np.uint8)
    with pytest.raises(RegionalError, match="has 336 colours, as a photograph has: at most 256 can be regions"):
        colour_masks(Image.fromarray(patches.repeat(8, 0).repeat(8, 1)))


def test_large_pictures_are_reduced_before_their_colours_are_looked_at() -> None:
    few = Image.new("RGB", (6000, 5000), "white")
    few.paste((250, 20, 20), (0, 0, 3000, 2000))
    few.paste((20, 20, 250), (3000, 2000, 6000, 5000))
    start = time.process_time()
    red, blue = colour_masks(few)
    assert time.process_time() - start < 1
    assert red.mask.shape == blue.mask.shape == (427, 512) and red.mask[:160, :250].min() == 255 and blue.mask[180:, 260:].min() == 255


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "LA"])
def test_a_large_mask_is_reduced_alike_in_every_mode(mode) -> None:
    drawn = Image.new("L", (900, 700))
    drawn.paste(255, (100, 100, 600, 500))
    (found,), (wanted,) = grey_mask(drawn.convert(mode)), grey_mask(drawn.convert("RGBA"))
    assert (found.mask == wanted.mask).all()
    assert len(channel_masks(drawn.convert(mode))) == 3


def test_soft_borders_are_no_colours_of_their_own() -> None:
    drawn = Image.new("RGB", (120, 80), (250, 20, 20))
    drawn.paste((20, 20, 250), (60, 0, 120, 80))
    assert [mask.name for mask in colour_masks(drawn.filter(ImageFilter.GaussianBlur(2)))] == ["#fa1414", "#1414fa"]
