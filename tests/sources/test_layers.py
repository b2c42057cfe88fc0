"""Layers of a picture: laid over each other they are the picture, and soft edges lose the colour of what lay beneath."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from lib_regional.request.layout.boxes import Box
from lib_regional.request.layout.regions import Layout, Region
from lib_regional.request.layout.shapes import Ellipse, read_shape
from lib_regional.sources.layers import layers_of, layers_zip, split

LAYOUTS = {
    "columns": Layout((Region(Box(0, 0, 0.5, 1), prompt="a"), Region(Box(0.5, 0, 1, 1), prompt="b"))),
    "holes and overlaps": Layout(
        (
            Region(Ellipse(0.1, 0.1, 0.7, 0.8), prompt="a", feather=0.3),
            Region(Box(0.4, 0.2, 0.9, 0.9), prompt="b", weight=3, base_share=0.2),
        ),
    ),
    "over": Layout((Region(Box(0, 0, 0.8, 1), prompt="a"), Region(Box(0.3, 0.3, 1, 1), prompt="b", priority=1)), "over"),
    "gradients": Layout(
        tuple(
            Region(read_shape("procedural", {"kind": "linear", "from": [first, 0.5], "to": [1 - first, 0.5]}), prompt="a")
            for first in (0, 1)
        )
    ),
}


def picture(seed: int = 0) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(rough).resize((64, 48), Image.Resampling.BICUBIC)


def composed(layers: list[np.ndarray]) -> np.ndarray:
    """Layers, top first, each laid over what is beneath: colours over colours by opacity."""
    found = layers[-1][..., :3].astype(np.float64)
    for layer in reversed(layers[:-1]):
        alpha = layer[..., 3:] / 255
        found = alpha * layer[..., :3] + (1 - alpha) * found
    return found


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("seed", range(3))
def test_layers_laid_over_each_other_are_the_picture(layout, seed):
    shown = picture(seed)
    layers = list(layers_of(shown, layout))
    assert [layer.region for layer in layers] == [0, 1, None]
    assert np.abs(composed([layer.pixels for layer in layers]) - np.asarray(shown)).max() <= 1
    assert (layers[-1].pixels[..., 3] == 255).all()


def test_the_colour_beneath_is_taken_out_of_soft_edges():
    alpha = ((torch.arange(64.0) - 26) / 12).clamp(0, 1).repeat(48, 1)
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    mixed = alpha * red[:, None, None] + (1 - alpha) * blue[:, None, None]
    foreground, beneath = split(mixed, alpha)
    seen = alpha > 0.3
    wanted = (mixed - red[:, None, None]).abs()[:, seen].mean()
    assert (foreground - red[:, None, None]).abs()[:, seen].mean() < 0.35 * wanted, "nearer to pure red than the picture is"
    assert torch.allclose(alpha * foreground + (1 - alpha) * beneath, mixed, atol=0.5 / 255)


def test_the_zip_has_every_layer_and_a_manifest():
    layout = Layout((Region(Box(0.25, 0.5, 0.75, 1), prompt="a hat", name="hat", feather=0),))
    archive = zipfile.ZipFile(io.BytesIO(layers_zip(picture(), layout)))
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["width"], manifest["height"], manifest["order"]) == (64, 48, "top first")
    assert manifest["layers"] == [
        {"file": "001 region 1.png", "region": 1, "name": "hat", "prompt": "a hat", "bounds": [16, 24, 48, 48]},
        {"file": "002 base.png", "region": None, "name": "base", "bounds": [0, 0, 64, 48]},
    ]
    layers = [np.asarray(Image.open(io.BytesIO(archive.read(row["file"])))) for row in manifest["layers"]]
    assert np.abs(composed(layers) - np.asarray(picture())).max() <= 1
