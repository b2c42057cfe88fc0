"""Hooks that no part of a model asks for end with an error after the first prediction, instead of being left out in silence."""

import pytest
import torch
from a1111_hooks import hooked as a1111_hooked
from forge_cases import hooked as forge_hooked
from forge_double import Engine
from forge_double import Processing as ForgeProcessing
from forge_double import WebUI as ForgeWebUI
from forge_networks import FluxNetwork
from webui import Denoiser, Processing, WebUI

from lib_regional.engine.hooks import Hooks
from lib_regional.engine.unused_hooks import AskedHooks
from lib_regional.request.errors import RegionalError

SLOTS = ["cross_attention", "self_attention", "layers", "spatial", "unet"]


def slot(name, answer=lambda *args: None):
    return {name: {"layer": answer} if name == "layers" else answer}


@pytest.mark.parametrize("name", SLOTS)
def test_a_slot_that_is_never_asked_is_named(name):
    asked = AskedHooks(Hooks(**slot(name), method="some method"))
    with pytest.raises(RegionalError, match='"some method" changes .* in this model .Linear. asked for that'):
        asked.check(torch.nn.Linear(1, 1))
    asked.check(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("name", SLOTS)
def test_a_slot_that_was_asked_passes_and_answers(name):
    asked = AskedHooks(Hooks(**slot(name, lambda call: ("answer", call))))
    found = getattr(asked.hooks, name)
    assert (found["layer"] if name == "layers" else found)("call") == ("answer", "call")
    asked.check(torch.nn.Linear(1, 1))


@pytest.mark.parametrize(("joint", "asks"), [(True, "joint"), (False, "cross_attention")])
def test_joint_attention_takes_the_place_of_cross_attention(joint, asks):
    both = Hooks(cross_attention=lambda call: None, joint=lambda model, grid: None)
    with pytest.raises(RegionalError):
        AskedHooks(both).check(torch.nn.Linear(1, 1), joint)
    asked = AskedHooks(both)
    getattr(asked.hooks, asks)(*[None] * (2 if joint else 1))
    asked.check(torch.nn.Linear(1, 1), joint)


def test_what_only_some_models_and_hosts_have_need_not_be_asked():
    hooks = Hooks(vector=lambda *_: None, token_attributes=lambda *_: None, denoiser=lambda call: call.run(), joint=lambda *_: None)
    AskedHooks(hooks).check(None)


# ---------------------------------------------------------------- in the adapters


@pytest.fixture
def a1111(monkeypatch):
    return WebUI(monkeypatch)


def left_alone(model, end):
    """Another extension that calls the layers with something that only the host's own attention knows."""

    def masked(module, args, kwargs):
        return args, {**kwargs, "mask": torch.ones(1, dtype=torch.bool)}

    return [m.register_forward_pre_hook(masked, with_kwargs=True) for n, m in model.named_modules() if n.endswith(end)]


@pytest.mark.parametrize(("name", "end"), [("cross_attention", ".attn2"), ("self_attention", ".attn1")])
def test_a1111_ends_where_every_call_is_the_hosts_own(a1111, monkeypatch, name, end):
    p, unet = Processing(a1111), a1111.model.model.diffusion_model
    for module in unet.modules():
        if type(module).__name__ == "CrossAttention":
            monkeypatch.setattr(type(module), "forward", lambda self, x, context=None, mask=None: self.to_out(self.to_q(x)))
    handles = left_alone(unet, end)
    with pytest.raises(RegionalError, match=f"changes {name.replace('_', '-')}"), a1111_hooked(a1111, p, **slot(name)):
        Denoiser(p)(torch.randn(1, 4, 10, 8))
    assert a1111.state.interrupted and handles


def test_a1111_goes_on_where_they_are_asked(a1111):
    p = Processing(a1111)
    with a1111_hooked(a1111, p, cross_attention=lambda call: None, self_attention=lambda call: None, spatial=lambda call: None):
        Denoiser(p)(torch.randn(1, 4, 10, 8))
    assert not a1111.state.interrupted


def test_forge_ends_where_self_attention_is_always_replaced(monkeypatch):
    webui = ForgeWebUI(monkeypatch)
    p, steps = ForgeProcessing(webui), []
    for module in webui.engine.network.modules():
        if hasattr(module, "attn1"):
            monkeypatch.setattr(module.attn1, "forward", lambda x, **_: x, raising=False)
    webui.callbacks.on_cfg_denoiser(lambda params: steps.append(1))
    with forge_hooked(webui, p, self_attention=lambda call: None):
        for module in webui.engine.network.modules():
            if hasattr(module, "attn1"):
                module.attn1.forward = lambda x, **_: x
        with pytest.raises(RegionalError, match="changes self-attention"):
            p.sample(3)
    assert len(steps) == 1


def test_forge_goes_on_with_joint_attention(monkeypatch):
    webui = ForgeWebUI(monkeypatch, Engine(FluxNetwork(), kind="use_distilled_cfg_scale"))
    webui.flux = True
    p, asked = ForgeProcessing(webui), []
    with forge_hooked(webui, p, cross_attention=lambda call: None, joint=lambda model, grid: asked.append(grid)):
        p.sample(1)
    assert asked
