"""The Forge adapter beside other extensions: what wraps the network, takes its slots or changes its conditions."""

from types import SimpleNamespace

import pytest
import torch
from forge_cases import FULL, hooked, plain, session
from forge_double import Engine, Processing, WebUI
from forge_networks import Network, attend

from lib_regional.engine.calls import UNetRow
from lib_regional.hosts.forge.rows import tag_conditions
from lib_regional.request.errors import RegionalError


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


def test_a_function_wrapper_is_left_in_force(webui):
    seen = []

    def wrapper(apply_model, arguments):
        seen.append(arguments["cond_or_uncond"])
        return apply_model(arguments["input"], arguments["timestep"], **arguments["c"]) * 2

    def patch(patcher):
        patcher.set_model_unet_function_wrapper(wrapper)

    region = patched_sample(webui, patch, [{**FULL, "prompt": "a thing"}])
    torch.testing.assert_close(region, patched_sample(webui, patch, [], ["a thing"]))
    assert seen == [[1, 0]] * 4


def test_a_wrapper_that_cuts_the_picture_is_refused(webui):
    def tiles(apply_model, arguments):
        x = arguments["input"]
        cut = [apply_model(part, arguments["timestep"], **arguments["c"]) for part in x.split(5, dim=-2)]
        return torch.cat(cut, -2)

    with pytest.raises(RegionalError, match=r"2 rows of 5×8 cells where Forge announced 2 rows of 10×8.*in pieces"):
        patched_sample(webui, lambda patcher: patcher.set_model_unet_function_wrapper(tiles), [{**FULL, "prompt": "a"}])


def test_a_wrapper_that_drops_the_roles_is_refused(webui):
    def drops(apply_model, arguments):
        kept = {key: arguments["c"][key] for key in ("c_crossattn", "transformer_options")}
        return apply_model(arguments["input"], arguments["timestep"], **kept)

    with pytest.raises(RegionalError, match="without saying which row is which"):
        patched_sample(webui, lambda patcher: patcher.set_model_unet_function_wrapper(drops), [{**FULL, "prompt": "a"}])


def patched_sample(webui, patch, regions, prompts=("other",)):
    """Sample with regions and another extension that patches a clone before every sampling; without regions if there are none."""
    p = Processing(webui, list(prompts))

    def clone_and_replace(p):
        patcher = webui.engine.forge_objects.unet.clone()
        patch(patcher)
        webui.engine.forge_objects.unet = patcher

    if not regions:
        p.before_sampling[:] = [clone_and_replace]
        return p.sample(2)
    with session(webui, p, regions):
        p.before_sampling.append(clone_and_replace)
        return p.sample(2)


def test_a_taken_slot_keeps_the_term_that_it_adds(webui):
    """An IP-Adapter-like replacement: plain attention and a term of its own."""

    def adapter(q, k, v, extra):
        picture = torch.ones(len(q), 3, q.shape[-1])
        return attend(q, k, v, extra["n_heads"]) + 0.5 * attend(q, picture, picture * 2, extra["n_heads"])

    def patch(patcher):
        patcher.set_model_attn2_replace(adapter, "input", 1)
        patcher.set_model_attn2_replace(adapter, "output", 0)

    region = patched_sample(webui, patch, [{**FULL, "prompt": "a thing"}])
    torch.testing.assert_close(region, patched_sample(webui, patch, [], ["a thing"]))
    assert (region - plain(webui, ["a thing"], ["bad"])).abs().max() > 1e-3


def test_different_keys_and_values_are_refused(webui):
    def negpip(n, context, value, extra):
        return n, context, -value

    with pytest.raises(RegionalError, match="different texts for keys and values"):
        patched_sample(webui, lambda patcher: patcher.set_model_attn2_patch(negpip), [{**FULL, "prompt": "a"}])


@pytest.fixture
def own_attention(webui):
    """As the genuine NegPip: a function of its own on every cross-attention layer, which calls no original."""
    layers = [module for name, module in webui.engine.network.named_modules() if name.endswith(".attn2")]

    def replaced(layer):
        def forward(x, context=None, mask=None, value=None, additional_tokens=None, *args, **kwargs):
            v = layer.to_v(context)
            return layer.to_out(attend(layer.to_q(x), layer.to_k(context), torch.cat([v[:, :-2], -v[:, -2:]], 1), layer.heads))

        return forward

    for layer in layers:
        layer.forward = replaced(layer)
    return layers


def test_cross_attention_of_another_kind_is_refused(webui, own_attention):
    before = [vars(layer)["forward"] for layer in own_attention]
    with pytest.raises(RegionalError, match=r"test_extensions\) has its own cross-attention, which Regional would undo"):
        patched_sample(webui, lambda patcher: None, [{**FULL, "prompt": "a"}])
    assert [vars(layer)["forward"] for layer in own_attention] == before


def test_it_is_left_alone_where_regions_have_nothing_to_say(webui, own_attention):
    p, asked = Processing(webui), []
    with hooked(webui, p, cross_attention=lambda call: asked.append(call.site.name)):
        torch.testing.assert_close(p.sample(1), Processing(webui).sample(1))
    assert len(asked) == len(own_attention)


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "mask_conditioning"])
def test_it_is_refused_to_methods_whose_regions_are_rows_of_their_own(webui, own_attention, method):
    """It would take the regions' tokens for those of the host's text."""
    before = [vars(layer)["forward"] for layer in own_attention]
    p = Processing(webui, ["other"])
    with pytest.raises(RegionalError, match="nothing of the regions' texts"), session(webui, p, [{**FULL, "prompt": "a"}], method):
        p.sample(1)
    assert [vars(layer)["forward"] for layer in own_attention] == before


def test_conditions_that_are_not_the_prompts_parts_are_refused():
    sampler = SimpleNamespace(sampler_extra_args={"cond": SimpleNamespace(batch=[["a", "b"], ["c", "d"]])})
    modify = tag_conditions(SimpleNamespace(sampler=sampler), lambda step: None)
    x = torch.zeros(2, 4, 8, 8)
    with pytest.raises(RegionalError, match=r"3 instead of 2"):
        modify(None, x, torch.ones(2), None, [{"model_conds": {}}] * 3, 1.0, {}, 0)


def test_pieces_and_controlnet_do_not_go_together(webui):
    p = Processing(webui)

    def control(p):
        patcher = webui.engine.forge_objects.unet.clone()
        patcher.control = lambda rows: {"middle": [torch.zeros(rows, 8, 10, 8)]}
        webui.engine.forge_objects.unet = patcher

    def hook(call):
        return call.run([UNetRow(0, call.x[0, :, :4])])

    with pytest.raises(RegionalError, match="ControlNet"), hooked(webui, p, unet=hook):
        p.before_sampling.append(control)
        p.sample(1)


def test_a_clone_made_during_sampling_does_not_carry_our_modifier_on(webui):
    """Fact 2: whoever clones the patcher before the next sampling gets options without us."""
    p = Processing(webui)
    with hooked(webui, p, cross_attention=lambda call: None):
        p.sample(2)
        assert "conditioning_modifiers" not in webui.engine.unet.clone().model_options


def test_others_modifiers_stay_where_they_were(webui):
    def theirs(*values):
        return values

    webui.engine.unet.add_conditioning_modifier(theirs)
    before = webui.engine.unet.model_options["conditioning_modifiers"]
    p = Processing(webui)
    with hooked(webui, p, cross_attention=lambda call: None):
        p.sample(1)
    assert webui.engine.unet.model_options["conditioning_modifiers"] is before == [theirs]
