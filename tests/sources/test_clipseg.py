"""CLIPSeg as a guidance model: a small random one from a folder, and what is said where there is none."""

import sys

import pytest
import torch
from picture_models import clipseg
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from lib_regional.request.errors import RegionalError
from lib_regional.sources.clipseg import find_clipseg, named_clipseg


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of the genuine shape with random weights, and a tokenizer of a few letters."""
    return clipseg(tmp_path_factory.mktemp("clipseg"))


def test_maps_of_every_region_follow_the_picture_and_the_words(folder):
    model = find_clipseg(str(folder))
    assert model is not None
    pictures = torch.rand(2, 3, 40, 48).requires_grad_(True)
    maps = model(pictures, [["red", "circle"], ["sky"]])
    seen = maps.detach()
    assert maps.shape == (2, 2, 40, 48)
    assert float(seen.min()) >= 0 and float(seen.max()) <= 1
    assert not torch.allclose(maps[0, 0], maps[0, 1]) and not torch.allclose(maps[0, 0], maps[1, 0])
    (gradient,) = torch.autograd.grad(maps[0].sum(), pictures)
    assert gradient[0].abs().sum() > 0 and gradient[1].abs().sum() == 0


def test_maps_are_those_of_the_model_itself(folder):
    whole, tokenizer = CLIPSegForImageSegmentation.from_pretrained(folder).eval(), CLIPTokenizer.from_pretrained(folder)
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    tokens = tokenizer(["red circle", "sky"], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = whole(**tokens, pixel_values=(((picture + 1) / 2 - mean) / deviation).expand(2, -1, -1, -1)).logits.sigmoid()
        found = find_clipseg(str(folder))(picture, [["red", "circle"], ["sky"]])
    assert torch.allclose(found[0], expected, atol=1e-5)


def test_a_batch_is_its_single_pictures(folder):
    model, pictures = find_clipseg(str(folder)), torch.rand(2, 3, 32, 32)
    both = model(pictures, [["red"]])
    assert torch.allclose(both[1], model(pictures[1:], [["red"]])[0], atol=1e-5)


@pytest.mark.parametrize("given", ["", "/nowhere"])
def test_a_folder_without_a_model_is_none(given, tmp_path):
    assert find_clipseg(given) is None
    assert find_clipseg(str(tmp_path)) is None


def test_without_transformers_the_model_that_was_asked_for_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RegionalError, match=f'"clipseg:{folder}" cannot be used: .* transformers'):
        named_clipseg(f"clipseg:{folder}")
