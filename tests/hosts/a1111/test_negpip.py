"""NegPip beside regions on AUTOMATIC1111: it is switched off for the batch, and its own arithmetic acts on every text."""

from types import SimpleNamespace

import pytest
import torch
from a1111_hooks import snapshot
from negpip_double import NegPip, counted
from webui import Processing, WebUI

from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.request.errors import RegionalError
from lib_regional.webui import driver
from tests.hosts.a1111.test_generation import FULL, LEFT, MODEL, RIGHT, assert_close

TEXT = "a (hat:-1.2) in the (old park: -0.5) here"


@pytest.fixture
def webui(monkeypatch):
    monkeypatch.setattr(A1111Host, "tokens", lambda self, text: counted(text))
    return WebUI(monkeypatch, MODEL)


@pytest.fixture
def script(webui):
    unet = webui.model.model.diffusion_model
    made = NegPip(module for name, module in unet.named_modules() if name.endswith(".attn2"))
    yield made
    made.postprocess()


def processing(webui, script, prompt="main", negative="bad", on=True):
    return Processing(
        webui, [prompt], [negative], scripts=SimpleNamespace(alwayson_scripts=[script]), script_args=[on], seeds=[1], iteration=0
    )


def generate(p, script, *regions, ours_first=True, **more):
    """The host's callbacks in either order of the two scripts; without regions the host and NegPip alone."""
    driver.begin(p, {"enabled": True, "regions": list(regions), **more} if regions else None)
    driver.scope_batch_tags(p)
    if ours_first:
        driver.begin_batch(p)
    script.process_batch(p, *p.script_args)
    if not ours_first:
        driver.begin_batch(p)
    try:
        return p.sample(steps=2)
    finally:
        script.postprocess()


@pytest.mark.parametrize("ours_first", [True, False], ids=["before it", "after it"])
@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
@pytest.mark.parametrize("where", ["region", "main prompt", "negative"])
def test_over_the_whole_canvas_it_is_the_plain_prompt_with_it(webui, script, where, method, ours_first):
    negative = "worse (x:-2)" if where == "negative" else "bad"
    plain = generate(processing(webui, script, TEXT, negative), script)
    assert script.acted
    rest = generate(processing(webui, script, "a  in the  here", "worse " if where == "negative" else "bad"), script)
    assert (plain - rest).abs().max() > 1e-3
    script.acted = 0
    region = {**FULL, "prompt": TEXT} if where != "main prompt" else {**FULL, "prompt": "x", "weight": 0}
    p = processing(webui, script, TEXT if where == "main prompt" else "else", negative)
    made = generate(p, script, region, ours_first=ours_first, method=method)
    assert_close(made, plain)
    assert not script.acted and p.extra_generation_params["NegPiP Active"] is True


def test_everything_is_as_it_was(webui, script):
    before, p = snapshot(webui), processing(webui, script)
    arguments = p.script_args
    generate(p, script, {**LEFT, "prompt": TEXT}, {**RIGHT, "prompt": "b"})
    assert snapshot(webui) == before and p.script_args is arguments == [True]
    seen, p = [], processing(webui, script)
    p.before_sampling.append(lambda p: seen.append(p.script_args))  # what generations within this one read
    generate(p, script, {**LEFT, "prompt": TEXT})
    assert seen == [[True]]


def test_a_batch_that_never_samples_gives_the_arguments_back(webui, script):
    p = processing(webui, script)
    driver.begin(p, {"enabled": True, "regions": [{**FULL, "prompt": TEXT}]})
    driver.scope_batch_tags(p)
    assert p.script_args == [False]
    driver.begin(p, None)
    assert p.script_args == [True]


@pytest.mark.parametrize("hidden", [False, True])
def test_switched_off_a_negative_weight_is_the_hosts(webui, script, hidden):
    """By its checkbox, or by its settings where it is hidden."""
    if hidden:
        vars(webui.opts).update(negpip_hide=True, negpip_active=False)
    p = processing(webui, script, on=hidden)
    driver.begin(p, {"enabled": True, "regions": [{**FULL, "prompt": TEXT}]})
    driver.scope_batch_tags(p)
    driver.begin_batch(p)
    webui.model.encoded.clear()
    p.sample(steps=1)
    assert [TEXT] in [texts for texts, *_ in webui.model.encoded]
    assert "NegPiP Active" not in p.extra_generation_params


@pytest.mark.parametrize("field", ["prompt", "negative"])
def test_a_method_that_does_not_follow_it_names_the_text(webui, script, field):
    p = processing(webui, script, negative="")
    with pytest.raises(RegionalError, match=rf"{field}.*NegPiP acts on the main prompt alone"):
        generate(p, script, {**FULL, "prompt": "a", field: TEXT}, method="sequential")


def test_hires_prompts_are_the_hosts_without_their_negative_weights(webui, script):
    p = processing(webui, script, "main (x:-1)")
    vars(p).update(enable_hr=True, hr_prompts=["more (y:-1)"], hr_negative_prompts=["less (z:-1)"], hr_second_pass_steps=0)
    driver.begin(p, {"enabled": True, "regions": [{**FULL, "prompt": "a"}]})
    driver.scope_batch_tags(p)
    driver.begin_batch(p)
    assert (p.prompts, p.hr_prompts, p.hr_negative_prompts) == (["main "], ["more "], ["less "])
    assert torch.is_tensor(p.sample(steps=1))
