"""Gradients through a network made for inference alone: right, by its context, and nothing is left."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from forge_cases import snapshot
from forge_double import Engine, WebUI
from forge_networks import Network, context, vector_of

from lib_regional.engine.calls import Conditioning
from lib_regional.hosts.forge.adapter import ForgeHost
from lib_regional.hosts.forge.network.gradient import ordinary, with_gradient
from lib_regional.methods.mrgd.guide import differentiable
from lib_regional.request.errors import RegionalError


@pytest.fixture
def webui(monkeypatch):
    webui = WebUI(monkeypatch, Engine(Network()))
    webui.engine.unet.model.computation_dtype = torch.float32
    return webui


@pytest.fixture
def x():
    return torch.randn(1, 4, 10, 8, generator=torch.Generator().manual_seed(2))


def test_an_inference_tensor_is_seen_in_its_own_memory():
    with torch.inference_mode():
        base = torch.arange(24.0).reshape(4, 6)
        part = base[1:, ::2]
    seen = ordinary(part)
    assert torch.equal(seen, part) and seen.data_ptr() == part.data_ptr() and seen.stride() == part.stride()
    assert not seen.is_inference() and ordinary(seen) is seen


def test_so_is_a_weight_that_was_moved_since():
    """Memory management moves weights to another device outside of inference mode."""
    with torch.inference_mode():
        layer = torch.nn.Linear(2, 2)
    layer.requires_grad_(False).double()
    x = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="version counter"):
        torch.nn.functional.linear(x, layer.weight)
    torch.nn.functional.linear(x, ordinary(layer.weight)).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.sum(0, keepdim=True))


def test_the_gradient_is_that_of_finite_differences(webui, x):
    network = webui.engine.network
    with torch.inference_mode():
        network.double().time.float()  # the network reckons its time in single precision
    x, conditioning = x.double(), context("a thing")[None].double()
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(1, 4, 10, 8, generator=generator, dtype=torch.float64)
    time = torch.tensor([500.0], dtype=torch.float64)

    def value(text):
        with torch.no_grad():
            return float((network.forward(x, time.float(), context=text, transformer_options={}) * weights).sum())

    wanted = conditioning.clone().requires_grad_(True)
    with with_gradient(network):
        made = network(x, time, context=wanted, transformer_options={})
    (gradient,) = torch.autograd.grad((made * weights).sum(), wanted)
    for _ in range(3):
        way = torch.randn(conditioning.shape, generator=generator, dtype=torch.float64)
        slope = (value(conditioning + 1e-5 * way) - value(conditioning - 1e-5 * way)) / 2e-5
        assert float((gradient * way).sum()) == pytest.approx(slope, rel=1e-5)


def test_without_it_the_network_has_none(webui, x):
    conditioning = context("a thing")[None].requires_grad_(True)
    with pytest.raises(RuntimeError, match="nference tensor|out=|inplace|in-place"):
        webui.engine.network(x, torch.tensor([500.0]), context=conditioning, transformer_options={}).sum().backward()


@pytest.mark.parametrize("fault", [None, KeyboardInterrupt, torch.cuda.OutOfMemoryError], ids=["success", "interrupt", "memory"])
def test_nothing_is_left(webui, x, fault):
    def broken(*_):
        raise fault

    before, network = snapshot(webui), webui.engine.network
    plain = network(x, torch.tensor([500.0]), context=context("a")[None], transformer_options={})
    hook = network.out.register_forward_pre_hook(broken) if fault else None
    try:
        with with_gradient(network):
            network(x, torch.tensor([500.0]), context=context("a")[None].requires_grad_(True), transformer_options={})
    except (KeyboardInterrupt, torch.cuda.OutOfMemoryError):
        assert fault
    finally:
        if hook is not None:
            hook.remove()
    assert snapshot(webui) == before
    assert torch.equal(network(x, torch.tensor([500.0]), context=context("a")[None], transformer_options={}), plain)
    assert not torch.is_inference_mode_enabled()


# ---------------------------------------------------------------- predictions


def host_of(webui, prediction="epsilon"):
    webui.engine.unet.model.predictor = SimpleNamespace(prediction_type=prediction, sigmas=torch.linspace(0.03, 14, 1000))
    return ForgeHost(webui.engine)


def test_a_prediction_is_the_networks(webui, x):
    host = host_of(webui)
    with torch.no_grad():
        made = host.predict(x, 500, [Conditioning(context("a thing"))])
        expected = webui.engine.network(x, torch.tensor([500.0]), context=context("a thing")[None], transformer_options={})
    torch.testing.assert_close(made, expected)
    sigma = torch.linspace(0.03, 14, 1000)
    torch.testing.assert_close(host.alphas_cumprod, 1 / (1 + sigma**2))


def test_a_velocity_is_given_as_noise(webui, x):
    host = host_of(webui, "v_prediction")
    with torch.no_grad():
        v = host_of(webui).predict(x, 500, [Conditioning(context("a"))])
        noise = host_of(webui, "v_prediction").predict(x, 500, [Conditioning(context("a"))])
    kept = host.alphas_cumprod[500]
    clean = kept.sqrt() * x - (1 - kept).sqrt() * v  # Salimans and Ho, 2022
    torch.testing.assert_close(kept.sqrt() * clean + (1 - kept).sqrt() * noise, x)


def test_pooled_texts_are_given(monkeypatch, x):
    webui = WebUI(monkeypatch, Engine(Network(vectors=True), kind="is_sdxl"))
    webui.engine.unet.model.computation_dtype = torch.float32
    conditioning = Conditioning(context("a"), vector_of("a"))
    with torch.no_grad():
        first = host_of(webui).predict(x, 500, [conditioning])
        other = host_of(webui).predict(x, 500, [replace(conditioning, vector=vector_of("b"))])
    assert not torch.equal(first, other)


def test_a_network_that_wants_more_is_refused(webui, x):
    webui.engine.network.in_channels = 9
    with pytest.raises(RegionalError, match="takes 9 channels"):
        host_of(webui).predict(x, 500, [Conditioning(context("a"))])


def test_a_context_is_fitted_while_the_host_samples_for_inference(webui, x):
    """As null-text inversion does: the gradient leads down although all around it is inference."""
    host = host_of(webui)
    with torch.inference_mode():
        aim = host.predict(x, 500, [Conditioning(context("wanted"))])
        start = Conditioning(context("other"))
        with differentiable(), torch.enable_grad():
            fitted = start.crossattn.clone().requires_grad_(True)
            losses = []
            adam = torch.optim.Adam([fitted], lr=0.05)
            for _ in range(20):
                loss = (host.predict(x.clone(), 500, [Conditioning(fitted)]) - aim.clone()).square().mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
                losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
