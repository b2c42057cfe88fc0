"""LoRAs of regions under Forge Neo's patcher: what is read, what a text encoder has while regions are encoded, and what stays."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from lora_files import LINEAR, lora, merged
from neo_double import Loader

from lib_regional.hosts.forge import loras as forge_loras
from lib_regional.hosts.forge.lora_tools import low_rank
from lib_regional.hosts.forge.weights import applied_weights
from lib_regional.hosts.neo.loras import NeoTools
from lib_regional.request.errors import RegionalError
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.tensors.lora.keys import NetworkError
from lib_regional.tensors.lora.low_rank import added
from tests.hosts.webui_family.test_loras import LINEAR_KEY, TEXT_KEY, Network, content

UNET_KEYS = {LINEAR_KEY: "diffusion_model.block.1.to_q.weight"}
TEXT_KEYS = {TEXT_KEY: "text.fc1.weight"}


def loader(monkeypatch, contents):
    return Loader(monkeypatch, Network(), contents, UNET_KEYS, TEXT_KEYS)


def test_its_functions_are_the_ones_that_are_called(monkeypatch):
    assert type(forge_loras.tools_of(loader(monkeypatch, {}).engine)) is NeoTools


@pytest.mark.parametrize("family", ["lora", "full", "dora"])
def test_deltas_are_what_the_hosts_merge_adds(monkeypatch, family):
    """Also while a clone of the patcher, with LoRAs of the main prompt, is the loaded one."""
    torch.manual_seed(5)
    parts = LINEAR[family]((16, 24))
    host = loader(monkeypatch, {"x.safetensors": content(parts)})
    layer = host.objects.unet.model.diffusion_model.block["1"]["to_q"]
    clean = layer.weight.detach().clone()
    mains = host.objects.unet.clone()
    mains.add_patches({UNET_KEYS[LINEAR_KEY]: ("diff", (torch.ones(16, 24),))}, 0.5)
    host.load(mains)
    assert not torch.equal(layer.weight, clean)
    found = forge_loras.unet_deltas(host.engine, LoraTag("x", 0.1, 0.2))
    assert set(found) == {"block.1.to_q"} and (found["block.1.to_q"].weight is None) == (family == "lora")
    x, new = torch.randn(5, 24), torch.from_numpy(merged(family, parts, clean)).float()
    expected = F.linear(x, new, parts.get("diff_b")) - F.linear(x, clean)
    assert torch.allclose(added(found["block.1.to_q"], x), expected, atol=1e-4)


@pytest.mark.parametrize("families", [("lora", "lora"), ("lora", "dora"), ("full", "lora")], ids="-".join)
def test_parts_of_a_joined_layer_are_put_together(monkeypatch, families):
    """Queries and keys of a fused layer have LoRAs of their own, for slices of its weight."""
    torch.manual_seed(6)
    weight = UNET_KEYS[LINEAR_KEY]
    slices = {"lora_unet_q": (weight, (0, 0, 10)), "lora_unet_k": (weight, (0, 10, 6))}
    parts = [LINEAR[family]((size, 24)) for family, size in zip(families, (10, 6), strict=True)]
    parts[0].pop("diff_b", None)
    contents = {**content(parts[0], "lora_unet_q"), **content(parts[1], "lora_unet_k")}
    host = Loader(monkeypatch, Network(), {"x.safetensors": contents}, slices, TEXT_KEYS)
    clean = host.objects.unet.model.diffusion_model.block["1"]["to_q"].weight.detach().clone()
    found = forge_loras.unet_deltas(host.engine, LoraTag("x"))
    assert set(found) == {"block.1.to_q"} and (found["block.1.to_q"].weight is None) == (families == ("lora", "lora"))
    rows = (clean[:10], clean[10:])
    new = torch.cat([torch.from_numpy(merged(*one)).float() for one in zip(families, parts, rows, strict=True)])
    x = torch.randn(5, 24)
    assert torch.allclose(added(found["block.1.to_q"], x), F.linear(x, new - clean), atol=1e-4)


def test_a_joined_layer_that_is_rearranged_is_refused(monkeypatch):
    keys = {"lora_unet_q": (UNET_KEYS[LINEAR_KEY], (0, 0, 16), lambda values: values)}
    host = Loader(monkeypatch, Network(), {"x.safetensors": content(lora((16, 24)), "lora_unet_q")}, keys, TEXT_KEYS)
    with pytest.raises(RegionalError, match="x.safetensors cannot be used: it rearranges a joined layer.*block.1.to_q"):
        forge_loras.unet_deltas(host.engine, LoraTag("x"))


@pytest.mark.parametrize("fault", [None, ZeroDivisionError], ids=["success", "error"])
def test_texts_are_encoded_by_a_clone_that_goes(monkeypatch, fault):
    parts = lora((16, 24))
    host = loader(monkeypatch, {"x.safetensors": content(parts, TEXT_KEY)})
    host.objects.clip.add_patches({TEXT_KEYS[TEXT_KEY]: ("diff", (torch.ones(16, 24),))}, 0.25)
    x, layer = torch.randn(3, 24), host.text.text["fc1"]
    weight = layer.weight.detach().clone()
    mains, before = host.encode(x), [len(patches) for patches in host.objects.clip.patcher.patches.values()]
    delta = torch.from_numpy(merged("lora", parts, weight)).float() - weight
    try:
        with forge_loras.on_texts(host.engine, [LoraTag("x", 0.3, 0.4), LoraTag("x", 0.5)]):
            assert torch.allclose(host.encode(x), mains + 0.8 * F.linear(x, delta), atol=1e-5)
            if fault is not None:
                raise fault
    except ZeroDivisionError:
        assert fault is ZeroDivisionError
    assert host.engine.forge_objects is host.objects
    assert [len(patches) for patches in host.objects.clip.patcher.patches.values()] == before == [1]
    assert host.loaded[-1].model is host.objects.clip.patcher and torch.equal(host.encode(x), mains)


@pytest.mark.parametrize(("file", "says"), [("strange", "another kind of model"), ("wide", "layer block.1.to_q"), ("none", "no LoRA")])
def test_the_file_that_cannot_be_used_is_named(monkeypatch, file, says):
    files = {"strange.safetensors": content(lora((16, 24)), "lora_unet_x"), "wide.safetensors": content(lora((16, 9)))}
    host = loader(monkeypatch, files)
    with pytest.raises(RegionalError, match=says) as caught:
        forge_loras.unet_deltas(host.engine, LoraTag(file))
    assert file in str(caught.value)


@pytest.mark.parametrize("family", ["dora", "full"])
def test_a_merge_that_fails_in_the_host_is_an_error(monkeypatch, family):
    """The host logs it and goes on without the layer, which would leave out a part of the LoRA in silence."""
    host = loader(monkeypatch, {"x.safetensors": content(LINEAR[family]((16, 9)))})
    with pytest.raises(RegionalError, match="x.safetensors cannot be used: layer block.1.to_q"):
        forge_loras.unet_deltas(host.engine, LoraTag("x"))
    with pytest.raises(NetworkError):
        NeoTools().merged(host.objects.unet, torch.zeros(16, 24), ("diff", (torch.ones(3, 3),)), "key")


def test_a_doubled_underscore_is_read_as_the_host_reads_it(monkeypatch):
    doubled = {key.replace("lora_unet_", "lora_unet__"): value for key, value in content(lora((16, 24))).items()}
    host = loader(monkeypatch, {"x.safetensors": doubled})
    assert set(forge_loras.unet_deltas(host.engine, LoraTag("x"))) == {"block.1.to_q"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("diffusion_model.llm_adapter.out", "text_encoders.qwen3_06b.llm_adapter.out"),
        ("lora_unet_llm_adapter_out", "lora_te_llm_adapter_out"),
    ],
    ids=["PEFT", "kohya"],
)
def test_the_text_adapter_of_anima_is_changed_where_regions_are_encoded(monkeypatch, written, read):
    """Not in silence left out of a region, which the same file in the main prompt changes."""
    parts = lora((16, 24))
    host = Loader(monkeypatch, Network(), {"x.safetensors": content(parts, written)}, UNET_KEYS, {read: TEXT_KEYS[TEXT_KEY]})
    x = torch.randn(3, 24)
    weight, plain = host.text.text["fc1"].weight.detach().clone(), host.encode(x)
    delta = torch.from_numpy(merged("lora", parts, weight)).float() - weight
    with forge_loras.on_texts(host.engine, [LoraTag("x", 0.5)]):
        assert torch.allclose(host.encode(x), plain + 0.5 * F.linear(x, delta), atol=1e-5)


def test_a_low_rank_patch_is_known_as_an_object_and_as_a_tuple():
    class Adapter:
        name = "lora"
        weights = ("up", "down", 4.0, None, None, None)

    assert low_rank(Adapter()) == low_rank(("lora", Adapter.weights[:5])) == ("up", "down", 4.0, None)
    Adapter.weights = ("up", "down", 4.0, None, "dora", None)
    assert low_rank(Adapter()) is None and low_rank(("diff", ("values",))) is None


def test_loras_on_the_fly_are_in_the_weight_that_a_layer_applies():
    layer = Network().block["1"]["to_q"]
    layer.weight_function = [lambda weight: weight + 1.0, lambda weight: weight * 2.0]
    assert torch.allclose(applied_weights(layer, torch.zeros(1, 16)).weight, (layer.weight + 1.0) * 2.0)
