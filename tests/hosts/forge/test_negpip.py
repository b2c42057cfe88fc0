"""Negative weights (NegPip) on Forge, whose negative rows come first, against the extension's own replacement of the layers."""

from dataclasses import replace

import pytest
from forge_cases import FULL, SIZE, snapshot
from forge_double import Engine, Processing, WebUI
from forge_networks import Network
from isolation_cases import plan_of
from negpip_double import NegPip, counted, split
from torch.testing import assert_close

from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.registry import find_host
from lib_regional.methods import open_session

TEXT = "a (hat:-1.2) in the (old park: -0.5) here"


@pytest.fixture
def webui(monkeypatch):
    monkeypatch.setattr(ForgeHost, "tokens", lambda self, text: counted(text))
    return WebUI(monkeypatch, Engine(Network()))


def with_extension(webui, prompt, negative):
    """The plain picture, by the extension alone."""
    script = NegPip((layer for name, layer in webui.engine.network.named_modules() if name.endswith(".attn2")), negative_first=True)
    p = Processing(webui, [prompt], [negative])
    script.process_batch(p, True)
    p.parts = [[prompt] for prompt in p.prompts]
    try:
        return p.sample(2)
    finally:
        script.postprocess()


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "mask_conditioning"])
@pytest.mark.parametrize("where", ["region", "main prompt", "negative"])
def test_over_the_whole_canvas_it_is_the_plain_prompt_with_it(webui, method, where):
    negative = "worse (x:-2)" if where == "negative" else "bad"
    plain = with_extension(webui, TEXT, negative)
    region = {**FULL, "prompt": TEXT} if where != "main prompt" else {**FULL, "prompt": "x", "weight": 0}
    base = TEXT if where == "main prompt" else "else"
    p = Processing(webui, [split(base)[0]], [split(negative)[0]])
    plan = replace(plan_of(method, {"regions": [region]}, [base], [negative], SIZE), signed=True)
    host, before = find_host(webui.engine, p), snapshot(webui)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        made = p.sample(2)
    assert_close(made, plain, atol=2e-4, rtol=1e-3)
    assert (made - with_extension(webui, split(TEXT)[0], split(negative)[0])).abs().max() > 1e-3
    assert snapshot(webui)[0] == before[0]
