"""Very large pictures are decoded in tiles: nearly the picture at once, and nothing of it stays behind."""

from __future__ import annotations

import logging

import pytest
import torch

from lib_regional.standalone.model import tiles
from lib_regional.standalone.model.loading import load_model


@pytest.fixture(scope="module")
def model():
    return load_model(None, None)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "AT_ONCE", 128 * 128)
    monkeypatch.setattr(tiles, "TILE", 128)


def picture(width, height):
    """A grey ramp with squares, (1, 3, H, W) in -1..1."""
    made = torch.linspace(-0.6, 0.6, width).expand(1, 3, height, width).clone()
    for at in range(16, width - 48, 96):
        made[:, at % 3, 24:72, at : at + 40] = 0.7
    return made


def test_a_large_picture_in_tiles_is_nearly_the_picture_at_once(model, monkeypatch, caplog):
    given = picture(320, 192)
    latents = model.encode_images(given)
    whole = model.decode(latents)
    assert "tiles" not in caplog.text
    monkeypatch.setattr(tiles, "AT_ONCE", 128 * 128)
    monkeypatch.setattr(tiles, "TILE", 128)
    with caplog.at_level(logging.WARNING):
        pieces = model.decode(latents)
    assert "320×192 pixels" in caplog.text and "tiles of 128" in caplog.text
    assert pieces.shape == whole.shape and not torch.equal(pieces, whole)
    apart, lost = (float((made - whole).abs().mean()) for made in (pieces, given))
    assert apart < 0.05 and apart < 0.4 * lost, "less than what the autoencoder loses itself"
    assert torch.equal(model.encode_images(given), latents), "and encoded at once"


def test_every_tile_is_of_that_size_and_so_is_the_memory(model, small_tiles, monkeypatch):
    seen, inner = [], model.vae.decoder.forward
    monkeypatch.setattr(model.vae.decoder, "forward", lambda x, *more: seen.append(tuple(x.shape[-2:])) or inner(x, *more))
    made = model.decode(torch.zeros(1, 4, 24, 40))
    assert made.shape == (1, 3, 192, 320) and len(seen) > 4
    assert max(height for height, _ in seen) == max(width for _, width in seen) == 16


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_nothing_stays_behind(model, small_tiles, monkeypatch, fault):
    before = dict(vars(model.vae))
    if fault is not None:
        monkeypatch.setattr(model.vae.decoder, "forward", lambda *_: (_ for _ in ()).throw(fault("in the middle")))
        with pytest.raises(fault):
            model.decode(torch.zeros(1, 4, 24, 40))
    else:
        model.decode(torch.zeros(1, 4, 24, 40))
    assert vars(model.vae) == before


def test_pictures_of_ordinary_sizes_are_decoded_at_once(model, caplog):
    assert tiles.AT_ONCE >= 2048 * 2048
    model.decode(torch.zeros(1, 4, 16, 16))
    assert "tiles" not in caplog.text and model.vae.use_tiling is False
