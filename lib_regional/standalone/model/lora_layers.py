"""LoRA file -> deltas of this host's layers, for every naming scheme of the files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from ...tensors.lora.deltas import LayerDelta
from ...tensors.lora.keys import LayerName, NetworkError, split_network
from ...tensors.lora.kinds import Target, layer_delta
from ...tensors.lora.layers import kind_of
from ..train.ldm_keys import unet_key
from .lora_files import LoraError, LoraFile

logger = logging.getLogger("regional.standalone")

Place = tuple[str, str]
"""(component, module name): component is unet, te1 or te2."""
Deltas = dict[Place, LayerDelta]

_LABELS = {"add_embedding.linear_1": "label_emb_0_0", "add_embedding.linear_2": "label_emb_0_2"}


class LayerIndex:
    """Layers of a model by every name that LoRA files use."""

    def __init__(self, unet: nn.Module, text_encoders: tuple[nn.Module, ...]) -> None:
        self.modules: dict[Place, nn.Module] = {}
        self._places: dict[LayerName, Place] = {}
        components = [("unet", unet), *((f"te{n}", encoder) for n, encoder in enumerate(text_encoders, 1))]
        for component, network in components:
            for name, module in network.named_modules():
                if kind_of(module) is not None:
                    self.modules[component, name] = module
                    for alias in _aliases(component, name, network):
                        self._places.setdefault(LayerName(component, alias), (component, name))

    def deltas(self, file: LoraFile, dyn: int | None, weight: Callable[[Place], Tensor]) -> Deltas:
        """Everything that ``file`` adds, at strength 1; ``weight`` gives a layer's weight without any LoRA.

        Raises `LoraError` that names the file for one that is damaged or made for another model.
        """
        try:
            layers = split_network(file.read())
            return self._deltas(layers, dyn, weight, file.path.name)
        except LoraError:
            raise
        except NetworkError as error:
            raise LoraError(f"{file.path.name} cannot be used: {error}") from error

    def _deltas(self, layers: Any, dyn: int | None, weight: Callable[[Place], Tensor], name: str) -> Deltas:
        strange = [layer for layer in layers if layer not in self._places]
        if len(strange) * 2 > len(layers):
            raise NetworkError(f"it was made for another kind of model ({len(strange)} of its {len(layers)} layers are not in this one).")
        if strange:
            logger.warning("%s: %d of %d layers are not in this model and were left out", name, len(strange), len(layers))
        done: Deltas = {}
        for layer, parts in layers.items():
            place = self._places.get(layer)
            if place is None:
                continue
            try:
                done[place] = layer_delta(parts, self._target(place, dyn, weight))
            except NetworkError as error:
                raise NetworkError(f"layer {layer.path}: {error}") from error
        return done

    def _target(self, place: Place, dyn: int | None, weight: Callable[[Place], Tensor]) -> Target:
        module = self.modules[place]
        kind, values = kind_of(module), module.weight
        assert kind is not None and isinstance(values, Tensor)
        return Target(kind, tuple(values.shape), lambda: weight(place).detach().float().cpu(), dyn)


def _aliases(component: str, name: str, network: nn.Module) -> Iterator[str]:
    yield name.replace(".", "_")
    if component != "unet":
        if not name.startswith("text_model."):
            yield "text_model_" + name.replace(".", "_")
        return
    if name in _LABELS:
        yield _LABELS[name]
        return
    config: Any = network.config
    attention = tuple(kind.startswith("CrossAttn") for kind in config.down_block_types)
    layers = config.layers_per_block
    try:
        yield unet_key(name + ".", layers if isinstance(layers, int) else layers[0], attention).rstrip(".").replace(".", "_")
    except KeyError:
        return
