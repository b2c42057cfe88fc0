"""Active LoRAs: merged into the weights while a generation uses them on the whole picture, or returned as deltas for regions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...request.prompt.lora_tags import LoraTag
from ...tensors.lora.deltas import LayerDelta, NetworkDeltas
from ...tensors.lora.low_rank import dense
from .lora_files import LoraFile, LoraShelf
from .lora_layers import Deltas, LayerIndex, Place

logger = logging.getLogger("regional.standalone")


class Loras:
    """LoRAs of a model. ``version`` counts the changes of the merged set."""

    def __init__(self, unet: nn.Module, text_encoders: tuple[nn.Module, ...], shelf: LoraShelf | None = None) -> None:
        self.shelf = shelf or LoraShelf()
        self.version = 0
        self.used: dict[str, str] = {}
        self._index = LayerIndex(unet, text_encoders)
        self._active: tuple[LoraTag, ...] = ()
        self._clean: dict[Place, tuple[Tensor, Tensor | None]] = {}
        self._read: dict[tuple[str, float, int | None], Deltas] = {}

    def deltas(self, lora: LoraTag) -> Deltas:
        """Deltas of ``lora`` for all layers at strength 1. Raises `LoraError`."""
        file = self.shelf.get(lora.name)
        key = (str(file.path), file.path.stat().st_mtime, lora.dyn)
        if key not in self._read:
            self._read[key] = self._index.deltas(file, lora.dyn, self._clean_weight)
        self.used[lora.name.replace(":", "").replace(",", "")] = file.hash[:12]
        return self._read[key]

    def unet_deltas(self, lora: LoraTag) -> NetworkDeltas:
        """Deltas of ``lora`` for the UNet at strength 1, by module name."""
        return {name: delta for (component, name), delta in self.deltas(lora).items() if component == "unet"}

    def activate(self, loras: Sequence[LoraTag]) -> None:
        """Merge these LoRAs into the weights in place of the merged ones. Unknown names are left out with a warning."""
        known = tuple(lora for lora in loras if self._known(lora))
        if known == self._active:
            return
        self._restore()
        self.version += 1
        try:
            for lora in known:
                self._merge(lora, self.deltas(lora))
        except Exception:
            self._restore()
            raise
        self._active = known

    def deactivate(self) -> None:
        """Restore the original weights, and clear the cache and the record of used LoRAs."""
        self.activate(())
        self._read.clear()
        self.used = {}

    @contextmanager
    def on_texts(self, loras: Sequence[LoraTag]) -> Iterator[None]:
        """Within the block the text encoders also have these LoRAs, in addition to those of the whole picture."""
        held: dict[Place, tuple[Tensor, Tensor | None]] = {}
        try:
            for lora in loras:
                for place, delta in self.deltas(lora).items():
                    if place[0] != "unet" and lora.te:
                        held.setdefault(place, _copies(self._index.modules[place]))
                        _add(self._index.modules[place], delta, lora.te)
            yield
        finally:
            for place, copies in held.items():
                _put(self._index.modules[place], copies)

    def listed(self) -> list[LoraFile]:
        """All files."""
        return list(self.shelf.files.values())

    def _known(self, lora: LoraTag) -> bool:
        if self.shelf.find(lora.name) is not None:
            return True
        logger.warning("Lora not found: %s", lora.name)
        return False

    def _clean_weight(self, place: Place) -> Tensor:
        if place in self._clean:
            return self._clean[place][0]
        weight = self._index.modules[place].weight
        assert isinstance(weight, Tensor)
        return weight

    def _merge(self, lora: LoraTag, deltas: Deltas) -> None:
        for place, delta in deltas.items():
            strength = lora.unet if place[0] == "unet" else lora.te
            if strength:
                self._clean.setdefault(place, _copies(self._index.modules[place]))
                _add(self._index.modules[place], delta, strength)

    def _restore(self) -> None:
        for place, copies in self._clean.items():
            _put(self._index.modules[place], copies)
        self._clean.clear()
        self._active = ()


def _copies(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    weight, bias = module.weight, getattr(module, "bias", None)
    assert isinstance(weight, Tensor)
    return weight.detach().clone(), bias.detach().clone() if isinstance(bias, Tensor) else None


@torch.no_grad()
def _put(module: nn.Module, copies: tuple[Tensor, Tensor | None]) -> None:
    weight, bias = module.weight, getattr(module, "bias", None)
    assert isinstance(weight, Tensor)
    weight.copy_(copies[0])
    if copies[1] is None:
        module.register_parameter("bias", None)
    elif isinstance(bias, Tensor):
        bias.copy_(copies[1])


@torch.no_grad()
def _add(module: nn.Module, delta: LayerDelta, strength: float) -> None:
    """Merge into the weights: what the hooks of region LoRAs are compared with."""
    weight, bias = module.weight, getattr(module, "bias", None)
    assert isinstance(weight, Tensor)
    weight += (strength * dense(delta, tuple(weight.shape))).to(weight)
    if delta.bias is None:
        return
    if isinstance(bias, Tensor):
        bias += (strength * delta.bias).to(bias)
    else:
        module.bias = nn.Parameter((strength * delta.bias).to(weight), requires_grad=False)
