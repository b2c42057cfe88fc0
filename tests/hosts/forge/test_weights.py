"""Layers of Forge's family that compute with another weight than they hold: what the methods are given of them."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from forge_cases import hooked
from forge_double import Engine, Processing, WebUI
from forge_networks import Network
from torch import nn

from lib_regional.hosts.forge.weights import applied_weights


@pytest.fixture
def online(monkeypatch):
    """``backend.operations``, whose patches are tensors to be added."""

    def get_weight_and_bias(layer, weight_args=None, bias_args=None):
        patches = layer.forge_online_loras
        added = [
            value if name not in patches else value + patches[name] for name, value in (("weight", layer.weight), ("bias", layer.bias))
        ]
        return added[0].to(**weight_args), added[1].to(**bias_args)

    operations = ModuleType("backend.operations")
    operations.get_weight_and_bias = get_weight_and_bias
    monkeypatch.setitem(sys.modules, "backend", ModuleType("backend"))
    monkeypatch.setitem(sys.modules, "backend.operations", operations)


def test_loras_that_forge_adds_whenever_a_layer_runs(online) -> None:
    layer, change = nn.Conv2d(2, 3, 3), torch.randn(3, 2, 3, 3)
    layer.forge_online_loras = {"weight": change}
    found = applied_weights(layer, torch.zeros(1, dtype=torch.float16))
    assert torch.equal(found.weight, (layer.weight + change).half()) and torch.equal(found.bias, layer.bias.half())


@pytest.mark.parametrize("several", [False, True], ids=["one", "a list"])
def test_weights_patched_on_their_way(several: bool) -> None:
    """``ldm_patched``: a function, or a list of them in newer ones; an empty list is none."""
    layer = nn.Conv2d(2, 3, 3)
    layer.weight_function, layer.bias_function = ([lambda w: w + 1, lambda w: w * 2], []) if several else (lambda w: (w + 1) * 2, None)
    found = applied_weights(layer, torch.zeros(1))
    assert torch.equal(found.weight, (layer.weight + 1) * 2) and torch.equal(found.bias, layer.bias)


def test_methods_are_given_them(monkeypatch, online) -> None:
    webui, seen = WebUI(monkeypatch, Engine(Network())), {}
    layer = webui.engine.network.input_blocks[1][0]
    layer.forge_online_loras = {"weight": torch.ones_like(layer.weight)}
    with hooked(webui, p := Processing(webui), spatial=lambda call: seen.update({call.name: call.weights(call.run(call.x))})):
        p.sample(1)
    assert torch.equal(seen["input_blocks.1.0"].weight, layer.weight + 1)
    assert torch.equal(seen["input_blocks.0.0"].weight, webui.engine.network.input_blocks[0][0].weight)
