"""A region's seed is the picture's seed in every way in which a WebUI draws noise."""

import sys
from types import ModuleType

import pytest
import torch
from forge_double import WebUI as ForgeWebUI
from isolation_cases import plan_of
from webui import WebUI as A1111WebUI

from lib_regional.engine.calls import DenoiserCall, StepInfo
from lib_regional.hosts.a1111.adapter import A1111Host
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.methods import preparation
from lib_regional.request.errors import RegionalError

SIGMA = 7.0
KINDS = ["attention_couple", "latent_couple", "latent_composite", "multidiffusion", "mask_conditioning"]


class Rng(ModuleType):
    """``modules.rng``: one generator for each ``randn_source``, and a global one that other parts of the host go on drawing from."""

    def __init__(self, opts):
        super().__init__("modules.rng")
        self.opts = opts

    def randn_local(self, seed, shape):
        assert isinstance(seed, int) and isinstance(shape, tuple)
        offset = {"GPU": 10_000, "CPU": 0, "NV": 20_000}[self.opts.randn_source]
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed + offset))

    def first(self, seeds, shape):
        """The first noise of pictures of these seeds; those after it depend on ``eta_noise_seed_delta``."""
        return torch.stack([self.randn_local(seed, shape) for seed in seeds])


@pytest.fixture(params=["a1111", "forge"])
def host(request, monkeypatch):
    if request.param == "a1111":
        webui = A1111WebUI(monkeypatch)
        made = A1111Host(webui.model)
    else:
        webui = ForgeWebUI(monkeypatch)
        made = ForgeHost(webui.engine)
    made.opts = webui.shared.opts
    made.rng = Rng(made.opts)
    monkeypatch.setitem(sys.modules, "modules.rng", made.rng)
    monkeypatch.setattr(sys.modules["modules"], "rng", made.rng, raising=False)
    return made


def started(host, method, regions, seeds=(1, 2), size=(8, 12)):
    """The latent that the first step of a pass begins with, over noise of ``seeds``."""
    plan = plan_of(method, {"regions": regions}, ("main",) * len(seeds), ("bad",) * len(seeds), (size[1] * 8, size[0] * 8))
    noise = host.rng.first(seeds, (4, *size))
    x = SIGMA * noise
    preparation(method)(plan, host).denoiser(DenoiserCall(x, StepInfo(0, 10), 1.0, SIGMA, lambda: x, noise))
    return x / SIGMA


SOURCES = pytest.mark.parametrize("source", ["GPU", "CPU", "NV"])


@SOURCES
@pytest.mark.parametrize("method", KINDS)
def test_a_seed_over_the_whole_canvas_is_the_picture_of_that_seed(host, method, source):
    host.opts.randn_source, host.opts.eta_noise_seed_delta = source, 31337
    made = started(host, method, [{"box": [0, 0, 1, 1], "feather": 0, "base_share": 0, "prompt": "a", "seed": 77}])
    torch.testing.assert_close(made, host.rng.first((77, 77), (4, 8, 12)))


@SOURCES
def test_the_pictures_own_seed_changes_nothing_and_another_one_does_in_its_place(host, source):
    host.opts.randn_source, left = source, {"box": [0, 0, 0.5, 1], "prompt": "a", "feather": 0.2}
    noise = host.rng.first((1,), (4, 8, 12))
    torch.testing.assert_close(started(host, "attention_couple", [{**left, "seed": 1}], (1,)), noise)
    other = started(host, "attention_couple", [{**left, "feather": 0, "seed": 5}], (1,))
    torch.testing.assert_close(other[..., :6], host.rng.first((5,), (4, 8, 12))[..., :6])
    torch.testing.assert_close(other[..., 6:], noise[..., 6:])


def test_the_sources_differ(host):
    made = []
    for source in ("GPU", "CPU", "NV"):
        host.opts.randn_source = source
        made.append(started(host, "attention_couple", [{"box": [0, 0, 1, 1], "prompt": "a", "seed": 5}]))
    assert not any(torch.equal(a, b) for a, b in zip(made, made[1:], strict=False))


def test_a_host_that_draws_in_an_unknown_way_is_refused(host, monkeypatch):
    monkeypatch.delitem(sys.modules, "modules.rng")
    monkeypatch.delattr(sys.modules["modules"], "rng")
    host.opts.randn_source = "CPU"
    with pytest.raises(RegionalError, match="seeds of their own.*modules.rng"):
        started(host, "attention_couple", [{"box": [0, 0, 1, 1], "prompt": "a", "seed": 5}])
