"""Latent composite after its steps alone is the method that it goes on with, in every slot, and nothing is prepared twice."""

import pytest
import torch
from isolation_cases import HALVES, called, plan_of, predict
from toy import Cond, rows, toy_model
from two_loras import Loras

from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import preparation

REGIONS = [{**HALVES[0], "prompt": "a <lora:one:0.8>"}, {**HALVES[1], "prompt": "b <lora:two:-0.9>", "negative": "n"}]


@pytest.fixture
def model():
    made = toy_model()
    made.loras = Loras(made.unet)
    return made


def composite(after, alone=0.3, **more):
    options = {"latent_composite": {"alone": alone, "after": after}, **more}
    return plan_of("latent_composite", {"regions": REGIONS, "options": options})


@pytest.mark.parametrize("separate", ["nothing", "attention", "norms", "all"])
def test_afterwards_it_is_attention_couple_in_every_slot(model, separate):
    more = {"attention_couple": {"separate": separate, "separate_until": 1.0}}
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    couple = plan_of("attention_couple", {"regions": REGIONS, "options": more})
    expected = predict(model, couple, rows(), x, index=5)
    torch.testing.assert_close(predict(model, composite("attention_couple", **more), rows(), x, index=5), expected)
    early = predict(model, composite("attention_couple", **more), rows(), x, index=0)
    assert not torch.allclose(early, predict(model, couple, rows(), x, index=0), atol=1e-3)


def test_the_slots_of_what_follows_are_all_there(model):
    more = {"attention_couple": {"separate": "all"}}
    couple = plan_of("attention_couple", {"regions": REGIONS, "options": more})
    follows = preparation("attention_couple")(couple, DiffusersHost(model))
    hooks = preparation("latent_composite")(composite("attention_couple", **more), DiffusersHost(model))
    missing = [name for name, slot in vars(follows).items() if slot and not getattr(hooks, name)]
    assert not missing and hooks.spatial is not None and hooks.self_attention is not None


@pytest.mark.parametrize("after", ["attention_couple", "latent_couple", "nothing"])
def test_texts_are_encoded_and_loras_are_read_once(model, after):
    hooks = preparation("latent_composite")(composite(after), DiffusersHost(model))
    encoded = [text.strip() for texts, *_ in model.encoded for text in texts]
    assert sorted(encoded) == ["a", "b", "bad", "bad, n"]
    assert model.loras.read == ["one", "two"]
    model.encoded.clear()
    hooks.renew()
    assert sorted(text.strip() for texts, *_ in model.encoded for text in texts) == ["a", "b", "bad", "bad, n"]
    assert model.loras.read == ["one", "two"] * 2


@pytest.mark.parametrize("index", [0, 5], ids=["alone", "afterwards"])
def test_after_a_change_of_weights_the_new_contexts_are_used(model, index):
    plan, x, encode = composite("attention_couple"), torch.ones(2, 4, 8, 8), model.encode_schedules

    def doubled(texts, steps, **more):
        found = encode(texts, steps, **more)
        return [tuple((end, Cond(cond.crossattn * 2)) for end, cond in schedule) for schedule in found]

    model.encode_schedules = doubled
    expected = predict(model, plan, rows(), x, index=index)
    model.encode_schedules = encode
    host = DiffusersHost(model)
    hooks = preparation("latent_composite")(plan, host)
    with torch.no_grad(), host.patched(hooks):
        before = called(model, x, rows(), ["main", "bad"], index=index)
        model.encode_schedules = doubled
        hooks.renew()
        after = called(model, x, rows(), ["main", "bad"], index=index)
    assert not torch.allclose(before, after, atol=1e-4)
    torch.testing.assert_close(after, expected)
