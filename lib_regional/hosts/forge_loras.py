"""LoRAs of regions under Forge: read by its own loader under its own names of layers, never among the sampled model's patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import RegionalError
from ..core.networks import LoraTag
from ..ports import LayerDelta, NetworkDeltas
from ..tensors.layer_kinds import kind_of
from ..tensors.network_keys import NetworkError
from ..tensors.network_types import Target, layer_delta
from .network_files import check_family, checked, extension, find, unreadable

_UNET = "diffusion_model."


def unet_deltas(engine: Any, lora: LoraTag) -> NetworkDeltas:
    """See `ports.Host.loras`. ``dyn`` is left out, as Forge itself does."""
    from backend.patcher.lora import load_lora, model_lora_keys_unet

    entry, weights, layers = _file(lora)
    patcher = engine.forge_objects.unet
    patches, _ = load_lora(weights, model_lora_keys_unet(patcher.model, {}))
    texts, _ = load_lora(weights, _text_keys(engine))
    check_family(entry, len({str(key).rsplit(".", 1)[0] for key in (*patches, *texts)}), layers)
    return _deltas(patcher, patches, Path(entry.filename).name)


def _text_keys(engine: Any) -> Mapping[str, Any]:
    from backend.patcher.lora import model_lora_keys_clip

    keys: Mapping[str, Any] = model_lora_keys_clip(engine.forge_objects.clip.cond_stage_model, {})
    return keys


def _file(lora: LoraTag) -> tuple[Any, Any, int]:
    """(entry, tensors by key, number of layers) of a file that may be used."""
    from backend.utils import load_torch_file

    entry = find(lora)
    try:
        weights = load_torch_file(entry.filename, safe_load=True)
        return entry, weights, len(checked(entry, weights))
    except RegionalError:
        raise
    except Exception as error:  # whatever the host's reader raises: the user must hear which file it was
        raise unreadable(entry, error) from error


def _deltas(patcher: Any, patches: Mapping[Any, Any], file: str) -> dict[str, LayerDelta]:
    biases: dict[str, Tensor] = {}
    done: dict[str, LayerDelta] = {}
    network = patcher.model.diffusion_model
    for key, patch in patches.items():
        if not isinstance(key, str):
            raise RegionalError(f"{file} cannot be used: it changes parts of joined layers, which regions cannot ({key[0]}).")
        name, side = key.removeprefix(_UNET).rsplit(".", 1)
        if side == "bias":
            biases[name] = _difference(patcher, key, patch)
            continue
        kind = kind_of(network.get_submodule(name))
        if kind is None:
            raise RegionalError(f"{file} cannot be used: {name} is a quantised layer, which regions cannot change by a LoRA.")
        try:
            done[name] = _delta(patcher, key, patch, kind)
        except (NetworkError, RuntimeError, IndexError) as error:
            raise RegionalError(f"{file} cannot be used: layer {name} does not have the shape that it was made for.") from error
    return _with_biases(done, biases, network)


def _delta(patcher: Any, key: str, patch: Any, kind: Any) -> LayerDelta:
    if patch[0] == "lora" and patch[1][4] is None and not any(extra is not None for extra in patch[1][5:]):
        up, down, alpha, mid = patch[1][:4]
        parts = {"lora_up.weight": up, "lora_down.weight": down}
        parts |= {} if alpha is None else {"alpha": torch.tensor(float(alpha))}
        parts |= {} if mid is None else {"lora_mid.weight": mid}
        return layer_delta(parts, Target(kind, tuple(_weight(patcher, key).shape), lambda: _weight(patcher, key)))
    return LayerDelta(kind, weight=_difference(patcher, key, patch))


@torch.inference_mode(False)
@torch.no_grad()
def _difference(patcher: Any, key: str, patch: Any) -> Tensor:
    """What Forge's own merge makes of one weight, less the weight."""
    from backend.patcher.lora import merge_lora_to_weight

    weight = _weight(patcher, key).detach().float()
    merged: Tensor = merge_lora_to_weight([[1.0, patch, 1.0, None, None]], weight.clone(), key, computation_dtype=torch.float32)
    if merged.shape != weight.shape:
        raise NetworkError("another shape")
    return merged.clone() - weight


def _weight(patcher: Any, key: str) -> Tensor:
    """A weight without any LoRA: Forge keeps it when it merges."""
    kept = patcher.lora_loader.backup.get(key)
    if kept is None:
        kept = patcher.model.get_parameter(key)
    found: Tensor = kept
    return found


def _with_biases(deltas: dict[str, LayerDelta], biases: Mapping[str, Tensor], network: Any) -> dict[str, LayerDelta]:
    for name, bias in biases.items():
        known = deltas.get(name)
        if known is not None:
            deltas[name] = replace(known, bias=bias)
            continue
        kind = kind_of(network.get_submodule(name))
        if kind is not None:
            weight = torch.zeros_like(network.get_submodule(name).weight, dtype=torch.float32)
            deltas[name] = LayerDelta(kind, weight=weight, bias=bias)
    return deltas


@contextmanager
def on_texts(engine: Any, loras: Sequence[LoraTag]) -> Iterator[None]:
    """The text encoders with ``loras`` beside the host's own, on a clone of their patcher that the block alone sees."""
    if not loras:
        yield
        return
    extension()
    from backend.patcher.lora import load_lora

    before = engine.forge_objects
    clip, keys = before.clip.clone(), _text_keys(engine)
    for number, lora in enumerate(loras):
        entry, weights, _ = _file(lora)
        patches, _ = load_lora(weights, keys)
        clip.add_patches(filename=f"{entry.filename}#region{number}", patches=patches, strength_patch=lora.te, online_mode=False)
    inside = before.shallow_copy()
    inside.clip = clip
    engine.forge_objects = inside
    try:
        clip.patcher.refresh_loras()
        yield
    finally:
        engine.forge_objects = before
        before.clip.patcher.refresh_loras()
