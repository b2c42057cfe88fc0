"""Bytes of the tensors that live at once, counted on shapes alone (the meta device)."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from shapes import SIDES, ShapeModel
from steps import Case, installed
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary


class Fused(TorchFunctionMode):
    """Attention whose output alone takes memory."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return args[0].new_empty(*args[0].shape[:-1], args[2].shape[-1])
        return func(*args, **(kwargs or {}))


class Living(TorchDispatchMode):
    """Bytes of the tensors on ``device`` that live at once, less those that were ``known`` before."""

    def __init__(self, device: str, known: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.device, self.now, self.peak = device, 0, 0
        self.seen = WeakIdKeyDictionary({tensor.untyped_storage(): 0 for tensor in known})

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        made = func(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self.note, made)
        return made

    def note(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if tensor.device.type != self.device or storage in self.seen:
            return
        size = storage.nbytes()
        self.seen[storage] = size
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.forget, size)

    def forget(self, size: int) -> None:
        self.now -= size


@dataclass(frozen=True)
class Memory:
    """Bytes at the worst moment, and those that are left when the last step has ended; both beyond the weights."""

    peak: int
    kept: int


def weights_of(model: ShapeModel) -> int:
    """Bytes of the UNet's weights."""
    return sum(tensor.untyped_storage().nbytes() for tensor in model.unet.state_dict().values())


def with_peak(model: ShapeModel, case: Case | None, steps: int = 2) -> Memory:
    """Memory of a generation's first steps."""
    x = model.latent(SIDES[model.kind])
    with Living(model.device, model.unet.state_dict().values()) as living, Fused(), installed(model, case):
        for index in range(steps):
            model.step(x, index, x)
        return Memory(living.peak, living.now)
