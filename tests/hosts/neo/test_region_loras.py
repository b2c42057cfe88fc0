"""LoRAs of regions in transformers: on the picture's tokens by place, on a text's tokens by the region that it belongs to."""

import copy

import pytest
import torch
from neo_networks import Anima, FluxKin, Wan
from torch import nn

from lib_regional.hosts.forge.network.families import family_of
from lib_regional.hosts.forge.network.families.family import input_of
from lib_regional.hosts.neo.blocks import CrossBlocks
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.lora.deltas import LayerDelta, LayerKind
from tests.hosts.neo.test_families import FAMILIES, FULL, HALVES, host_of, sample

NETWORKS = {**FAMILIES, "flux2": lambda depth=2: FluxKin("flux2"), "anima": lambda depth=2: Anima(4), "wan": lambda depth=2: Wan(4)}
for _kind in (Anima, Wan):
    _kind.channels, _kind.temporal, _kind.latent = 4, True, FAMILIES["qwen"].latent
FluxKin.channels, FluxKin.temporal, FluxKin.latent = 4, False, FAMILIES["qwen"].latent


@pytest.fixture(params=NETWORKS)
def kind(request):
    return request.param


@pytest.fixture
def made(monkeypatch):
    def make(kind, depth=2):
        monkeypatch.setitem(FAMILIES, kind, NETWORKS[kind])
        webui = host_of(monkeypatch, kind, depth)
        webui.flux = kind == "flux2"
        return webui

    return make


def close(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def input_in(network, name):
    family = family_of(network)
    return CrossBlocks(network).input_of(name) if family is None else input_of(family.layers, name)


def deltas_of(network, wanted=lambda name, part: True, seed=0):
    """Factors for all linear layers that a region's LoRA reaches."""
    torch.manual_seed(seed)
    found = {}
    for name, layer in network.named_modules():
        part = input_in(network, name)
        if isinstance(layer, nn.Linear) and part != "unreached" and wanted(name, part):
            out, inner = layer.weight.shape
            found[name] = LayerDelta(LayerKind("linear"), down=0.3 * torch.randn(2, inner), up=0.3 * torch.randn(out, 2))
    return found


def with_loras(monkeypatch, **deltas):
    monkeypatch.setattr("lib_regional.hosts.forge.adapter.unet_deltas", lambda engine, lora: deltas[lora.name])


def merged(webui, deltas, prompts):
    """The plain picture of a network into which the LoRA is merged."""
    network = webui.engine.unet.model.diffusion_model
    webui.engine.unet.model.diffusion_model = other = copy.deepcopy(network)
    for name, delta in deltas.items():
        other.get_submodule(name).weight.data += delta.up @ delta.down
    try:
        return sample(webui, prompts)
    finally:
        webui.engine.unet.model.diffusion_model = network


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_over_the_whole_canvas_it_is_the_plain_lora(monkeypatch, made, kind, method):
    webui = made(kind)
    deltas = deltas_of(webui.engine.network)
    with_loras(monkeypatch, x=deltas)
    got = sample(webui, ["main"], [{**FULL, "prompt": "a thing<lora:x:0:1>"}], method)
    close(got, merged(webui, deltas, ["a thing"]))
    assert (got - sample(webui, ["a thing"])).abs().max() > 0.01, "the LoRA does something"


def test_the_same_lora_and_text_in_all_regions_is_the_plain_lora(monkeypatch, made, kind):
    webui = made(kind)
    deltas = deltas_of(webui.engine.network)
    with_loras(monkeypatch, x=deltas)
    soft = [{**half, "prompt": "main<lora:x:0:1>", "feather": 0.3} for half in HALVES]
    close(sample(webui, ["main"], soft), merged(webui, deltas, ["main"]))


def changes(webui, left, right):
    """By how much a LoRA ``x`` in ``left`` or ``right`` changes each column."""
    plain, own = (
        sample(webui, ["main"], [{**HALVES[0], "prompt": f"one{a}"}, {**HALVES[1], "prompt": f"another{b}"}])
        for a, b in (("", ""), (left, right))
    )
    return (plain - own).abs().flatten(0, -2).mean(0)


@pytest.mark.parametrize("kind", FAMILIES)
def test_behind_the_attention_of_one_block_it_acts_in_its_place_alone(monkeypatch, made, kind):
    """Its keys and values are seen from everywhere; what follows the attention is not."""
    webui = made(kind, 1)
    last = ("feed_forward", "img_out", "final_layer.linear", "final_linear", "proj_out", "last.linear", "attention.out")
    wanted = {name: delta for name, delta in deltas_of(webui.engine.network).items() if name.endswith(last)}
    with_loras(monkeypatch, x={name: delta for name, delta in wanted.items() if "refiner" not in name and "txtfusion" not in name})
    found = changes(webui, "", "<lora:x:0:1>")
    assert found[:6].max() < 1e-6 < 1e-4 < found[6:].mean()


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_text_has_the_loras_of_its_own_region(monkeypatch, made, kind):
    webui = made(kind, 1)
    with_loras(monkeypatch, x=deltas_of(webui.engine.network, lambda name, part: part in ("text", "fused")))
    found = changes(webui, "", "<lora:x:0:1>")
    assert found[:6].max() < 1e-6 < 5e-5 < found[6:].mean()


def test_the_order_of_regions_changes_nothing(monkeypatch, made, kind):
    webui = made(kind)
    with_loras(monkeypatch, x=deltas_of(webui.engine.network), y=deltas_of(webui.engine.network, seed=1))
    regions = [{**half, "prompt": f"{name}<lora:{name}:0:1>"} for half, name in zip(HALVES, "xy", strict=True)]
    close(sample(webui, ["main"], regions), sample(webui, ["main"], regions[::-1]))


def test_a_lora_without_words_acts_too(monkeypatch, made, kind):
    webui = made(kind)
    deltas = deltas_of(webui.engine.network)
    with_loras(monkeypatch, x=deltas)
    close(sample(webui, ["main"], [{**FULL, "prompt": "<lora:x:0:1>"}]), merged(webui, deltas, ["main"]))


@pytest.mark.parametrize(("kind", "layer"), [("krea", "txtfusion.projector"), ("wan", "text_embedding.0")])
def test_a_layer_that_has_no_place_is_refused(monkeypatch, made, kind, layer):
    webui = made(kind)
    out, inner = webui.engine.network.get_submodule(layer).weight.shape
    with_loras(monkeypatch, x={layer: LayerDelta(LayerKind("linear"), down=torch.ones(1, inner), up=torch.ones(out, 1))})
    with pytest.raises(RegionalError, match=f"changes the layer {layer}"):
        sample(webui, ["main"], [{**HALVES[0], "prompt": "<lora:x:0:1>"}])


def test_nothing_of_it_stays(monkeypatch, made, kind):
    webui = made(kind)
    plain = sample(webui, ["main"])
    with_loras(monkeypatch, x=deltas_of(webui.engine.network))
    sample(webui, ["main"], [{**HALVES[0], "prompt": "<lora:x:0:1>"}])
    assert torch.equal(sample(webui, ["main"]), plain)
