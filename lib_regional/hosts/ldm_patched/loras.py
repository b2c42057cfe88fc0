"""The host functions that reading a LoRA needs in reForge and Forge Classic: ``ldm_patched``, whose patchers merge when a model is loaded.

The two differ in age. reForge's patches are objects with ``name`` and ``weights``, its merge is a function of ``modules.lora`` and all
clones of a patcher share one backup; Classic's patches are tuples, its merge is a method of the patcher, and each clone keeps what it
merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..forge.lora_tools import Patches, low_rank


class LdmPatchedTools:
    """See `forge.lora_tools.LoraTools`."""

    def read(self, filename: str) -> Any:
        """See `LoraTools`."""
        from ldm_patched.modules.utils import load_torch_file

        return load_torch_file(filename, safe_load=True)

    def unet_patches(self, engine: Any, weights: Any) -> Patches:
        """See `LoraTools`."""
        from ldm_patched.modules.lora import model_lora_keys_unet

        return _patches(weights, model_lora_keys_unet(engine.forge_objects.unet.model, {}))

    def text_patches(self, engine: Any, weights: Any) -> Patches:
        """See `LoraTools`."""
        from ldm_patched.modules.lora import model_lora_keys_clip

        return _patches(weights, model_lora_keys_clip(engine.forge_objects.clip.cond_stage_model, {}))

    def low_rank(self, patch: Any) -> tuple[Tensor, Tensor, float | None, Tensor | None] | None:
        """See `LoraTools`."""
        return low_rank(patch)

    def merged(self, patcher: Any, weight: Tensor, patch: Any, key: str) -> Tensor:
        """See `LoraTools`."""
        from ldm_patched.modules import lora

        if hasattr(lora, "calculate_weight"):
            done: Tensor = lora.calculate_weight([(1.0, patch, 1.0, None, None)], weight, key)
            return done
        older: Tensor = patcher.calculate_weight([(1.0, patch, 1.0)], weight, key)
        return older

    def kept(self, patcher: Any, key: str) -> Tensor | None:
        """See `LoraTools`. The patcher that merged last may be another clone than the one that samples next."""
        from ldm_patched.modules.model_management import current_loaded_models

        for one in (patcher, *(loaded.model for loaded in current_loaded_models)):
            found = one.backup.get(key) if one is not None and one.model is patcher.model else None
            if found is not None:
                weight: Tensor = found if isinstance(found, torch.Tensor) else found.weight
                return weight
        return None

    @contextmanager
    def texts_with(self, engine: Any, patches: Sequence[tuple[str, Patches, float]]) -> Iterator[None]:
        """See `LoraTools`. The host loads the encoders' patcher before it encodes, and with it what is merged into them."""
        from ldm_patched.modules.model_management import load_model_gpu

        before = engine.forge_objects
        clip = before.clip.clone()
        for _, weights, strength in patches:
            clip.add_patches(weights, strength)
        inside = before.shallow_copy()
        inside.clip = clip
        engine.forge_objects = inside
        try:
            yield
        finally:
            engine.forge_objects = before
            load_model_gpu(before.clip.patcher)


def _patches(weights: Any, keys: dict[Any, Any]) -> Patches:
    """Classic also returns the unused weights; reForge converts the key names of other tools, and logs the unused ones."""
    from ldm_patched.modules import lora

    try:
        from ldm_patched.modules.lora_convert import convert_lora
    except ImportError:
        patches: Patches = lora.load_lora(weights, keys)[0]
        return patches
    converted: Patches = lora.load_lora(convert_lora(weights), keys, log_missing=False)
    return converted
