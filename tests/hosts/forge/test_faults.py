"""The Forge adapter when something goes wrong, or another checkpoint samples on: nothing is left behind, nothing happens in silence."""

import pytest
from forge_cases import hooked, snapshot
from forge_double import Engine, Processing, WebUI
from forge_networks import Network
from torch import nn

from lib_regional.request.errors import RegionalError


@pytest.fixture
def webui(monkeypatch):
    return WebUI(monkeypatch, Engine(Network()))


def test_a_refiner_is_followed(webui):
    other, p, renewed = Engine(Network(seed=9), "two.safetensors"), Processing(webui), []
    first = webui.engine

    def refiner(denoiser):
        if denoiser.step == 1:
            webui.swap(other)

    webui.refiner = refiner
    before = snapshot(webui, other)
    steps = []
    with hooked(webui, p, cross_attention=lambda call: steps.append(call.model.step.index), renew=lambda: renewed.append(1)):
        p.sample(3)
    assert renewed == [1] and set(steps) == {0, 1, 2}
    webui.swap(first)
    assert snapshot(webui, other) == before


def test_a_method_that_cannot_follow_says_so(webui):
    other, p = Engine(Network(seed=9), "two.safetensors"), Processing(webui)
    webui.refiner = lambda denoiser: webui.swap(other) if denoiser.step == 1 else None
    with pytest.raises(RegionalError, match="weights changed during sampling"), hooked(webui, p, cross_attention=lambda call: None):
        p.sample(3)


def test_a_pass_that_is_not_announced_is_an_error(webui):
    p = Processing(webui)
    with pytest.raises(RegionalError, match="without announcing its passes"), hooked(webui, p, cross_attention=lambda call: None):
        p.before_sampling.clear()
        p.sample(1)


def test_an_unknown_kind_of_network_is_refused(monkeypatch):
    webui = WebUI(monkeypatch, Engine(nn.Conv2d(4, 4, 1)))
    with pytest.raises(RegionalError, match="Conv2d"), hooked(webui, Processing(webui), cross_attention=lambda call: None):
        pass
