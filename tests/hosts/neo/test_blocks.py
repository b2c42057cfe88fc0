"""Anima and Wan on doubles: attention couple through the cross-attention of transformer blocks, on 5-D latents."""

import pytest
import torch
from forge_double import Engine, Processing, WebUI
from isolation_cases import plan_of
from neo_networks import Anima, Wan

from lib_regional.engine.capabilities import facts_of
from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.model import kind_of
from lib_regional.hosts.neo.blocks import CrossBlocks, cross_layers
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError

FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
HALVES = [{"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0}]


@pytest.fixture(params=[Anima, Wan])
def kind(request):
    return request.param


def host_of(monkeypatch, kind=Anima, **network):
    found = WebUI(monkeypatch, Engine(kind(**network), kind="is_wan"))
    found.engine.unet.model.predictor.prediction_type = "const"
    monkeypatch.setattr("forge_double.scaled", lambda sigma, x: x)
    return found


def sample(webui, prompts, regions=None, scale=3.0, size=(8, 12), steps=1):
    p = Processing(webui, prompts, ["bad"] * len(prompts))
    p.cfg_scale = scale
    x = torch.randn(len(prompts), 16, 1, *size, generator=torch.Generator().manual_seed(4))
    if regions is None:
        return p.sample(steps, x)
    plan = plan_of("attention_couple", {"regions": regions}, p.prompts, p.negatives, (size[1] * 8, size[0] * 8))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(steps, x)


@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["without negatives", "with negatives"])
@pytest.mark.parametrize("size", [(8, 12), (7, 11)], ids=["even", "odd"])
def test_a_whole_canvas_region_is_the_plain_prompt(monkeypatch, kind, scale, size):
    webui = host_of(monkeypatch, kind)
    made = sample(webui, ["other", "another"], [{**FULL, "prompt": "a thing"}], scale, size)
    torch.testing.assert_close(made, sample(webui, ["a thing"] * 2, scale=scale, size=size), rtol=0, atol=1e-5)


def test_the_same_text_everywhere_is_the_plain_prompt(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    soft = [{**half, "prompt": "main", "feather": 0.3, "base_share": share} for half, share in zip(HALVES, (0, 0.4), strict=True)]
    torch.testing.assert_close(sample(webui, ["main"], soft), sample(webui, ["main"]), rtol=0, atol=1e-5)


def test_a_region_acts_in_its_own_place(monkeypatch, kind):
    webui = host_of(monkeypatch, kind)
    made = [
        sample(webui, ["main"], [{**HALVES[0], "prompt": "left", "base_share": 0}, {**HALVES[1], "prompt": right, "base_share": 0}])
        for right in ("a", "b")
    ]
    changed = (made[0] - made[1]).abs().mean((0, 1, 2, 3))
    assert changed[6:].mean() > 20 * changed[:6].mean() and changed[6:].mean() > 1e-3


def test_what_is_not_reached_in_it_is_refused_by_name(monkeypatch):
    webui = host_of(monkeypatch)
    for asked, what in (
        ({"spatial": lambda call: None}, "norms and convolutions"),
        ({"self_attention": lambda call: None}, "self-attention"),
    ):
        with (
            pytest.raises(RegionalError, match=f'"some method" cannot work with Anima.*{what}.*"latent_couple"'),
            ForgeHost(webui.engine).patched(Hooks(method="some method", **asked)),
        ):
            pass


def test_a_second_picture_among_its_tokens_is_an_error(monkeypatch, kind):
    webui = host_of(monkeypatch, kind, frames=1)
    with pytest.raises(RegionalError, match=r"4×6 tokens, but blocks.0.cross_attn runs"):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "a"}])


def test_a_network_with_keys_for_pictures_is_refused(monkeypatch):
    webui = host_of(monkeypatch, Wan, pictures=True)
    with pytest.raises(RegionalError, match='cannot work with Wan.*cross-attention.*"latent_couple"'):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "a"}])


def test_it_is_found_by_its_layers(monkeypatch):
    network = Anima()
    assert kind_of(network) == "blocks" and [site.name for site, _ in cross_layers(network)] == [
        "blocks.0.cross_attn",
        "blocks.1.cross_attn",
    ]
    assert CrossBlocks(network).grid((7, 12)) == (4, 6)
    assert kind_of(Wan()) == "blocks" and CrossBlocks(Wan()).grid((7, 12)) == (4, 6)
    facts = facts_of(ForgeHost(host_of(monkeypatch).engine))
    assert facts.cross_attention and facts.prediction == "flow" and facts.trained == 128
