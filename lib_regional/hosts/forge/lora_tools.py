"""The host functions that reading a LoRA needs: Forge's loader and patchers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

Patches = Mapping[Any, Any]
"""The host's patch by the model's own key of a weight or bias."""


class LoraTools(Protocol):
    """A loader of LoRA files and the patchers of its weights."""

    def read(self, filename: str) -> Any:
        """Tensors of a file by key. Raises whatever the host's reader raises."""

    def unet_patches(self, engine: Any, weights: Any) -> Patches:
        """The part of ``weights`` for the network of ``engine``."""

    def text_patches(self, engine: Any, weights: Any) -> Patches:
        """The part of ``weights`` for its text encoders."""

    def low_rank(self, patch: Any) -> tuple[Tensor, Tensor, float | None, Tensor | None] | None:
        """(up, down, alpha, mid) of a patch that is nothing but their product; None for all others."""

    def merged(self, patcher: Any, weight: Tensor, patch: Any, key: str) -> Tensor:
        """``weight``, a copy in float32, with ``patch`` merged at full strength."""

    def kept(self, patcher: Any, key: str) -> Tensor | None:
        """A weight as it was before the host merged LoRAs into it; None where it merged none."""

    def texts_with(self, engine: Any, patches: Sequence[tuple[str, Patches, float]]) -> Any:
        """A context manager: the text encoders with ``(name, patches, strength)`` beside the host's own, which are put back at exit."""


def low_rank(patch: Any) -> tuple[Tensor, Tensor, float | None, Tensor | None] | None:
    """`LoraTools.low_rank` of an object with ``name`` and ``weights`` or of a tuple ``(kind, …, values)``."""
    kind, parts = (patch.name, patch.weights) if hasattr(patch, "weights") else (patch[0], patch[-1])
    if kind != "lora" or any(extra is not None for extra in parts[4:]):
        return None
    up, down, alpha, mid = parts[:4]
    return up, down, alpha, mid


class ForgeTools:
    """Forge: ``backend``."""

    def read(self, filename: str) -> Any:
        """See `LoraTools`."""
        from backend.utils import load_torch_file

        return load_torch_file(filename, safe_load=True)

    def unet_patches(self, engine: Any, weights: Any) -> Patches:
        """See `LoraTools`."""
        from backend.patcher.lora import load_lora, model_lora_keys_unet

        patches: Patches = load_lora(weights, model_lora_keys_unet(engine.forge_objects.unet.model, {}))[0]
        return patches

    def text_patches(self, engine: Any, weights: Any) -> Patches:
        """See `LoraTools`."""
        from backend.patcher.lora import load_lora, model_lora_keys_clip

        patches: Patches = load_lora(weights, model_lora_keys_clip(engine.forge_objects.clip.cond_stage_model, {}))[0]
        return patches

    def low_rank(self, patch: Any) -> tuple[Tensor, Tensor, float | None, Tensor | None] | None:
        """See `LoraTools`."""
        return low_rank(patch)

    def merged(self, patcher: Any, weight: Tensor, patch: Any, key: str) -> Tensor:
        """See `LoraTools`."""
        from backend.patcher.lora import merge_lora_to_weight

        done: Tensor = merge_lora_to_weight([[1.0, patch, 1.0, None, None]], weight, key, computation_dtype=torch.float32)
        return done

    def kept(self, patcher: Any, key: str) -> Tensor | None:
        """See `LoraTools`."""
        found: Tensor | None = patcher.lora_loader.backup.get(key)
        return found

    @contextmanager
    def texts_with(self, engine: Any, patches: Sequence[tuple[str, Patches, float]]) -> Iterator[None]:
        """See `LoraTools`."""
        before = engine.forge_objects
        clip = before.clip.clone()
        for name, weights, strength in patches:
            clip.add_patches(filename=name, patches=weights, strength_patch=strength, online_mode=False)
        inside = before.shallow_copy()
        inside.clip = clip
        engine.forge_objects = inside
        try:
            clip.patcher.refresh_loras()
            yield
        finally:
            engine.forge_objects = before
            before.clip.patcher.refresh_loras()
