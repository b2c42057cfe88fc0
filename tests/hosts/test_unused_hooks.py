"""In the adapters too, hooks that no part of a model asks for end with an error after the first prediction."""

import pytest
import torch
from a1111_hooks import hooked as a1111_hooked
from forge_cases import hooked as forge_hooked
from forge_double import Engine
from forge_double import Processing as ForgeProcessing
from forge_double import WebUI as ForgeWebUI
from forge_networks import FluxNetwork
from webui import Denoiser, Processing, WebUI

from lib_regional.request.errors import RegionalError


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
    with pytest.raises(RegionalError, match=f"changes {name.replace('_', '-')}"), a1111_hooked(a1111, p, **{name: lambda call: None}):
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
