"""Flux.2 and Kontext on the double: regional texts in joint attention, their positions, and pictures beside the prompt."""

import pytest
import torch
from forge_double import Engine, Processing, WebUI
from isolation_cases import plan_of
from neo_networks import FluxKin, shared_latents

from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.network.families import family_of
from lib_regional.hosts.forge.network.positions import numbered
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError

FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
HALVES = [{"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0}]
KINDS = ["flux2", "kontext"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def host_of(monkeypatch, kind, references=0, **network):
    found = WebUI(monkeypatch, Engine(FluxKin(kind, **network), kind="use_distilled_cfg_scale"))
    found.flux = True
    generator = torch.Generator().manual_seed(2)
    shared_latents(monkeypatch, [torch.randn(1, 4, 6 + n, 5, generator=generator) for n in range(references)])
    return found


def sample(webui, prompts, regions=None, method="attention_couple"):
    p = Processing(webui, prompts, ["bad"] * len(prompts))
    p.cfg_scale = 1.0
    if regions is None:
        return p.sample(1)
    plan = plan_of(method, {"regions": regions}, p.prompts, p.negatives, (64, 80))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(1)


@pytest.mark.parametrize("references", [0, 1, 2])
def test_the_same_text_everywhere_is_the_plain_prompt(monkeypatch, kind, references):
    webui = host_of(monkeypatch, kind, references)
    soft = [{**half, "prompt": "main", "feather": 0.3, "base_share": share} for half, share in zip(HALVES, (0, 0.4), strict=True)]
    torch.testing.assert_close(sample(webui, ["main"], soft), sample(webui, ["main"]), rtol=0, atol=1e-5)


def test_a_whole_canvas_region_is_the_plain_prompt(monkeypatch, kind):
    webui = host_of(monkeypatch, kind, 1)
    long = " ".join(["word"] * 100)
    made = sample(webui, ["main", "main"], [{**FULL, "prompt": long}])
    torch.testing.assert_close(made, sample(webui, [long] * 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("references", [0, 1])
def test_the_order_of_regions_changes_nothing(monkeypatch, kind, references):
    webui = host_of(monkeypatch, kind, references)
    regions = [{**half, "prompt": text, "base_share": 0} for half, text in zip(HALVES, ("one", "another thing"), strict=True)]
    torch.testing.assert_close(sample(webui, ["main"], regions), sample(webui, ["main"], regions[::-1]), rtol=0, atol=1e-5)


def test_a_region_acts_more_in_its_own_place(monkeypatch, kind):
    webui = host_of(monkeypatch, kind, 1)
    webui.engine.network.vector_in.weight.zero_()
    one, other = (sample(webui, ["main"], [{**HALVES[0], "prompt": "left"}, {**HALVES[1], "prompt": right}]) for right in ("a", "b"))
    changed = (one - other).abs().mean((0, 1, 2))
    assert changed[4:].mean() > 1.4 * changed[:4].mean()


def test_texts_that_cannot_be_numbered_are_an_error(monkeypatch):
    webui = host_of(monkeypatch, "flux2", embedded=False)
    with pytest.raises(RegionalError, match="FluxKin.*latent_couple"):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "a thing"}])


@pytest.mark.parametrize("method", ["latent_couple", "multidiffusion", "mask_conditioning"])
def test_methods_that_predict_apart_keep_the_pictures_beside_the_prompt(monkeypatch, kind, method):
    webui = host_of(monkeypatch, kind, 1)
    webui.engine.unet.model.predictor.prediction_type = "const"
    made = sample(webui, ["main"], [{**FULL, "prompt": "main"}], method)
    torch.testing.assert_close(made, sample(webui, ["main"]))


def test_encoding_the_regions_keeps_the_pictures_beside_the_prompt(monkeypatch, kind):
    """The host hands them on with the first text that it encodes, and with every later one those that are left: none."""
    webui = host_of(monkeypatch, kind, 1)
    shared = shared_latents(monkeypatch, [torch.ones(1, 4, 6, 5)])
    encode = webui.encode

    def consuming(*args, **kwargs):
        shared.ref_latents, webui.engine.ini_latent = [], None
        return encode(*args, **kwargs)

    monkeypatch.setattr("modules.prompt_parser.get_learned_conditioning", consuming)
    webui.engine.ini_latent = "a latent"
    ForgeHost(webui.engine).encode(["a"], steps=2, negative=False, size=(64, 80))
    assert len(shared.ref_latents) == 1 and webui.engine.ini_latent == "a latent"


def test_every_text_of_a_row_is_numbered_from_0():
    ids = torch.zeros(2, 8, 3)
    ids[..., 2] = torch.arange(8.0)
    flux2, kontext = family_of(FluxKin("flux2")), family_of(FluxKin("kontext"))
    found = numbered(ids, flux2, [[4, 2], [3]], 2)
    assert found[..., 2].tolist() == [[0, 1, 2, 3, 0, 1, 6, 7], [0, 1, 2, 0, 0, 0, 6, 7]] and not found[..., :2].any()
    assert flux2.grid((11, 7)) == (11, 7) and kontext.grid((11, 7)) == (6, 4) and kontext.positions is None
