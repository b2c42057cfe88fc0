"""Names in a LoRA's file: which layer each tensor belongs to, and which part of its delta it is.

Kohya's names (``lora_unet_down_blocks_0_….lora_down.weight``), those of diffusers and peft (``unet.down_blocks.0.….lora_A.weight``) and
dotted ones of single UNets are brought to one form: a component (``unet``, ``te1``, ``te2``), a path with ``_`` for ``.``, and a part
under kohya's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...request.errors import RegionalError


class NetworkError(RegionalError):
    """A LoRA that cannot be used; the text gives the reason; callers that know the file's name put it in front."""


@dataclass(frozen=True)
class LayerName:
    """``component`` (unet, te1, te2) and ``path`` of a layer, parts joined by ``_``."""

    component: str
    path: str

    def __str__(self) -> str:
        return f"{self.component}:{self.path}"


Parts = dict[str, Tensor]
"""Tensors of one layer by part: ``lora_down.weight``, ``alpha``, ``hada_w1_a`` …"""

_COMPONENTS = (
    ("lora_unet_", "unet"),
    ("oft_unet_", "unet"),
    ("lora_te1_", "te1"),
    ("lora_te2_", "te2"),
    ("lora_te_", "te1"),
    ("base_model.model.unet.", "unet"),
    ("base_model.model.text_encoder_2.", "te2"),
    ("base_model.model.text_encoder.", "te1"),
    ("base_model.model.", "unet"),
    ("unet.", "unet"),
    ("text_encoder_2.", "te2"),
    ("text_encoder.", "te1"),
    ("model.diffusion_model.", "unet"),
    ("diffusion_model.", "unet"),
)
"""Prefix in the file -> component; the first that fits. Names without one are of a UNet alone."""

_RENAMED = {
    "lora_A.weight": "lora_down.weight",
    "lora_B.weight": "lora_up.weight",
    "lora_A.default.weight": "lora_down.weight",
    "lora_B.default.weight": "lora_up.weight",
    "lora.down.weight": "lora_down.weight",
    "lora.up.weight": "lora_up.weight",
    "lora_linear_layer.down.weight": "lora_down.weight",
    "lora_linear_layer.up.weight": "lora_up.weight",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "lora_magnitude_vector.default.weight": "magnitude",
}
_PARTS = (
    *("lora_up.weight", "lora_down.weight", "lora_mid.weight", "alpha", "scale", "dora_scale", "bias"),
    *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
    *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
    *("diff", "diff_b", "weight", "on_input", "oft_blocks", "oft_diag", "rescale"),
    *("a1.weight", "a2.weight", "b1.weight", "b2.weight", "w_norm", "b_norm"),
)
_SUFFIXES = sorted((*_PARTS, *_RENAMED), key=len, reverse=True)
_PROCESSOR = re.compile(r"(.*)\.processor\.(to_(?:q|k|v|out))_lora\.(down|up)\.weight$")
_IGNORED = ("bundle_emb.",)
"""Textual inversions inside a LoRA's file: they are the host's business."""


def split_key(key: str) -> tuple[LayerName, str]:
    """``lora_te_text_model_encoder_layers_0_mlp_fc1.alpha`` -> (layer, part). Raises `NetworkError` for another form of name."""
    older = _PROCESSOR.match(key)
    if older:
        key = f"{older[1]}.{older[2]}{'.0' if older[2] == 'to_out' else ''}.lora_{older[3]}.weight"
    suffix = next((suffix for suffix in _SUFFIXES if key.endswith("." + suffix)), None)
    if suffix is None:
        raise NetworkError(f'"{key}" is no part of any kind of LoRA that is known here.')
    stem = key[: -len(suffix) - 1]
    prefix, component = next(((prefix, name) for prefix, name in _COMPONENTS if stem.startswith(prefix)), ("", "unet"))
    return LayerName(component, stem[len(prefix) :].replace(".", "_")), _RENAMED.get(suffix, suffix)


def split_network(weights: Mapping[str, Tensor]) -> dict[LayerName, Parts]:
    """A LoRA's tensors by layer and part. Raises `NetworkError` for names of something else, and for NaN or infinite numbers."""
    layers: dict[LayerName, Parts] = {}
    for key, value in weights.items():
        if key.startswith(_IGNORED):
            continue
        layer, part = split_key(key)
        if not bool(value.float().isfinite().all()):
            raise NetworkError(f'"{key}" holds NaN or infinite numbers.')
        layers.setdefault(layer, {})[part] = value
    if not layers:
        raise NetworkError("it holds no weights.")
    return layers
