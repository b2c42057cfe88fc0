"""Flows: the settings that they make of a picture, against masks, depth slices and layers made one by one; and what they refuse."""

from __future__ import annotations

import base64
import io

import numpy as np
import picture_models
import pytest
from PIL import Image

from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.fields import REQUIRED
from lib_regional.request.layout.shapes import read_shape
from lib_regional.request.settings import Settings
from lib_regional.sources.models.fields import WAY_FIELDS, read_parameters
from lib_regional.sources.models.flow_fields import FLOW_FIELDS
from lib_regional.sources.models.flows import FLOWS, flow_settings
from lib_regional.sources.models.loading import PictureModels
from lib_regional.sources.models.ways import find_masks
from lib_regional.tensors.masks.weight_maps import shape_mask

DISC = {"ellipse": [0.25, 0.25, 0.75, 0.75]}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("regional")
    for name in ("clipseg", "sam", "dpt"):
        getattr(picture_models, name)(root / name)
    return PictureModels(lambda: [root])


@pytest.fixture(scope="module")
def picture():
    """A red disc on blue, its edge soft over some pixels."""
    y, x = np.mgrid[:64, :96] + 0.5
    alpha = np.clip(1.5 - np.hypot((x - 48) / 24, (y - 32) / 16) * 1.5 + 0.5, 0, 1)[..., None]
    return Image.fromarray(np.rint(alpha * [220, 30, 30] + (1 - alpha) * [20, 30, 200]).astype(np.uint8))


def checked(models, name, picture, **given):
    """The flow's settings, which are read as a request's are."""
    made = flow_settings(models, name, picture, given)
    Settings.parse({"enabled": True, **made}).check_method()
    return made


def mask_of(region, picture):
    kind = next(key for key in region if key in ("mask", "combined", "box"))
    return shape_mask(read_shape(kind, region[kind]), picture.height, picture.width).numpy()


def test_style_by_depth_is_the_slices_with_strengths_on_a_line(models, picture):
    made = checked(models, "depth", picture, slices=4, near=0.2, far=0.8)
    slices = find_masks(models, "depth", picture, {"slices": 4})
    assert [region["mask"] for region in made["regions"]] == [one.url for one in slices] and made["method"] == "collage"
    assert [region["denoise"] for region in made["regions"]] == [0.2, 0.4, 0.6, 0.8]


def test_another_background_repaints_all_but_the_thing(models, picture):
    made = checked(models, "background", picture, shape=DISC, feather=0.1)
    (region,) = made["regions"]
    around = mask_of(region, picture)
    assert made["options"] == {"repaint": {"regions": [0]}} and made["method"] == "repaint" and region["feather"] == 0.1
    assert around[32, 48] == 0 and around[:4].all()
    disc = shape_mask(read_shape("ellipse", DISC["ellipse"]), picture.height, picture.width).numpy()
    assert np.abs(around + disc - 1).max() < 1e-6
    grown = mask_of(checked(models, "background", picture, shape=DISC, grow=0.1)["regions"][0], picture)
    assert (around - grown).max() > 0 and (grown <= around).all()


def test_a_thing_is_found_by_words_or_clicks(models, picture):
    words = checked(models, "background", picture, words="red, disc", threshold=None)["regions"][0]
    both = [one.mask for one in find_masks(models, "words", picture, {"words": "red, disc", "threshold": None})]
    assert np.abs(mask_of(words, picture) - (1 - np.maximum(*both) / 255)).max() < 0.02
    clicked = checked(models, "background", picture, clicks=[[0.5, 0.5]], shape=DISC)["regions"][0]
    (outline,) = find_masks(models, "click", picture, {"clicks": [[0.5, 0.5]]})
    assert clicked["combined"]["of"] == [{"mask": outline.url}]


def test_an_object_is_cut_out_with_its_own_colours(models, picture):
    """In its box, transparent outside, at the soft edge without the background's blue."""
    mask = {"combined": {"op": "blur", "of": [DISC], "amount": 0.03}}
    made = checked(models, "object", picture, shape=mask, denoise=0.4)
    (region,) = made["regions"]
    left, top, right, bottom = region["box"]
    assert left < 0.25 < 0.75 < right and top < 0.25 < 0.75 < bottom and region["denoise"] == 0.4
    cut = np.asarray(Image.open(io.BytesIO(base64.b64decode(region["picture"].partition(",")[2]))))
    assert cut.shape[:2] == (round((bottom - top) * 64), round((right - left) * 96)) and cut.shape[2] == 4
    soft = (cut[..., 3] > 100) & (cut[..., 3] < 200)
    around = np.asarray(picture)[round(top * 64) : round(bottom * 64), round(left * 96) : round(right * 96)]
    assert soft.any() and cut[soft][:, 2].mean() < around[soft][:, 2].mean() - 10


@pytest.mark.parametrize(
    ("flow", "given", "field"),
    [
        ("depth", {"slices": 1}, "slices"), ("depth", {"near": 2}, "near"), ("background", {}, "words"), ("object", {}, "words"),
        ("background", {"shape": {"box": [0, 0, 2, 1]}}, "shape"), ("background", {"shape": {"words": "hat"}}, "shape"),
        ("object", {"shape": DISC, "feather": 1}, "feather"), ("background", {"words": "x" * 300}, "words"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(models, picture, flow, given, field):
    with pytest.raises(SettingsError) as caught:
        flow_settings(models, flow, picture, given)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_missing_model_is_named(picture):
    for given in ({"words": "hat"}, {"clicks": [[0.5, 0.5]]}):
        with pytest.raises(RegionalError, match="There is no"):
            flow_settings(PictureModels(), "object", picture, given)


def test_every_flow_says_what_comes_next():
    assert list(FLOWS) == ["depth", "background", "object"] and all(flow.next.endswith(".") for flow in FLOWS.values())


@pytest.mark.parametrize("fields", [*FLOW_FIELDS.values(), *WAY_FIELDS.values()], ids=[*FLOW_FIELDS, *WAY_FIELDS])
def test_a_parameter_that_is_missing_is_its_default_as_if_it_were_given(fields):
    needed = {name: "hat" for name, field in fields.items() if field.default is REQUIRED}
    written = {name: field.default for name, field in fields.items() if name not in needed}
    assert read_parameters(fields, needed) == read_parameters(fields, {**written, **needed})
