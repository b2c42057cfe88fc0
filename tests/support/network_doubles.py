"""The WebUIs' own networks in front of a whole UNet: files of every kind of LoRA with random numbers, and what merging them gives.

`A1111Networks` is the built-in Lora extension of AUTOMATIC1111, whose classes say what they would add to a weight; `ForgeNetworks` is
Forge's loader, which gives patches by the model's keys and merges them. Both read from a dictionary in place of a folder. The merge is the
naive one of `lora_files`.
"""

from __future__ import annotations

import copy
import re
import sys
from types import ModuleType, SimpleNamespace

import torch
from forge_double import Engine, UnetPatcher
from lora_files import merged
from torch import nn

from lib_regional.tensors.lora.layers import kind_of
from tests.support.lora_folder import parts_for, shrunk


def random_network(unet: nn.Module, kind: str, seed: int = 0) -> dict[str, dict[str, torch.Tensor]]:
    """Parts of one LoRA by the name of the layer: for one layer of each sort (names without numbers) that the kind has something for."""
    torch.manual_seed(seed)
    sorts = {re.sub(r"\d+", "", name): (name, layer) for name, layer in unet.named_modules() if kind_of(layer) is not None}
    made = {name: (layer, parts_for(kind, layer)) for name, layer in sorts.values()}
    found = {name: shrunk(kind, parts, layer.weight) for name, (layer, parts) in made.items() if parts is not None}
    if kind == "norm":  # a change that a network with few norms shows
        found = {name: {part: 8 * value for part, value in parts.items()} for name, parts in found.items()}
    assert found, kind
    return found


def change(kind: str, parts, weight):
    """(ΔW, Δb or None) at strength 1."""
    if kind == "norm":
        return parts["w_norm"], parts["b_norm"]
    return torch.from_numpy(merged(kind, parts, weight)).float().view(weight.shape) - weight, parts.get("diff_b")


def with_loras(unet: nn.Module, *loras, new_biases: bool = True) -> nn.Module:
    """A copy of ``unet`` with (kind, layers, strength) merged, each on the weights without any other.

    ``new_biases``: layers without a bias get one where a LoRA has one, as in AUTOMATIC1111; Forge leaves it out.
    """
    changed = copy.deepcopy(unet)
    for kind, layers, strength in loras:
        for name, parts in layers.items():
            layer, (weight, bias) = changed.get_submodule(name), change(kind, parts, unet.get_submodule(name).weight)
            layer.weight.data = layer.weight.data + strength * weight
            if bias is not None and (new_biases or layer.bias is not None):
                known = 0 if layer.bias is None else layer.bias.data
                layer.bias = nn.Parameter(known + strength * bias, requires_grad=False)
    return changed


class HostModule:
    """A module of AUTOMATIC1111's networks: ``calc_updown`` gives ΔW for a weight, times the network's multiplier."""

    def __init__(self, network, kind, parts, layer):
        self.network, self.kind, self.parts, self.sd_module = network, kind, parts, layer
        if kind == "lora":
            self.up_model, self.down_model = (SimpleNamespace(weight=parts[f"lora_{side}.weight"]) for side in ("up", "down"))
            self.mid_model = self.dora_scale = self.bias = None

    def calc_scale(self):
        return float(self.parts["alpha"]) / self.parts["lora_down.weight"].shape[0]

    def calc_updown(self, weight):
        delta, bias = change(self.kind, self.parts, weight)
        return delta * self.network.unet_multiplier, bias


def _listed(files):
    return {name: SimpleNamespace(name=name, filename=f"/models/{name}.safetensors") for name in files}


def _content(layers):
    return {f"lora_unet_{name.replace('.', '_')}.{part}": value for name, parts in layers.items() for part, value in parts.items()}


def _extension(monkeypatch, files, **more):
    """``networks``, with what both hosts have of it."""
    entries = _listed(files)
    found = SimpleNamespace(
        available_networks=entries, available_network_aliases=entries, loaded_networks=[], list_available_networks=lambda: None, **more
    )
    monkeypatch.setitem(sys.modules, "networks", found)
    return found


def a1111_networks(monkeypatch, unet: nn.Module, files):
    """The extension with ``files``: name -> (kind, parts by layer). The host's ``modules`` must be there already."""

    def load_network(name, entry):
        kind, layers = files[name]
        network = SimpleNamespace(name=name, te_multiplier=7.0, unet_multiplier=7.0, dyn_dim="unset")
        network.modules = {
            "diffusion_model_" + at.replace(".", "_"): HostModule(network, kind, parts, unet.get_submodule(at))
            for at, parts in layers.items()
        }
        return network

    reader = ModuleType("modules.sd_models")
    reader.read_state_dict = lambda filename: _content(files[filename.removeprefix("/models/").removesuffix(".safetensors")][1])
    monkeypatch.setitem(sys.modules, "modules.sd_models", reader)
    monkeypatch.setattr(sys.modules["modules"], "sd_models", reader, raising=False)
    return _extension(monkeypatch, files, load_network=load_network, extra_network_lora=SimpleNamespace(errors={}))


class ForgeEngine(Engine):
    """An engine with text encoders that no LoRA of these tests reaches."""

    def reset(self):
        super().reset()
        clip = SimpleNamespace(cond_stage_model=None, patcher=SimpleNamespace(refresh_loras=lambda: None), add_patches=lambda **_: None)
        clip.clone = lambda: clip
        self.forge_objects.clip = clip
        self.forge_objects.shallow_copy = lambda: SimpleNamespace(unet=self.forge_objects.unet, clip=clip)


def forge_networks(monkeypatch, unet: nn.Module, files):
    """Forge's loader with ``files``: name -> (kind, parts by layer)."""
    names = [name for name, layer in unet.named_modules() if kind_of(layer) is not None]

    def load_lora(weights, keys):
        found = {}
        for key, target in keys.items():
            parts = {name.removeprefix(key + "."): value for name, value in weights.items() if name.startswith(key + ".")}
            if "w_norm" in parts:
                found[target] = ("diff", (parts["w_norm"],))
                found[target.removesuffix("weight") + "bias"] = ("diff", (parts["b_norm"],))
            elif "lora_up.weight" in parts and "dora_scale" not in parts:
                up, down = parts["lora_up.weight"], parts["lora_down.weight"]
                found[target] = ("lora", (up, down, float(parts["alpha"]), parts.get("lora_mid.weight"), None))
            elif parts:
                found[target] = (kind_of_parts(parts), (parts,))
            if "diff_b" in parts:
                found[target.removesuffix("weight") + "bias"] = ("diff", (parts["diff_b"],))
        return found, {}

    def kind_of_parts(parts):
        return next(kind for kind, layers in files.values() if any(known.keys() == parts.keys() for known in layers.values()))

    def merge(patches, weight, key, computation_dtype):
        strength, (kind, values), *_ = patches[0]
        delta = values[0] if kind == "diff" else change(kind, values[0], weight)[0]
        return weight + strength * delta

    backend = {
        "backend": {}, "backend.patcher": {},
        "backend.utils": {"load_torch_file": lambda filename, safe_load: _content(files[filename.split("/")[-1].split(".")[0]][1])},
        "backend.patcher.lora": {
            "load_lora": load_lora, "merge_lora_to_weight": merge, "model_lora_keys_clip": lambda model, keys: {},
            "model_lora_keys_unet": lambda model, keys: {
                f"lora_unet_{name.replace('.', '_')}": f"diffusion_model.{name}.weight" for name in names
            },
        },
    }  # fmt: skip
    for name, values in backend.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(UnetPatcher, "lora_loader", SimpleNamespace(backup={}), raising=False)
    return _extension(monkeypatch, files)
