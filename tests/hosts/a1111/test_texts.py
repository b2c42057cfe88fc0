"""Texts to contexts through the host's own parser: steps, sizes, and the host's way of reading a schedule."""

import pytest
import torch
from webui import Processing, WebUI, at, checkpoint, context, get_learned_conditioning

from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.methods.common.contexts import context_at

MODEL = checkpoint()


@pytest.fixture
def webui(monkeypatch):
    MODEL.encoded.clear()
    MODEL.rich = False
    return WebUI(monkeypatch, MODEL)


def encode(webui, p, texts, steps=10, negative=False, **more):
    return A1111Host(webui.model, p).encode(texts, steps=steps, negative=negative, size=(64, 80), **more)


def test_every_text_has_its_context(webui):
    (one,), (two,) = encode(webui, None, ["a", "b " * 80])
    assert torch.equal(one[1].crossattn, context("a")) and two[1].crossattn.shape[0] == 154
    assert webui.model.encoded == [(["a", "b " * 80], 10, None, False, (64, 80))]


def test_negatives_are_marked_as_such(webui):
    encode(webui, None, ["a"], negative=True)
    assert webui.model.encoded[0][3] is True


def test_sdxl_conds_give_their_tokens(webui):
    webui.model.rich = True
    ((_, encoded),) = encode(webui, None, ["a"])[0]
    assert torch.equal(encoded.crossattn, context("a")) and encoded.vector is not None


@pytest.mark.parametrize("text", ["[a:b:0.5]", "[a:b:3] c", "[a|b]", "[[a:b:0.2]:c:0.8]"])
def test_a_context_holds_at_the_very_steps_at_which_the_host_would_use_it(webui, text):
    from webui import SdConditioning

    own = get_learned_conditioning(webui.model, SdConditioning([text]), 10)[0]
    schedule = encode(webui, None, [text])[0]
    for step in range(15):
        assert torch.equal(schedule[context_at(schedule, step)][1].crossattn, at(own, step)), step


@pytest.mark.parametrize(
    ("more", "hires", "expected"),
    [
        ({}, False, (10, None)),
        ({"sampler_name": "Heun"}, False, (20, None)),
        ({"sampler_name": "Heun", "firstpass_steps": 19}, False, (19, None)),
        ({"firstpass_steps": 10}, True, (10, 6)),
        ({"firstpass_steps": 10, "hr_sampler_name": "Heun"}, True, (10, 12)),
        ({"sampler_name": "Heun", "firstpass_steps": 20, "hr_sampler_name": None}, True, (20, 12)),
    ],
)
def test_schedules_count_the_calls_of_the_sampler(webui, more, hires, expected):
    p = Processing(webui, **{"steps": 10, **more})
    encode(webui, p, ["a"], hires_steps=6 if hires else None)
    assert webui.model.encoded[0][1:3] == expected


def test_nothing_is_kept_for_the_gradient(webui, monkeypatch):
    seen = []
    monkeypatch.setattr("modules.prompt_parser.get_learned_conditioning", lambda *a: seen.append(torch.is_grad_enabled()) or [])
    encode(webui, None, [])
    assert seen == [False]


def test_extra_network_tags_do_not_reach_the_text_encoder(webui, caplog):
    encode(webui, None, ["a<lora:x:1>", "b"])
    assert webui.model.encoded[0][0] == ["a", "b"] and "<lora:x:1>" in caplog.text


def test_the_hires_pass_is_given_its_own_size(webui):
    """SDXL's vector holds the picture's size; the host encodes hires prompts with that of the upscaled picture."""
    p = Processing(webui, hr_upscale_to_x=96, hr_upscale_to_y=120)
    encode(webui, p, ["a"])
    encode(webui, p, ["a"], hires_steps=6)
    encode(webui, None, ["a"], hires_steps=6)
    assert [entry[4] for entry in webui.model.encoded] == [(64, 80), (96, 120), (64, 80)]
