"""What the adapter meets in Forge Neo where it differs from Forge, small, with random weights.

Its ``forge_objects``, ``conditioning_modifiers``, denoiser and batching of conditions are Forge's (`forge_double`); its patcher is of the
kind that reForge has (`ldm_patched_double`). Nothing here is its code. Facts kept (neo 2.26, of August 2026; ``older`` is a version of
the year before, where it differs):

1.  ``prompt_parser.get_learned_conditioning`` takes no ``use_old_scheduling``. Older: it does.
2.  ``backend`` exists, ``ldm_patched`` does not. A patcher has no ``lora_loader``.
3.  ``add_patches(patches, strength, …, filename=, online_mode=)`` keeps patches of six values by key. They are merged when the patcher is
    loaded, and unmerged when another clone of its model is. Clones share one ``backup`` of entries with ``weight``.
4.  ``load_lora(weights, keys)`` returns (patches, what was not used). A patch is an object with ``name`` and ``weights``, or a tuple.
5.  ``merge_lora_to_weight(patches, weight, key, computation_dtype)`` works in place and passes what it adds through a patch's function.
    Where that fails it logs an error and returns the weight as it was.
6.  Before texts are encoded, ``forge_objects.clip.patcher`` is loaded by ``memory_management.load_model_gpu``.
7.  With LoRAs "on the fly" a layer has ``weight_function``, a list of functions of its weight, and its weight is not changed.
8.  ``cond_stage_model`` is there for every model, and holds all text encoders.
9.  ``modules_forge.forge_version`` has ``version`` and ``release``.
10. Anima's text adapter is in the text encoder (``qwen3_06b.llm_adapter``): before a file is read for it, names that begin with
    ``diffusion_model.llm_adapter`` or ``lora_unet_llm_adapter`` become ``text_encoders.qwen3_06b.llm_adapter`` and
    ``lora_te_llm_adapter``.
"""

from __future__ import annotations

import ldm_patched_double
import torch
from ldm_patched_double import entries_of, merge

VERSION = {"version": "neo", "release": "2.26"}


class Patcher(ldm_patched_double.Patcher):
    """Fact 3."""

    def clone(self):
        other = Patcher(self.model, self.shared, self.backup)
        other.patches = {key: list(patches) for key, patches in self.patches.items()}
        return other

    def add_patches(self, patches, strength_patch=1.0, strength_model=1.0, *, filename=None, online_mode=None):
        known = self.model.state_dict()
        for key in (key for key in patches if key in known):
            self.patches.setdefault(key, []).append((strength_patch, patches[key], strength_model, None, None, online_mode))

    def calculate_weight(self, patches, weight, key):
        return merge_lora_to_weight(patches, weight, key)


def merge_lora_to_weight(patches, weight, key, computation_dtype=torch.float32):
    """Fact 5."""
    for strength, patch, _, _, function, *_ in patches:
        before = weight.clone()
        try:
            merge(weight, patch, strength)
        except RuntimeError:
            weight.copy_(before)
            continue
        if function is not None:
            weight.copy_(before + function(weight - before))
    return weight


class Loader(ldm_patched_double.Loader):
    """Facts 2 to 6."""

    def __init__(self, monkeypatch, network, contents, unet_keys, text_keys):
        super().__init__(monkeypatch, "reforge", network, contents, unet_keys, text_keys)
        self.objects.unet = Patcher(self.objects.unet.model, True)
        self.objects.clip = self._clip(Patcher(self.text, True))

    def _modules(self):
        return {
            "backend": {}, "backend.patcher": {},
            "backend.patcher.lora": {
                "load_lora": self.load_lora, "model_lora_keys_unet": self._keys("unet"), "model_lora_keys_clip": self._keys("text"),
                "merge_lora_to_weight": merge_lora_to_weight,
            },
            "backend.utils": {"load_torch_file": self.read},
            "backend.memory_management": {"load_model_gpu": self.load},
        }  # fmt: skip

    def load_lora(self, weights, keys):
        """Fact 4."""
        return super().load_lora(weights, keys, log_missing=False), {}


def named_version(monkeypatch, **values):
    """Fact 9."""
    import sys

    modules = {"modules_forge": {}, "modules_forge.forge_version": values or VERSION}
    for name, module in entries_of(modules):
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["modules_forge"].forge_version = sys.modules["modules_forge.forge_version"]
