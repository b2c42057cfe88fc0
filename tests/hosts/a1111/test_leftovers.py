"""What the AUTOMATIC1111 adapter leaves behind (nothing, however sampling ends and whoever patches beside it), and what it follows."""

import sys
from types import SimpleNamespace

import pytest
import torch
from a1111_hooks import declining, hooked, params_of, site, snapshot
from webui import WIDTH, Denoiser, Processing, WebUI, checkpoint

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.request.errors import RegionalError

MODEL = checkpoint()


@pytest.fixture
def webui(monkeypatch):
    monkeypatch.setattr(MODEL.sd_checkpoint_info, "filename", "one.safetensors")
    return WebUI(monkeypatch, MODEL)


def test_an_interrupt_between_steps_leaves_nothing(webui):
    p = Processing(webui)
    before = snapshot(webui)
    with hooked(webui, p, cross_attention=lambda call: setattr(webui.state, "interrupted", True)):
        p.sample(steps=3)
    assert snapshot(webui) == before


def test_self_attention_in_tiles_or_merged_is_left_to_its_maker(webui, monkeypatch):
    """Hypertile gives attn1 more and shorter rows, token merging fewer tokens: both only of self-attention."""
    p, cross, own = Processing(webui), [], []
    with hooked(webui, p, cross_attention=declining(cross), self_attention=declining(own)):
        layer = site(webui, "middle_block.1.transformer_blocks.0.attn1")
        whole = layer.forward

        def tiled(x, *args, **kwargs):
            return whole(x.unflatten(1, (2, -1)).flatten(0, 1), *args, **kwargs).unflatten(0, (-1, 2)).flatten(1, 2)

        layer.forward = tiled
        p.sample()
        assert len(cross) == 7 and len(own) == 6
        layer.forward = lambda x, *args, **kwargs: whole(x[:, ::2], *args, **kwargs).repeat_interleave(2, 1)
        p.sample()
        assert len(cross) == 14 and len(own) == 12
        layer.forward = whole
    assert "forward" not in vars(layer)


def test_cross_attention_in_pieces_stops_the_picture(webui):
    p, layer = Processing(webui), site(webui)
    with hooked(webui, p, cross_attention=lambda call: None):
        whole = layer.forward
        layer.forward = lambda x, context: torch.cat([whole(part, context=context) for part in x.chunk(2, 1)], 1)
        with pytest.raises(RegionalError, match=r"middle_block.*10 tokens"):
            p.sample()
    del layer.forward


# ---------------------------------------------------------------- weights that change, UNets that are not there


def test_loras_that_change_renew(webui, monkeypatch):
    lora = SimpleNamespace(name="x", te_multiplier=1.0, unet_multiplier=1.0, dyn_dim=None)
    networks = SimpleNamespace(loaded_networks=[lora])
    monkeypatch.setitem(sys.modules, "networks", networks)
    p, renewed = Processing(webui), []
    with A1111Host(webui.model, p).patched(Hooks(cross_attention=lambda call: None, renew=lambda: renewed.append(1))):
        p.sample(steps=2)
        assert not renewed
        lora.unet_multiplier = 0.5
        p.sample()
        networks.loaded_networks.clear()
        p.sample()
    assert len(renewed) == 2


def test_another_unet_is_hooked_and_the_old_one_is_free(webui):
    old, new, seen, renewed = webui.model, checkpoint("two.safetensors", width=24, seed=1), [], []
    before = snapshot(webui, old, new)[:2]
    p = Processing(webui)
    hooks = Hooks(cross_attention=declining(seen), self_attention=declining(seen), renew=lambda: renewed.append(1))
    with A1111Host(old, p).patched(hooks):
        p.sample()
        webui.load(new)
        p.sample()
        assert snapshot(webui, old)[0] == before[0][: len(snapshot(webui, old)[0])]
        assert [call.context.shape[-1] for call in seen if call.site.kind == "cross"] == [WIDTH] * 7 + [24] * 7
        webui.load(old)
        p.sample()
    assert len(seen) == 42 and len(renewed) == 2 and snapshot(webui, old, new)[:2] == before


def without_attention():
    return SimpleNamespace(
        model=SimpleNamespace(diffusion_model=torch.nn.Conv2d(4, 4, 1)), sd_checkpoint_info=SimpleNamespace(filename="dit")
    )


def test_a_unet_without_cross_attention_is_refused(webui):
    webui.load(without_attention())
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="Conv2d"), hooked(webui, cross_attention=lambda call: None):
        raise AssertionError("must not be entered")
    assert snapshot(webui) == before


def test_a_unet_without_cross_attention_that_comes_later_stops_the_picture(webui):
    p, other = Processing(webui), without_attention()
    with pytest.raises(RegionalError, match="Conv2d"), hooked(webui, p, cross_attention=lambda call: None, renew=lambda: None):
        params = params_of(p)
        webui.load(other)
        webui.callbacks.call("denoiser", params)
        assert webui.state.interrupted
    assert not other.model.diffusion_model._forward_pre_hooks


def test_a_replaced_unet_is_refused_before_sampling(webui):
    webui.sd_unet.current_unet = object()
    before = snapshot(webui)
    with pytest.raises(RegionalError, match="TensorRT"), hooked(webui, cross_attention=lambda call: None):
        raise AssertionError("must not be entered")
    assert snapshot(webui) == before


def test_a_unet_replaced_meanwhile_stops_the_picture(webui):
    p = Processing(webui)
    with pytest.raises(RegionalError, match="TensorRT"), hooked(webui, p, cross_attention=lambda call: None):
        webui.sd_unet.current_unet = object()
        p.sample()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_unet_that_never_runs_is_found_out(webui, monkeypatch, steps):
    p, ran = Processing(webui), []
    monkeypatch.setattr(Denoiser, "unet", lambda self, x, contexts: ran.append(1) or x)
    with pytest.raises(RegionalError, match="regions had no effect"), hooked(webui, p, cross_attention=lambda call: None):
        p.sample(steps)
    assert len(ran) == 1


def test_a_fault_in_the_callback_is_not_swallowed(webui):
    p, params = Processing(webui), params_of(Processing(webui))
    params.denoiser = SimpleNamespace(p=p)
    with pytest.raises(AttributeError), hooked(webui, p, cross_attention=lambda call: None):
        webui.callbacks.call("denoiser", params)
    assert webui.callbacks.logged == []


def test_moves_between_devices_do_not_matter(webui):
    """--medvram moves the whole UNet, --lowvram its blocks: parameters are replaced, modules stay."""
    p, seen, unet = Processing(webui), [], webui.model.model.diffusion_model
    handle = unet.register_forward_pre_hook(lambda module, _: module.to(torch.float64).to(torch.float32) and None)
    try:
        with hooked(webui, p, cross_attention=declining(seen)):
            p.sample(steps=2)
    finally:
        handle.remove()
    assert len(seen) == 14
