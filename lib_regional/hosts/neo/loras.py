"""The host functions that reading a LoRA needs in Forge Neo: Forge's loader under a patcher without one of its own.

A patcher keeps what it merges as ``patches``, of which its weights are made when it is loaded; all clones of it share one ``backup``. A
patch is an object with ``name`` and ``weights`` that merges itself, or a tuple ``(kind, values)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...tensors.lora.keys import NetworkError
from ..forge.lora_tools import ForgeTools, Patches

_DOUBLED, _SINGLE = "lora_unet__", "lora_unet_"
"""Some trainers write the first, which the host reads as the second."""
_ADAPTER = {"diffusion_model.llm_adapter": "text_encoders.qwen3_06b.llm_adapter", "lora_unet_llm_adapter": "lora_te_llm_adapter"}
"""Anima's files count its text adapter to the network; the host has it in the text encoder, and reads the first names as the second."""


class NeoTools(ForgeTools):
    """See `forge.lora_tools.LoraTools`."""

    def read(self, filename: str) -> Any:
        """See `LoraTools`."""
        weights = super().read(filename)
        return {_SINGLE + key.removeprefix(_DOUBLED) if key.startswith(_DOUBLED) else key: value for key, value in weights.items()}

    def text_patches(self, engine: Any, weights: Any) -> Patches:
        """See `LoraTools`."""
        return super().text_patches(engine, {_of_adapter(key): value for key, value in weights.items()})

    def merged(self, patcher: Any, weight: Tensor, patch: Any, key: str) -> Tensor:
        """See `LoraTools`. Raises `NetworkError` where the host's merge fails, which only logs that and returns the weight as it was.

        The merge passes what it adds through a patch's function, unless it sets the weight.
        """
        from backend.patcher.lora import merge_lora_to_weight

        added: list[bool] = []

        def note(delta: Tensor) -> Tensor:
            added.append(True)
            return delta

        done: Tensor = merge_lora_to_weight([(1.0, patch, 1.0, None, note)], weight, key, computation_dtype=torch.float32)
        if not added and not (isinstance(patch, tuple) and patch[0] == "set"):
            raise NetworkError("the host cannot merge it")
        return done

    def kept(self, patcher: Any, key: str) -> Tensor | None:
        """See `LoraTools`."""
        found = patcher.backup.get(key)
        weight: Tensor | None = getattr(found, "weight", found)
        return weight

    @contextmanager
    def texts_with(self, engine: Any, patches: Sequence[tuple[str, Patches, float]]) -> Iterator[None]:
        """See `LoraTools`. The host loads the encoders' patcher before it encodes, and with it what is merged into them."""
        from backend.memory_management import load_model_gpu

        before = engine.forge_objects
        clip = before.clip.clone()
        for name, weights, strength in patches:
            clip.add_patches(patches=weights, strength_patch=strength, filename=name)
        inside = before.shallow_copy()
        inside.clip = clip
        engine.forge_objects = inside
        try:
            yield
        finally:
            engine.forge_objects = before
            load_model_gpu(before.clip.patcher)


def _of_adapter(key: str) -> str:
    start = next((start for start in _ADAPTER if key.startswith(start)), None)
    return key if start is None else _ADAPTER[start] + key.removeprefix(start)
