"""LoRAs of regions under Forge and its family: read by the host's own loader under its own names of layers, never among the sampled
model's patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...request.errors import RegionalError
from ...request.prompt.lora_tags import LoraTag
from ...tensors.lora.deltas import LayerDelta, NetworkDeltas
from ...tensors.lora.joined import Slice, joined, within
from ...tensors.lora.keys import LayerName, NetworkError, Parts
from ...tensors.lora.kinds import Target, layer_delta
from ...tensors.lora.layers import kind_of
from ...tensors.precision import full_precision
from ..ldm_patched.loras import LdmPatchedTools
from ..neo.loras import NeoTools
from ..webui_family.lora_files import check_family, checked, extension, find, unreadable
from .lora_tools import ForgeTools, LoraTools

_UNET = "diffusion_model."


def unet_deltas(engine: Any, lora: LoraTag) -> NetworkDeltas:
    """See `ports.Host.loras`. ``dyn`` is left out, as Forge itself does."""
    tools = tools_of(engine)
    entry, weights, layers = _file(tools, lora)
    patches, texts = tools.unet_patches(engine, weights), tools.text_patches(engine, weights)
    check_family(entry, len({str(key).rsplit(".", 1)[0] for key in (*patches, *texts)}), layers)
    return _deltas(_Network(engine.forge_objects.unet, tools), patches, Path(entry.filename).name)


def tools_of(engine: Any) -> LoraTools:
    """Forge's patcher has a loader of its own for LoRAs; those of Forge Neo, reForge and Forge Classic merge themselves.

    Forge Neo's functions are in ``backend``, which the last two do not have.
    """
    if hasattr(engine.forge_objects.unet, "lora_loader"):
        return ForgeTools()
    try:
        import backend.patcher.lora  # noqa: F401
    except ImportError:
        return LdmPatchedTools()
    return NeoTools()


def _file(tools: LoraTools, lora: LoraTag) -> tuple[Any, Any, Mapping[LayerName, Parts]]:
    """(entry, tensors by key, the same by layer) of a file that may be used."""
    entry = find(lora)
    try:
        weights = tools.read(entry.filename)
        return entry, weights, checked(entry, weights)
    except RegionalError:
        raise
    except Exception as error:  # whatever the host's reader raises: the error must name the file
        raise unreadable(entry, error) from error


@dataclass(frozen=True)
class _Network:
    """The network of ``patcher``, and how LoRAs are merged into it."""

    patcher: Any
    tools: LoraTools

    def layer(self, name: str) -> Any:
        """A module by its name within the network."""
        return self.patcher.model.diffusion_model.get_submodule(name)

    def weight(self, key: str, part: Slice | None = None) -> Tensor:
        """A weight without any LoRA: the host keeps it when it merges."""
        kept = self.tools.kept(self.patcher, key)
        found: Tensor = self.patcher.model.get_parameter(key) if kept is None else kept
        return found if part is None else found.narrow(*part)

    @torch.inference_mode(False)
    @torch.no_grad()
    def difference(self, key: str, patch: Any, part: Slice | None = None) -> Tensor:
        """The delta of one weight: the host's own merge minus the weight."""
        weight = self.weight(key, part).detach().float()
        with full_precision(weight.device):
            merged = self.tools.merged(self.patcher, weight.clone(), patch, key)
        if merged.shape != weight.shape:
            raise NetworkError("another shape")
        return merged.to(weight) - weight


def _deltas(network: _Network, patches: Mapping[Any, Any], file: str) -> dict[str, LayerDelta]:
    biases: dict[str, Tensor] = {}
    found: dict[str, list[LayerDelta]] = {}
    for place, patch in patches.items():
        key, part = _sliced(place, file)
        name, side = key.removeprefix(_UNET).rsplit(".", 1)
        if getattr(network.layer(name), side, None) is None:  # the hosts, too, leave out a bias for a layer that has none
            continue
        if side == "bias":
            biases[name] = network.difference(key, patch)
            continue
        kind = kind_of(network.layer(name))
        if kind is None:
            raise RegionalError(f"{file} cannot be used: {name} is a quantised layer, which regions cannot change by a LoRA.")
        try:
            found.setdefault(name, []).append(_delta(network, key, patch, kind, part))
        except (NetworkError, RuntimeError, IndexError) as error:
            raise RegionalError(f"{file} cannot be used: layer {name} does not have the shape that it was made for.") from error
    return _with_biases({name: joined(deltas) for name, deltas in found.items()}, biases, network)


def _sliced(place: Any, file: str) -> tuple[str, Slice | None]:
    """The key of a patch, and the slice of its weight that it changes: the parts of a layer that joins several are patched one by one."""
    if isinstance(place, str):
        return place, None
    key, part, *changed = place
    if any(changed) or not key.endswith(".weight"):
        raise RegionalError(f"{file} cannot be used: it rearranges a joined layer, which regions cannot ({key}).")
    return key, None if part is None else (int(part[0]), int(part[1]), int(part[2]))


def _delta(network: _Network, key: str, patch: Any, kind: Any, part: Slice | None) -> LayerDelta:
    product = network.tools.low_rank(patch)
    if product is None:
        made = LayerDelta(kind, weight=network.difference(key, patch, part))
        return made if part is None else within(made, tuple(network.weight(key).shape), part)
    up, down, alpha, mid = product
    parts = {"lora_up.weight": up, "lora_down.weight": down}
    parts |= {} if alpha is None else {"alpha": torch.tensor(float(alpha))}
    parts |= {} if mid is None else {"lora_mid.weight": mid}
    made = layer_delta(parts, Target(kind, tuple(network.weight(key, part).shape), lambda: network.weight(key, part)))
    return made if part is None else within(made, tuple(network.weight(key).shape), part)


def _with_biases(deltas: dict[str, LayerDelta], biases: Mapping[str, Tensor], network: _Network) -> dict[str, LayerDelta]:
    for name, bias in biases.items():
        known = deltas.get(name)
        if known is not None:
            deltas[name] = replace(known, bias=bias)
            continue
        kind = kind_of(network.layer(name))
        if kind is not None:
            weight = torch.zeros_like(network.layer(name).weight, dtype=torch.float32)
            deltas[name] = LayerDelta(kind, weight=weight, bias=bias)
    return deltas


@contextmanager
def on_texts(engine: Any, loras: Sequence[LoraTag]) -> Iterator[None]:
    """The text encoders with ``loras`` added to the host's own until exit, on a clone of their patcher."""
    if not loras:
        yield
        return
    extension()
    tools = tools_of(engine)
    patches = []
    for number, lora in enumerate(loras):
        entry, weights, _ = _file(tools, lora)
        patches.append((f"{entry.filename}#region{number}", tools.text_patches(engine, weights), lora.te))
    with tools.texts_with(engine, patches):
        yield
