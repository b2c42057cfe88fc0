"""LoRAs of regions through doubles of the WebUIs' own networks: what is asked of them, what comes out, and that nothing stays loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import network_doubles
import pytest
import torch
import torch.nn.functional as F
from lora_files import LINEAR, ia3_in, locon_mid, lora, merged, oft
from torch import nn

from lib_regional.hosts.a1111 import loras as a1111_loras
from lib_regional.hosts.forge import loras as forge_loras
from lib_regional.request.errors import RegionalError
from lib_regional.request.prompt.lora_tags import LoraTag
from lib_regional.tensors.lora.low_rank import added, dense

LINEAR_KEY, CONV_KEY, TEXT_KEY = "lora_unet_block_1_to_q", "lora_unet_block_2", "lora_te_text_fc1"


class Network(nn.Module):
    """Two layers of a UNet, named as the hosts name theirs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.block = nn.ModuleDict({"1": nn.ModuleDict({"to_q": nn.Linear(24, 16)}), "2": nn.Conv2d(8, 16, 3, padding=1)})


class HostModule(network_doubles.HostModule):
    """With ΔW from the naive reference."""

    def calc_updown(self, weight):
        delta = torch.from_numpy(merged(self.kind, self.parts, weight)).float().view(weight.shape) - weight
        return delta * self.network.unet_multiplier, self.parts.get("diff_b")


class A1111:
    """The built-in Lora extension with files kept in a dictionary: name -> kind, and what reading the file gives."""

    def __init__(self, monkeypatch):
        self.unet = Network()
        self.model = SimpleNamespace(model=SimpleNamespace(diffusion_model=self.unet))
        self.files, self.contents, self.asked = {}, {}, []
        self.networks = SimpleNamespace(
            available_networks={}, available_network_aliases={}, forbidden_network_aliases={}, loaded_networks=["global"],
            load_network=self.load_network, list_available_networks=self.refresh, extra_network_lora=SimpleNamespace(errors={}),
        )  # fmt: skip
        modules, sd_models = ModuleType("modules"), ModuleType("modules.sd_models")
        sd_models.read_state_dict = self.read
        modules.sd_models = sd_models
        monkeypatch.setitem(sys.modules, "modules", modules)
        monkeypatch.setitem(sys.modules, "modules.sd_models", sd_models)
        monkeypatch.setitem(sys.modules, "networks", self.networks)

    def put(self, name, kind, parts, key=LINEAR_KEY, suffix=".safetensors"):
        self.files[name] = (kind, parts)
        self.contents[name + suffix] = {f"{key}.{part}": value for part, value in parts.items()}

    def refresh(self):
        self.asked.append("refresh")
        entries = {Path(file).stem: SimpleNamespace(name=Path(file).stem, filename=f"/models/{file}") for file in self.contents}
        self.networks.available_networks.update(entries)
        self.networks.available_network_aliases.update(entries)

    def read(self, filename):
        content = self.contents[Path(filename).name]
        if isinstance(content, Exception):
            raise content
        return content

    def load_network(self, name, entry):
        kind, parts = self.files[name]
        network = SimpleNamespace(name=name, te_multiplier=7.0, unet_multiplier=7.0, dyn_dim="unset")
        layers = {"diffusion_model_block_1_to_q": self.unet.block["1"]["to_q"], "diffusion_model_block_2": self.unet.block["2"]}
        keys = {LINEAR_KEY: "diffusion_model_block_1_to_q", CONV_KEY: "diffusion_model_block_2", TEXT_KEY: "transformer_text_fc1"}
        used = {key.partition(".")[0] for key in self.read(entry.filename)}
        network.modules = {
            keys[key]: HostModule(network, kind, parts, layers.get(keys[key], nn.Linear(24, 16))) for key in used if key in keys
        }
        return network


@pytest.fixture
def a1111(monkeypatch):
    return A1111(monkeypatch)


@pytest.mark.parametrize("kind", LINEAR)
def test_a1111_gives_what_the_hosts_class_adds(a1111, kind):
    torch.manual_seed(3)
    weight = a1111.unet.block["1"]["to_q"].weight.detach()
    parts = LINEAR[kind](tuple(weight.shape))
    a1111.put("x", kind, parts)
    found = a1111_loras.unet_deltas(a1111.model, LoraTag("x", 0.3, 0.4))
    assert set(found) == {"block.1.to_q"}
    x = torch.randn(5, 24)
    new = torch.from_numpy(merged(kind, parts, weight)).float()
    expected = F.linear(x, new, parts.get("diff_b")) - F.linear(x, weight)
    assert torch.allclose(added(found["block.1.to_q"], x), expected, atol=1e-4)
    assert a1111.networks.loaded_networks == ["global"]


def test_a1111_plain_factors_stay_factors_and_the_weight_is_the_one_without_loras(a1111):
    a1111.put("plain", "lora", lora((16, 24)))
    assert a1111_loras.unet_deltas(a1111.model, LoraTag("plain"))["block.1.to_q"].weight is None
    layer = a1111.unet.block["1"]["to_q"]
    clean = layer.weight.detach().clone()
    layer.network_weights_backup = clean
    with torch.no_grad():
        layer.weight += 1.0
    parts = LINEAR["ia3 on input"]((16, 24))
    a1111.put("scaling", "ia3 on input", parts)
    found = a1111_loras.unet_deltas(a1111.model, LoraTag("scaling"))["block.1.to_q"]
    assert torch.allclose(dense(found, (16, 24)), clean * parts["weight"], atol=1e-6)


def test_a1111_fewer_ranks_are_the_hosts_business(a1111):
    a1111.put("x", "lora", lora((16, 24)))
    assert a1111_loras.unet_deltas(a1111.model, LoraTag("x", dyn=2))["block.1.to_q"].weight is not None


def test_a1111_convolution(a1111):
    parts = lora((16, 8, 3, 3))
    a1111.put("x", "lora", parts, CONV_KEY)
    found = a1111_loras.unet_deltas(a1111.model, LoraTag("x"))["block.2"]
    x = torch.randn(2, 8, 6, 5)
    inner = F.conv2d(x, parts["lora_down.weight"], padding=1)
    assert torch.allclose(added(found, x), F.conv2d(inner, parts["lora_up.weight"]) * 2 / 3, atol=1e-5)


def test_a1111_texts_hear_a_regions_lora_and_the_host_hears_of_nothing(a1111):
    a1111.put("x", "lora", lora((16, 24)), TEXT_KEY)
    with a1111_loras.on_texts([LoraTag("x", 0.3, 0.4)]):
        assert a1111.networks.loaded_networks[0] == "global" and len(a1111.networks.loaded_networks) == 2
        own = a1111.networks.loaded_networks[1]
        assert (own.te_multiplier, own.dyn_dim) == (0.3, None)
    assert a1111.networks.loaded_networks == ["global"]
    with pytest.raises(ZeroDivisionError), a1111_loras.on_texts([LoraTag("x")]):
        raise ZeroDivisionError
    assert a1111.networks.loaded_networks == ["global"]
    with pytest.raises(RegionalError, match='"x" does not fit the text encoder'), a1111_loras.on_texts([LoraTag("x")]):
        a1111.networks.extra_network_lora.errors["x"] = 3


BAD = [
    ("missing", None, ".safetensors", 'there is no LoRA "missing" (there are: good)'),
    ("pickled", lora((16, 24)), ".ckpt", "pickled.ckpt is a pickle file"),
    ("torn", ValueError("header"), ".safetensors", "torn.safetensors is not a readable LoRA (header)"),
    ("nan", {"lora_up.weight": torch.full((16, 1), float("nan")), "lora_down.weight": torch.ones(1, 24)}, ".safetensors", "NaN"),
    ("empty", {"lora_up.weight": torch.ones(16, 0), "lora_down.weight": torch.ones(0, 24)}, ".safetensors", "rank 0"),
    ("wide", lora((16, 99)), ".safetensors", "wide.safetensors cannot be used: layer block.1.to_q"),
]


@pytest.mark.parametrize(("name", "content", "suffix", "says"), BAD, ids=[case[0] for case in BAD])
def test_a1111_names_the_file_that_cannot_be_used(a1111, name, content, suffix, says):
    a1111.put("good", "lora", lora((16, 24)))
    if isinstance(content, Exception):
        a1111.contents[name + suffix] = content
    elif content is not None:
        a1111.put(name, "lora", content, suffix=suffix)
    with pytest.raises(RegionalError) as caught:
        a1111_loras.unet_deltas(a1111.model, LoraTag(name))
    assert says in str(caught.value) and a1111.asked == (["refresh", "refresh"] if content is None else ["refresh"])


def test_a1111_another_family_is_refused(a1111):
    a1111.put("x", "lora", lora((16, 24)), "lora_unet_elsewhere_1")
    with pytest.raises(RegionalError, match="x.safetensors cannot be used: it was made for another kind of model"):
        a1111_loras.unet_deltas(a1111.model, LoraTag("x"))


def test_without_the_extension_it_is_said(a1111, monkeypatch):
    monkeypatch.delitem(sys.modules, "networks")
    for ask in (lambda: a1111_loras.unet_deltas(a1111.model, LoraTag("x")), lambda: a1111_loras.on_texts([LoraTag("x")]).__enter__()):
        with pytest.raises(RegionalError, match="built-in Lora extension"):
            ask()


# ---------------------------------------------------------------- Forge


class Forge:
    """Forge's loader: patches by the model's own key, and a merge that knows ``lora`` and ``diff``."""

    def __init__(self, monkeypatch, contents):
        self.unet, self.contents, self.refreshed = Network(), contents, []
        names = {Path(file).stem: SimpleNamespace(filename=f"/models/{file}") for file in contents}
        networks = SimpleNamespace(
            available_networks=names, available_network_aliases=names, loaded_networks=[], list_available_networks=lambda: None
        )
        model = nn.Module()
        model.diffusion_model = self.unet
        patcher = SimpleNamespace(model=model, lora_loader=SimpleNamespace(backup={}))
        self.objects = SimpleNamespace(unet=patcher, clip=self.clip("own"), shallow_copy=lambda: SimpleNamespace(clip=None))
        self.engine = SimpleNamespace(forge_objects=self.objects)
        self.backup = patcher.lora_loader.backup
        parts = {
            "backend": {}, "backend.patcher": {}, "backend.utils": {"load_torch_file": self.read},
            "backend.patcher.lora": {
                "load_lora": self.load_lora, "model_lora_keys_unet": lambda model, keys: self.keys("unet"),
                "model_lora_keys_clip": lambda model, keys: self.keys("te"), "merge_lora_to_weight": self.merge,
            },
        }  # fmt: skip
        monkeypatch.setitem(sys.modules, "networks", networks)
        for name, values in parts.items():
            module = ModuleType(name)
            vars(module).update(values)
            monkeypatch.setitem(sys.modules, name, module)

    def clip(self, name):
        patches = []
        patcher = SimpleNamespace(refresh_loras=lambda: self.refreshed.append(name))
        return SimpleNamespace(
            cond_stage_model=None, patches=patches, patcher=patcher, clone=lambda: self.clip("clone"),
            add_patches=lambda **given: patches.append(given),
        )  # fmt: skip

    @staticmethod
    def keys(component):
        linear = {LINEAR_KEY: "diffusion_model.block.1.to_q.weight", CONV_KEY: "diffusion_model.block.2.weight"}
        return linear if component == "unet" else {TEXT_KEY: "clip.text.fc1.weight"}

    def read(self, filename, safe_load):
        assert safe_load
        return self.contents[Path(filename).name]

    @staticmethod
    def load_lora(weights, keys):
        found = {}
        for key, target in keys.items():
            part = {name.removeprefix(key + "."): value for name, value in weights.items() if name.startswith(key + ".")}
            if "lora_up.weight" in part:
                found[target] = (
                    "lora",
                    (
                        part["lora_up.weight"],
                        part["lora_down.weight"],
                        float(part["alpha"]),
                        part.get("lora_mid.weight"),
                        part.get("dora_scale"),
                    ),
                )
            elif "diff" in part:
                found[target] = ("diff", (part["diff"],))
            if "diff_b" in part:
                found[target.removesuffix("weight") + "bias"] = ("diff", (part["diff_b"],))
        return found, {}

    @staticmethod
    def merge(patches, weight, key, computation_dtype):
        strength, (kind, values), *_ = patches[0]
        if kind == "diff":
            return weight + strength * values[0]
        up, down, alpha, _, magnitude = values
        parts = {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(alpha), "dora_scale": magnitude}
        return torch.from_numpy(merged("dora", parts, weight)).float().view(weight.shape)


def content(parts, key=LINEAR_KEY):
    return {f"{key}.{part}": value for part, value in parts.items()}


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_forge_gives_what_its_own_merge_adds(monkeypatch, kind):
    torch.manual_seed(5)
    parts = LINEAR[kind]((16, 24))
    forge = Forge(monkeypatch, {"x.safetensors": content(parts)})
    layer = forge.unet.block["1"]["to_q"]
    clean = layer.weight.detach().clone()
    forge.backup["diffusion_model.block.1.to_q.weight"] = clean
    with torch.no_grad():
        layer.weight += 1.0
    found = forge_loras.unet_deltas(forge.engine, LoraTag("x", 0.1, 0.2))
    assert set(found) == {"block.1.to_q"} and (found["block.1.to_q"].weight is None) == (kind == "lora")
    x, new = torch.randn(5, 24), torch.from_numpy(merged(kind, parts, clean)).float()
    expected = F.linear(x, new, parts.get("diff_b")) - F.linear(x, clean)
    assert torch.allclose(added(found["block.1.to_q"], x), expected, atol=1e-4)
    assert not added(found["block.1.to_q"], x).is_inference()


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_forge_weights_of_eight_bits_are_read_as_they_are(monkeypatch, kind):
    """Stored so, the host merges in every forward and keeps no backup: the stored weight is the one without LoRAs."""
    torch.manual_seed(6)
    parts = LINEAR[kind]((16, 24))
    forge = Forge(monkeypatch, {"x.safetensors": content(parts)})
    layer = forge.unet.block["1"]["to_q"]
    layer.weight = torch.nn.Parameter(layer.weight.detach().to(torch.float8_e4m3fn), requires_grad=False)
    stored = layer.weight.float()
    found = forge_loras.unet_deltas(forge.engine, LoraTag("x"))["block.1.to_q"]
    x, new = torch.randn(5, 24), torch.from_numpy(merged(kind, parts, stored)).float()
    assert torch.allclose(added(found, x), F.linear(x, new, parts.get("diff_b")) - F.linear(x, stored), atol=1e-4)


def test_forge_convolution_with_a_core(monkeypatch):
    parts = locon_mid((16, 8, 3, 3))
    forge = Forge(monkeypatch, {"x.safetensors": content(parts, CONV_KEY)})
    weight = forge.unet.block["2"].weight.detach()
    found = forge_loras.unet_deltas(forge.engine, LoraTag("x"))["block.2"]
    x, new = torch.randn(2, 8, 6, 5), torch.from_numpy(merged("locon", parts, weight)).float().view(weight.shape)
    assert torch.allclose(added(found, x), F.conv2d(x, new - weight, padding=1), atol=1e-4)


def test_forge_texts_are_encoded_by_a_clone_that_goes(monkeypatch):
    forge = Forge(monkeypatch, {"x.safetensors": content(lora((16, 24)), TEXT_KEY)})
    with forge_loras.on_texts(forge.engine, [LoraTag("x", 0.3, 0.4), LoraTag("x", 0.5)]):
        inside = forge.engine.forge_objects
        assert inside is not forge.objects and [patch["strength_patch"] for patch in inside.clip.patches] == [0.3, 0.5]
        assert len({patch["filename"] for patch in inside.clip.patches}) == 2
    assert forge.engine.forge_objects is forge.objects and forge.objects.clip.patches == []
    assert forge.refreshed == ["clone", "own"]
    with pytest.raises(ZeroDivisionError), forge_loras.on_texts(forge.engine, [LoraTag("x")]):
        raise ZeroDivisionError
    assert forge.engine.forge_objects is forge.objects


def test_forge_names_the_file_that_cannot_be_used(monkeypatch):
    bad = {"lora_up.weight": torch.full((16, 1), float("inf")), "lora_down.weight": torch.ones(1, 24), "alpha": torch.tensor(1.0)}
    files = {
        "bad.safetensors": content(bad),
        "strange.safetensors": content(lora((16, 24)), "lora_unet_x"),
        "wide.safetensors": content(lora((16, 9))),
        "turned.safetensors": content(oft((16, 24))),
        "scaled.safetensors": content(ia3_in((16, 24))),
    }
    forge = Forge(monkeypatch, files)
    for name, says in (
        ("bad", "infinite"),
        ("turned", r"does not read networks of its kind \(OFT\)"),
        ("scaled", r"does not read networks of its kind \(IA3\)"),
        ("strange", "another kind of model"),
        ("wide", "layer block.1.to_q"),
        ("none", "there is no LoRA"),
    ):
        with pytest.raises(RegionalError, match=says) as caught:
            forge_loras.unet_deltas(forge.engine, LoraTag(name))
        assert name in str(caught.value)
