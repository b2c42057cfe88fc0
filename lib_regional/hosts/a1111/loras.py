"""LoRAs of regions under AUTOMATIC1111: read by the built-in extension's own classes, never among its loaded networks while sampling.

Its classes patch Linear, Conv2d and the norms for the whole picture; here they only compute the delta of a weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...request.errors import RegionalError
from ...request.prompt.lora_tags import LoraTag
from ...tensors.lora.deltas import LayerDelta, LayerKind, NetworkDeltas
from ...tensors.lora.layers import kind_of
from ...tensors.precision import full_precision
from ..webui_family.lora_files import check_family, checked, extension, find, unreadable

_UNET = "diffusion_model_"
_NOT_PLAIN = ("mid_model", "dora_scale", "bias")
"""Attributes of the host's LoRA class that must be None for up · down to be all of it."""


def unet_deltas(model: Any, lora: LoraTag) -> NetworkDeltas:
    """See `ports.Host.loras`."""
    entry, network = _network(lora)
    names = {_UNET + name.replace(".", "_"): name for name, _ in model.model.diffusion_model.named_modules()}
    done: dict[str, LayerDelta] = {}
    for key, module in network.modules.items():
        if key in names:
            try:
                done[names[key]] = _delta(module)
            except (RuntimeError, ValueError, IndexError) as error:
                raise RegionalError(
                    f"{Path(entry.filename).name} cannot be used: layer {names[key]} does not have the shape that it was made for."
                ) from error
    return done


@contextmanager
def on_texts(loras: Sequence[LoraTag]) -> Iterator[None]:
    """The text encoders with ``loras`` added until exit; layers merge the listed LoRAs at their next run, and un-merge them after.

    Only text encoders may run inside the block. Raises `RegionalError` for a LoRA that does not fit them.
    """
    if not loras:
        yield
        return
    networks = extension()
    own = []
    for lora in loras:
        _, network = _network(lora)
        network.te_multiplier, network.unet_multiplier = lora.te, lora.unet
        own.append(network)
    before = list(networks.loaded_networks)
    faults = getattr(getattr(networks, "extra_network_lora", None), "errors", {})
    known = dict(faults)
    networks.loaded_networks[:] = [*before, *own]
    try:
        yield
    finally:
        networks.loaded_networks[:] = before
    for lora in loras:
        if faults.get(lora.name, 0) > known.get(lora.name, 0):
            raise RegionalError(f'the LoRA "{lora.name}" does not fit the text encoder of this model.')


def _network(lora: LoraTag) -> tuple[Any, Any]:
    """(entry, network) of ``lora`` at strength 1, read apart from the host's own."""
    entry, networks = find(lora), extension()
    from modules import sd_models

    try:
        layers = checked(entry, sd_models.read_state_dict(entry.filename))
        network = networks.load_network(lora.name, entry)
    except RegionalError:
        raise
    except Exception as error:  # whatever the host's reader raises: the error must name the file
        raise unreadable(entry, error) from error
    check_family(entry, len(network.modules), layers)
    network.te_multiplier = network.unet_multiplier = 1.0
    network.dyn_dim = lora.dyn
    return entry, network


def _delta(module: Any) -> LayerDelta:
    layer = module.sd_module
    kind = kind_of(layer)
    if kind is None:
        raise ValueError(f"{type(layer).__name__} is no layer for a LoRA")
    return _factors(module, kind) if _is_plain(module) else _whole(module, layer, kind)


def _is_plain(module: Any) -> bool:
    factors = hasattr(module, "up_model") and hasattr(module, "down_model")
    return factors and module.network.dyn_dim is None and all(getattr(module, name, None) is None for name in _NOT_PLAIN)


def _factors(module: Any, kind: LayerKind) -> LayerDelta:
    """Plain LoRA and LoCon: up ∘ down, in the layer's own number of dimensions."""
    shape = tuple(module.sd_module.weight.shape)
    down, up = module.down_model.weight.detach(), module.up_model.weight.detach()
    rank, kernel = down.shape[0], shape[2:]
    if up.shape[0] != shape[0] or up[0].numel() != rank or down[0].numel() != prod(shape[1:]):
        raise ValueError("another shape")
    point = tuple(1 for _ in kernel)
    return LayerDelta(kind, down=down.reshape(rank, *shape[1:]), up=up.reshape(shape[0], rank, *point) * module.calc_scale())


@torch.no_grad()
def _whole(module: Any, layer: nn.Module, kind: LayerKind) -> LayerDelta:
    weight = _clean_weight(layer).float()
    with full_precision(weight.device):
        updown, bias = module.calc_updown(weight)
    return LayerDelta(kind, weight=updown.reshape(weight.shape), bias=bias)


def _clean_weight(layer: Any) -> Tensor:
    """The layer's weight without any LoRA: the host keeps it when it merges, and in half precision beside fp8."""
    for name in ("fp16_weight", "network_weights_backup", "weight"):
        found = getattr(layer, name, None)
        if isinstance(found, Tensor):
            return found.detach().to(layer.weight.device)
    raise ValueError("a layer without a weight")
