"""Conditionings with masks and strengths against the sum that hosts form natively."""

import pytest
import torch
from isolation_cases import FULL, HALVES, TWO, alone, assert_same, images, plain, plan_of, predict
from toy import rows, toy_model

from lib_regional.tensors.masks.weight_maps import region_mask


@pytest.fixture(scope="module")
def model():
    return toy_model()


def native(model, plan, x, base_strength):
    """Σ strength · mask · output ÷ Σ strength · mask, the base being one conditioning more."""
    masks = [region_mask(region, *x.shape[-2:]) for region in plan.layout.regions]
    outs = []
    for at, base, own_texts in (
        (0, "main", plan.first.texts[0].regions),
        (1, "bad", [n or "bad" for n in plan.first.texts[0].region_negatives]),
    ):
        whole = 1 - (1 - base_strength) * sum(masks).clamp_max(1)
        top, bottom = whole * alone(model, x[at], base), whole.clone()
        for mask, region, text in zip(masks, plan.layout.regions, own_texts, strict=True):
            top, bottom = top + region.weight * mask * alone(model, x[at], text), bottom + region.weight * mask
        outs.append(top / bottom)
    return torch.stack(outs)


@pytest.mark.parametrize("base", [0.0, 0.5, 1.0])
def test_equals_the_native_sum(model, base):
    """Masks that end at cell borders, so that averaging has nothing to average."""
    regions = [
        {"box": [0, 0, 0.5, 1], "prompt": "a", "weight": 0.5, "feather": 0},
        {"box": [0.25, 0.5, 1, 1], "prompt": "b", "negative": "n", "weight": 2, "feather": 0},
    ]
    plan = plan_of("mask_conditioning", {"regions": regions, "options": {"mask_conditioning": {"base_strength": base}}})
    x = images(rows(), 8, 16)
    assert_same(predict(model, plan, x=x), native(model, plan, x, base))


@pytest.mark.parametrize("strength", [0.3, 1.0, 5.0])
def test_a_full_mask_is_its_prompt(model, strength):
    plan = plan_of("mask_conditioning", {"regions": [{**FULL, "prompt": "a", "weight": strength}]})
    assert_same(predict(model, plan), plain(model, ["a", "bad"]))


def test_one_text_everywhere_is_the_plain_prompt(model):
    data = {"regions": [{**h, "prompt": "main", "weight": 3} for h in HALVES], "options": {"mask_conditioning": {"base_strength": 0.7}}}
    assert_same(predict(model, plan_of("mask_conditioning", data)), plain(model, ["main", "bad"]))


def test_strength_counts_against_the_base(model):
    """Twice the strength against a base of strength 1: two thirds instead of a half."""
    halves = []
    for strength in (1.0, 2.0):
        data = {"regions": [{**FULL, "prompt": "a", "weight": strength}], "options": {"mask_conditioning": {"base_strength": 1}}}
        halves.append(predict(model, plan_of("mask_conditioning", data))[0])
    own, base = plain(model, ["a", "bad"])[0], plain(model, ["main", "bad"])[0]
    assert_same(halves[0], (own + base) / 2)
    assert_same(halves[1], (2 * own + base) / 3)


def test_the_order_of_regions_does_not_matter(model):
    regions = [{**TWO[0], "box": [0, 0, 0.7, 1], "weight": 2}, TWO[1]]
    assert_same(*(predict(model, plan_of("mask_conditioning", {"regions": r})) for r in (regions, regions[::-1])))
