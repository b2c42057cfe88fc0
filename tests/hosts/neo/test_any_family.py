"""Families whose attention Regional does not reach: methods that predict every region by itself serve them, 5-D latents included."""

import sys
from types import SimpleNamespace

import pytest
import torch
from forge_double import Engine, Processing, WebUI
from isolation_cases import plan_of
from neo_double import named_version
from neo_networks import UnknownKin

from lib_regional.engine.hooks import Hooks
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.methods import open_session
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.latents.noise import seeded_noise

FULL = {"box": [0, 0, 1, 1], "base_share": 0, "feather": 0}
HALVES = [{"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0}]
METHODS = ["latent_couple", "multidiffusion", "mask_conditioning"]


@pytest.fixture
def webui(monkeypatch):
    found = WebUI(monkeypatch, Engine(UnknownKin(), kind="is_wan"))
    predictor = found.engine.unet.model.predictor
    predictor.prediction_type = "const"
    monkeypatch.setattr("forge_double.scaled", lambda sigma, x: x)
    return found


def latent(cells=(16, 24)):
    return torch.randn(1, 16, 1, *cells, generator=torch.Generator().manual_seed(4))


def sample(webui, prompt, regions=None, method="latent_couple", **options):
    p = Processing(webui, [prompt], ["bad"])
    if regions is None:
        return p.sample(2, latent())
    plan = plan_of(method, {"regions": regions, "options": {method: options} if options else {}}, p.prompts, p.negatives, (192, 128))
    host = ForgeHost(webui.engine, p)
    p.before_sampling[:] = [host.begin_pass]
    with open_session(host, plan):
        return p.sample(2, latent())


@pytest.mark.parametrize("method", METHODS)
def test_a_whole_canvas_region_is_the_plain_prompt(webui, method):
    made = sample(webui, "other", [{**FULL, "prompt": "a thing"}], method)
    torch.testing.assert_close(made, sample(webui, "a thing"), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "options"), [("latent_couple", {"mode": "crop"}), ("multidiffusion", {"window": 128, "bootstrap": 0.5})]
)
def test_a_changed_region_changes_its_own_half_alone(webui, method, options):
    made = [
        sample(
            webui,
            "main",
            [{**HALVES[0], "prompt": "left", "base_share": 0}, {**HALVES[1], "prompt": right, "base_share": 0}],
            method,
            **options,
        )
        for right in ("a", "b")
    ]
    changed = (made[0] - made[1]).abs().mean((0, 1, 2, 3))
    assert changed[13:].mean() > 20 * changed[:11].mean()


def test_a_regions_seed_is_its_own_noise(webui, monkeypatch):
    rng = SimpleNamespace(randn_local=lambda seed, shape: seeded_noise(shape, seed))
    monkeypatch.setitem(sys.modules, "modules.rng", rng)
    monkeypatch.setattr(sys.modules["modules"], "rng", rng, raising=False)
    seeds = [{**HALVES[0], "prompt": "main"}, {**HALVES[1], "prompt": "main", "seed": 5}]
    made, plain = sample(webui, "main", seeds), sample(webui, "main")
    changed = (made - plain).abs().mean((0, 1, 2, 3))
    assert changed[13:].mean() > 20 * changed[:11].mean()


def test_a_method_that_needs_attention_is_refused_before_sampling(webui):
    steps = []
    webui.callbacks.on_cfg_denoiser(lambda params: steps.append(1))
    with pytest.raises(RegionalError, match='"attention_couple" cannot work with UnknownKin.*cross-attention.*"latent_couple"'):
        sample(webui, "main", [{**HALVES[0], "prompt": "a"}], "attention_couple")
    assert not steps


def test_the_hosts_version_is_named(webui, monkeypatch):
    named_version(monkeypatch)
    with (
        pytest.raises(RegionalError, match=r"UnknownKin in Forge neo 2\.26: it needs self-attention"),
        ForgeHost(webui.engine).patched(Hooks(self_attention=lambda call: None)),
    ):
        pass
