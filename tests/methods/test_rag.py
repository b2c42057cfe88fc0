"""RAG against the methods that it is made of, in one call of the UNet: who predicts which cell, and when."""

from dataclasses import replace

import pytest
import torch
from isolation_cases import FULL, TWO, assert_same, images, plain, plan_of, predict
from toy import rows, toy_model
from two_loras import Loras

from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import preparation
from lib_regional.methods.rag import bound_steps
from lib_regional.request.cost import estimate

HOLE = [{"box": [0, 0, 0.5, 0.5], "prompt": "a", "feather": 0}, {"box": [0.5, 0.5, 1, 1], "prompt": "b", "feather": 0, "negative": "n"}]
"""Two quadrants of four; the base has the others."""
WITH_LORAS = [{**HOLE[0], "prompt": "a <lora:one:0.8>"}, {**HOLE[1], "prompt": "b <lora:two:-0.9>"}]


@pytest.fixture(scope="module")
def model():
    return toy_model()


def plan(method, regions, options=None, **more):
    return plan_of(method, {"regions": regions, "options": {method: options or {}}, **more})


def owned(height=16, width=16):
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[: height // 2, : width // 2] = mask[height // 2 :, width // 2 :] = True
    return mask


@pytest.mark.parametrize("regions", [HOLE, WITH_LORAS], ids=["texts", "LoRAs"])
@pytest.mark.parametrize("soft", [1.0, 0.5])
def test_bound_regions_are_those_of_latent_composite_and_the_rest_is_predicted_jointly(regions, soft):
    model = toy_model()
    model.loras = Loras(model.unet)
    order, x = rows(2), images(rows(2), 16, 16)
    found = predict(model, two(plan("rag", regions, {"bind": 0.4, "soft": soft})), order, x, index=2)
    composite = predict(model, two(plan("latent_composite", regions, {"alone": 0.4})), order, x, index=2)
    shares = [{**region, "base_share": 1 - soft} for region in regions]
    couple = predict(model, two(plan("attention_couple", shares)), order, x, index=2)
    assert_same(found, torch.where(owned(), composite, couple))
    assert float((composite - couple).abs()[..., ~owned()].max()) > 1e-3


def two(one):
    """The same plan for a batch of two pictures."""
    return replace(one, first=replace(one.first, texts=one.first.texts * 2))


def test_after_the_binding_it_is_attention_couple_with_the_base_share(model):
    shares = [{**region, "base_share": 0.7} for region in TWO]
    given = [{**region, "base_share": 0.4} for region in TWO]
    found = predict(model, plan("rag", given, {"bind": 0.4, "soft": 0.5}), index=4)
    assert_same(found, predict(model, plan("attention_couple", shares), index=4))
    assert not torch.allclose(found, predict(model, plan("rag", given, {"bind": 0.4, "soft": 0.5}), index=3), atol=1e-3)


def test_without_soft_refinement_the_base_prompt_is_alone_in_the_end(model):
    assert_same(predict(model, plan("rag", TWO, {"soft": 0}), index=9), plain(model, ["main", "bad"]))


def test_a_region_over_everything_is_its_own_picture(model):
    for index in (0, 9):
        assert_same(predict(model, plan("rag", [{**FULL, "prompt": "a"}]), index=index), plain(model, ["a", "bad"]))


@pytest.mark.parametrize(("share", "total", "steps"), [(0.1, 20, 2), (0.1, 8, 1), (0.1, 4, 1), (0.4, 20, 8), (0, 20, 0), (1, 5, 5)])
def test_few_steps_have_one_of_binding_at_least(share, total, steps):
    assert bound_steps(share, total) == steps


def test_a_hires_pass_has_no_binding(model):
    hires = plan_of("rag", {"regions": TWO}, hires=(["main"], ["bad"]))
    couple = plan_of("attention_couple", {"regions": TWO}, hires=(["main"], ["bad"]))
    assert_same(predict(model, hires, index=0, hires=True), predict(model, couple, index=0, hires=True))


def test_texts_are_encoded_and_loras_are_read_once():
    model = toy_model()
    model.loras = Loras(model.unet)
    hooks = preparation("rag")(plan("rag", WITH_LORAS), DiffusersHost(model))
    assert sorted(text.strip() for texts, *_ in model.encoded for text in texts) == ["a", "b", "bad", "bad, n"]
    assert model.loras.read == ["one", "two"]
    hooks.renew()
    assert model.loras.read == ["one", "two"] * 2


def test_the_cost_has_the_base_only_where_it_shows():
    settings = plan("rag", TWO, {"bind": 1}).settings
    whole = plan("rag", HOLE, {"bind": 1}).settings
    assert estimate(settings, (512, 512)).ratio < 1.05 < estimate(whole, (512, 512)).ratio
