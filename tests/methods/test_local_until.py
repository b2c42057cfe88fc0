"""Norms and convolutions that see their own region alone for longer than self-attention does, against layers run half by half."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from isolation_cases import HALVES, TWO, assert_same, called, latent, plan_of, predict
from torch import nn
from toy import ToyModel, rows, toy_model
from toy_references import reference, referring

from lib_regional.engine.calls import Row
from lib_regional.engine.capabilities import ModelFacts
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session
from lib_regional.request.settings import Settings
from tests.support.half import Case, every_precision, exact, relative_error

ROW = [Row(0, "cond")]


@pytest.fixture(scope="module")
def model() -> ToyModel:
    return toy_model()


def local(until=1.0, regions=None, **more):
    regions = regions or [{**region, "feather": 0} for region in TWO]
    return plan_of("attention_couple", {"regions": regions, "options": {"attention_couple": {"local_until": until, **more}}})


def noise(width=16):
    return exact(1, 4, 8, width, seed=3)


def run(model, plan, x=None, **step):
    return predict(model, plan, ROW, noise() if x is None else x, ["main"], **step)[0]


@contextmanager
def halves_by_themselves(unet):
    """Every norm runs on each half, every convolution on the canvas with zeros in the other half."""

    def norm(layer):
        return lambda x: torch.cat(
            [F.group_norm(half, layer.num_groups, layer.weight, layer.bias, layer.eps) for half in x.chunk(2, -1)], -1
        )

    def conv(layer):
        def forward(x):
            left, right = x.clone(), x.clone()
            left[..., x.shape[-1] // 2 :], right[..., : x.shape[-1] // 2] = 0, 0
            left, right = (F.conv2d(z, layer.weight, layer.bias, layer.stride, layer.padding) for z in (left, right))
            return torch.cat([left[..., : left.shape[-1] // 2], right[..., left.shape[-1] // 2 :]], -1)

        return forward

    with ExitStack() as stack:
        for module in unet.modules():
            if isinstance(module, nn.GroupNorm):
                stack.enter_context(mock.patch.object(module, "forward", norm(module)))
            elif isinstance(module, nn.Conv2d):
                stack.enter_context(mock.patch.object(module, "forward", conv(module)))
        yield


def wanted(model, plan, **step):
    with halves_by_themselves(model.unet):
        return run(model, plan, **step)


def test_norms_and_convolutions_see_their_half_and_attention_sees_all(model):
    got = run(model, local())
    assert_same(got, wanted(model, local(0)))
    assert not torch.allclose(got, run(model, local(0)), atol=1e-3)
    assert not torch.allclose(got, run(model, local(isolate_until=1)), atol=1e-3)


def test_every_row_of_a_call(model):
    x, order = latent(2, 8, 16), rows()
    got = predict(model, local(), order, x, ["main", "bad"])
    with halves_by_themselves(model.unet):
        assert_same(got, predict(model, local(0), order, x, ["main", "bad"]))


@every_precision
def test_in_half_precision_as_near_as_the_layers_half_by_half(model, case: Case):
    """Its error against double precision is theirs in the same precision."""
    context = lambda self, text: exact(77, 16, seed=sum(map(ord, text))).to(self.unet.dtype)  # noqa: E731
    with mock.patch.object(ToyModel, "context", context):
        exactly, mine = toy_model(), toy_model()
        exactly.unet.double()
        mine.unet.to(case.dtype)
        true = wanted(exactly, local(0), x=noise().double())
        with case.ambient():
            theirs, got = wanted(mine, local(0), x=case.of(noise())), run(mine, local(), x=case.of(noise()))
    assert relative_error(got, true) <= 2 * relative_error(theirs, true) + 1e-6


def test_it_begins_where_regions_are_one_picture_again_and_ends_with_its_share(model):
    both, alone, never = local(0.6, isolate_until=0.3), local(0, isolate_until=0.3), local(0)
    for index in (0, 2):
        assert torch.equal(*(run(model, plan, index=index) for plan in (both, alone)))
    for index in (3, 5):
        assert_same(run(model, both, index=index), wanted(model, never, index=index))
    for index in (6, 9):
        assert torch.equal(*(run(model, plan, index=index) for plan in (both, never)))
    shorter = local(0.2, isolate_until=0.3)
    assert all(torch.equal(*(run(model, plan, index=index) for plan in (shorter, alone))) for index in (0, 2, 3, 9))


def test_in_one_generation_step_after_step(model):
    """What was prepared for one stage is not used in another."""
    plan, order = local(0.6, isolate_until=0.3), ROW
    with torch.no_grad(), open_session(DiffusersHost(model), plan):
        steps = {index: called(model, noise(), order, ["main"], index=index)[0] for index in (0, 4, 8, 2, 5)}
    for index, got in steps.items():
        assert_same(got, run(model, plan, index=index))


def test_it_is_the_first_passs_alone(model):
    plans = [replace(plan, hires=plan.first) for plan in (local(), local(0))]
    assert torch.equal(*(run(model, plan, hires=True) for plan in plans))


def test_attention_is_still_separated_where_loras_differ(model):
    """``separate`` keeps self-attention apart between sets of LoRAs, whatever norms and convolutions do."""
    regions = [{**half, "feather": 0, "prompt": f"{text} <lora:{text}:1>"} for half, text in zip(HALVES, "ab", strict=True)]
    separate = {"separate": "attention", "border": 0}
    got = run(model, local(regions=regions, **separate))
    assert_same(got, wanted(model, local(0, regions, **separate)))
    assert not torch.allclose(got, wanted(model, local(0, regions, separate="nothing")), atol=1e-3)


def test_where_no_region_has_a_text_it_does_nothing(model):
    regions = [{**half, "prompt": "", "feather": 0} for half in HALVES]
    assert torch.equal(run(model, local(regions=regions)), run(model, local(0, regions)))


def test_a_reference_picture_is_as_good_as_a_text(model):
    regions = [{**TWO[0], "feather": 0}, {**HALVES[1], "feather": 0, "prompt": "", "reference": reference(steps=[0, 0.5])}]
    got = run(model, referring(model, local(regions=regions)))
    assert_same(got, wanted(model, referring(model, local(0, regions))))


def test_a_transformer_has_no_such_layers(model):
    """Where self-attention is isolated behind its projections, nothing is hooked for it."""
    facts = ModelFacts(cross_attention=True, self_attention=False, projected_self_attention=True)
    with mock.patch.object(DiffusersHost, "facts", facts):
        from lib_regional.methods import prepare

        hooks = prepare(local(), DiffusersHost(model))
    assert hooks is not None and hooks.projected_self_attention is None and hooks.spatial is None


def test_nothing_stays_behind(model):
    before = {name: dict(vars(module)) for name, module in model.unet.named_modules()}
    with pytest.raises(RuntimeError, match="in the middle"), open_session(DiffusersHost(model), local()):
        called(model, latent(2, 8, 16), rows(), ["main", "bad"])
        raise RuntimeError("in the middle")
    for name, module in model.unet.named_modules():
        now, was = vars(module), before[name]
        assert now.keys() == was.keys() and all(now[key] is was[key] or now[key] == was[key] for key in now if key != "_parameters")


@pytest.mark.parametrize("value", [-0.1, 1.1, "early", None])
def test_other_values_are_named(value):
    with pytest.raises(Exception, match=r"local_until"):
        Settings.parse({"enabled": True, "regions": TWO, "options": {"attention_couple": {"local_until": value}}})
