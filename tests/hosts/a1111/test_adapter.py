"""The AUTOMATIC1111 adapter on the genuine ldm UNet: which models it takes, and what it gives the attention hooks."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from a1111_hooks import declining, hooked, params_of, rebuilt, site
from ldm.modules.attention import BasicTransformerBlock, CrossAttention
from webui import OPTIMISERS, WIDTH, Processing, WebUI, checkpoint, plain_forward

from lib_regional.engine.capabilities import ModelFacts, facts_of
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.hosts.registry import find_host, trained_side
from lib_regional.request.errors import RegionalError

MODEL = checkpoint()


@pytest.fixture
def webui(monkeypatch):
    monkeypatch.setattr(MODEL.sd_checkpoint_info, "filename", "one.safetensors")
    return WebUI(monkeypatch, MODEL)


@pytest.fixture(params=OPTIMISERS)
def optimiser(request, monkeypatch):
    monkeypatch.setattr(CrossAttention, "forward", OPTIMISERS[request.param])
    return request.param


# ---------------------------------------------------------------- detection


KINDS = [
    pytest.param({}, ModelFacts(64), id="nothing contexts"),
    pytest.param({"is_sd1": True, "image_size": 16, "parameterization": "eps"}, ModelFacts(16), id="a small model"),
    pytest.param({"is_sd1": True, "image_size": 16, "cond_stage_key": "edit"}, ModelFacts(64), id="an editing model"),
    pytest.param({"is_sd2": True, "image_size": 64, "parameterization": "v"}, ModelFacts(96, "v"), id="sd2, 768"),
    pytest.param({"is_sd2": True, "image_size": 64, "parameterization": "eps"}, ModelFacts(64), id="sd2, 512"),
    pytest.param({"is_sdxl": True, "parameterization": "v"}, ModelFacts(128, "v"), id="sdxl"),
]


@pytest.mark.parametrize(("kind", "facts"), KINDS)
def test_facts_of_the_model(webui, monkeypatch, kind, facts):
    for name, value in kind.items():
        monkeypatch.setattr(webui.model, name, value, raising=False)
    assert facts_of(A1111Host(webui.model)) == facts
    assert trained_side() == facts.trained


def test_asking_for_the_size_loads_no_model(webui, monkeypatch):
    module = ModuleType("modules.sd_models")
    module.model_data = SimpleNamespace(sd_model=None)
    monkeypatch.setitem(sys.modules, "modules.sd_models", module)
    webui.model.image_size = 16
    try:
        assert trained_side() == 64
        module.model_data.sd_model = webui.model
        assert trained_side() == 16
    finally:
        del webui.model.image_size


@pytest.mark.parametrize("missing", ["on_cfg_denoiser", "on_cfg_denoised", "remove_callbacks_for_function"])
def test_a_webui_without_the_callbacks_is_not_taken(webui, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, "modules.script_callbacks", ModuleType("modules.script_callbacks"))
    sys.modules["modules"].script_callbacks = sys.modules["modules.script_callbacks"]
    for name in {"on_cfg_denoiser", "on_cfg_denoised", "remove_callbacks_for_function"} - {missing}:
        setattr(sys.modules["modules.script_callbacks"], name, print)
    with pytest.raises(RegionalError, match="SimpleNamespace"):
        find_host(webui.model)


def test_forge_is_not_taken(webui):
    with pytest.raises(RegionalError):
        find_host(SimpleNamespace(model=webui.model.model, forge_objects=object()))


# ---------------------------------------------------------------- attention under every optimiser


def test_hooks_that_decline_change_nothing(webui, optimiser):
    p, seen = Processing(webui), []
    plain = p.sample()
    with hooked(webui, p, cross_attention=declining(seen), self_attention=declining(seen)):
        assert torch.equal(p.sample(), plain)
    assert len(seen) == 14


def test_a_hook_can_be_the_layer(webui, optimiser):
    p = Processing(webui)
    plain = p.sample()
    with hooked(webui, p, cross_attention=rebuilt, self_attention=rebuilt):
        torch.testing.assert_close(p.sample(), plain, atol=2e-5, rtol=1e-4)


def test_an_optimiser_chosen_meanwhile_is_used(webui, monkeypatch):
    p, ran = Processing(webui), []
    with hooked(webui, p, cross_attention=lambda call: None):
        monkeypatch.setattr(
            CrossAttention, "forward", lambda self, x, context=None, **rest: ran.append(self) or plain_forward(self, x, context)
        )
        p.sample()
    assert len(ran) == 14


def test_projections_are_the_modules_themselves(webui):
    """Forward hooks on to_q, to_k, to_v and to_out (LoRAs, for one) fire as they do under the host's own attention."""
    p, layer, fired = Processing(webui), site(webui), []
    handles = [
        getattr(layer, name).register_forward_hook(lambda *_, name=name: fired.append(name)) for name in ("to_q", "to_k", "to_v", "to_out")
    ]
    try:
        with hooked(webui, p, cross_attention=rebuilt):
            p.sample()
    finally:
        for handle in handles:
            handle.remove()
    assert fired == ["to_q", "to_k", "to_v", "to_out"]


def test_hypernetworks_change_keys_and_values_apart(webui, optimiser):
    webui.shared.loaded_hypernetworks.append(SimpleNamespace(keys=lambda t: t * 0.5, values=lambda t: t + 0.25))
    p = Processing(webui)
    changed = p.sample()
    with hooked(webui, p, cross_attention=rebuilt, self_attention=rebuilt):
        torch.testing.assert_close(p.sample(), changed, atol=2e-5, rtol=1e-4)
    webui.shared.loaded_hypernetworks.clear()
    assert not torch.allclose(p.sample(), changed, atol=1e-3)


def test_upcast_attention_reaches_the_hook_in_32_bits(webui):
    webui.opts.upcast_attn = True
    unet, kinds = webui.model.model.diffusion_model, []

    def hook(call):
        kinds.append((call.to_q(call.x).dtype, call.to_k(call.context).dtype))
        return rebuilt(call)

    layer = site(webui).bfloat16()
    x, contexts = torch.randn(2, 40, 64).bfloat16(), torch.randn(2, 77, WIDTH).bfloat16()
    with hooked(webui, None, cross_attention=hook):
        p = Processing(webui)
        webui.callbacks.call("denoiser", params_of(p))
        unet._forward_pre_hooks[next(iter(unet._forward_pre_hooks))](unet, (torch.zeros(2, 4, 10, 8),), {})
        unet.middle_block[1]._forward_pre_hooks[next(iter(unet.middle_block[1]._forward_pre_hooks))](None, (torch.zeros(2, 64, 5, 8),), {})
        assert layer(x, context=contexts).dtype == torch.bfloat16
    layer.float()
    assert kinds == [(torch.float32, torch.float32)]


@pytest.mark.parametrize(
    "more", [{"additional_tokens": torch.zeros(2, 1, 64)}, {"n_times_crossframe_attn_in_self": 2}], ids=lambda m: next(iter(m))
)
def test_what_only_the_hosts_attention_knows_is_left_to_it(webui, monkeypatch, more):
    """Keyword arguments of sgm's attention: harmless values reach the hook, others the host with all they carry, which ends the picture."""
    given, seen, p = [], [], Processing(webui)

    def forward(self, x, context=None, mask=None, **rest):
        given.append(rest)
        return plain_forward(self, x, context)

    monkeypatch.setattr(CrossAttention, "forward", forward)
    harmless = {"additional_tokens": None, "n_times_crossframe_attn_in_self": 0}
    monkeypatch.setattr(BasicTransformerBlock, "_forward", sgm_like_block(harmless))
    with hooked(webui, p, cross_attention=declining(seen)):
        p.sample()
    assert len(seen) == 7
    monkeypatch.setattr(BasicTransformerBlock, "_forward", sgm_like_block(more))
    seen.clear()
    with pytest.raises(RegionalError, match="changes cross-attention, but nothing"), hooked(webui, p, cross_attention=declining(seen)):
        p.sample()
    assert not seen and given[-1] == more


def sgm_like_block(extra):
    def forward(self, x, context=None):
        x = self.attn1(self.norm1(x)) + x
        x = self.attn2(self.norm2(x), context=context, **extra) + x
        return self.ff(self.norm3(x)) + x

    return forward
