"""Flows to the end: their settings in img2img on the standalone host, and what of the picture they change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lib_regional.sources.models.flows import flow_settings
from lib_regional.sources.models.loading import PictureModels
from lib_regional.tensors.masks.slices import slice_levels
from tests.support.generations import encoded

LEFT = {"box": [0, 0, 0.5, 1]}
HALF = 96 // 2


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(3).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def recipe(picture, name, **given):
    return flow_settings(PictureModels(), name, Image.fromarray(picture), given)


def refine(make, picture, settings):
    request = {"init_images": [encoded(picture)], "denoising_strength": 0.9, "sampler_name": "Euler", "steps": 4}
    return make({**settings, "enabled": True}, "img2img", **request)[0].astype(np.int16)


def test_another_background_keeps_the_things_bytes(make, picture):
    settings = recipe(picture, "background", shape=LEFT, feather=0.02)
    settings["regions"][0]["prompt"] = "b"
    made = refine(make, picture, settings)
    assert (made[:, : HALF - 16] == picture[:, : HALF - 16]).all() and np.abs(made - picture)[:, HALF + 8 :].mean() > 5


def test_an_object_stands_in_the_other_picture_and_the_rest_keeps_its_bytes(make, picture):
    other = np.full_like(picture, 128)
    settings = recipe(picture, "object", shape={"box": [0.25, 0, 0.5, 0.5]}, denoise=0.0)
    made = refine(make, other, settings)
    assert np.abs(made[2:30, 26:46] - picture[2:30, 26:46].astype(int)).max() <= 1 and (made[:, HALF + 8 :] == 128).all()
    free = refine(make, other, recipe(picture, "object", shape={"box": [0.25, 0, 0.5, 0.5]}, denoise=0.9))
    assert np.abs(free - made)[2:30, 26:46].mean() > 5 and (free[:, HALF + 16 :] == 128).all()


def test_style_by_depth_changes_far_slices_more(make, picture, monkeypatch):
    """The left is near: slices of a known depth stand in for those of a model."""
    from lib_regional.sources.channels import FoundMask
    from lib_regional.sources.models import flows

    depth = np.broadcast_to(np.linspace(0, 1, 96), (64, 96)).copy()
    levels = slice_levels(torch.from_numpy(depth), [0, 0.5, 1], 0.0).numpy()
    monkeypatch.setattr(flows, "find_masks", lambda *_: [FoundMask(one, name, exact=True) for one, name in zip(levels, "nf", strict=True)])
    made = refine(make, picture, recipe(picture, "depth", slices=2, near=0.0, far=0.9))
    assert np.abs(made - picture)[:, : HALF - 8].max() <= 1 and np.abs(made - picture)[:, HALF + 8 :].mean() > 5
