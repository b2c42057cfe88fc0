"""The small model in the widths of Stable Diffusion 1.5, for programs that know a checkpoint by them (Forge, reForge, ComfyUI).

Such programs read 320 UNet channels and a context of 768 from the weights, and build autoencoder and text encoder from SD 1.5's
configuration. The wide model computes the same function as the small one (function-preserving widening, after Net2Net, Chen et al. 2016):

- Every channel becomes `f` equal neighbours, which keeps the statistics of group norms and layer norms.
- A layer reads the first copy of each channel and has zeros for the others.
- Attention heads are filled up with zeros, and the query is scaled for the longer heads.
- Added layers of text encoder and autoencoder are residual branches that end in zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

UNET = 5
"""SD 1.5's UNet has 320 channels where the small one has 64."""
CONTEXT = 12
"""CLIP ViT-L's text model is 768 wide where the small one is 64."""
LEVELS = (2, 4, 8, 8)
"""SD 1.5's autoencoder is 128, 256, 512 and 512 wide, from the pictures' level to the latents', where the small one is 64."""
SMALL_HEADS = 2
UNET_HEADS = 8
TEXT_HEADS = 12
TEXT_LAYERS = 12
SMALL_LAYERS = 2
SMALL_WIDTH = 64

UNET_PREFIX = "model.diffusion_model."
TEXT_PREFIX = "cond_stage_model.transformer."
AUTOENCODER_PREFIX = "first_stage_model."


@dataclass(frozen=True)
class Widening:
    """How a layer's weight (out, in, …) grows: factors of both dimensions; ``heads``: that dimension (0 or 1) holds attention heads."""

    out: int
    into: int
    heads: int | None = None
    count: int = 0
    scale: float = 1.0
    """Factor of the query, for the attention's 1/√d with another head dimension."""

    def rows(self, value: Tensor) -> Tensor:
        """(out, …) -> (out f, …): bias, norm, weight, or the up matrix of a LoRA."""
        if self.heads == 0:
            return in_heads(value, 0, self.out * value.shape[0], self.count) * self.scale
        return value.repeat_interleave(self.out, 0) * self.scale

    def columns(self, value: Tensor) -> Tensor:
        """(n, in, …) -> (n, in f, …): weight, or the down matrix of a LoRA."""
        size = self.into * value.shape[1]
        return in_heads(value, 1, size, self.count) if self.heads == 1 else in_first(value, 1, size)


def in_first(value: Tensor, dim: int, size: int) -> Tensor:
    """``value`` with its dimension ``dim`` of n entries grown to ``size``: entry i stands at i·size/n, zeros elsewhere."""
    at = torch.arange(0, size, size // value.shape[dim])
    shape = (*value.shape[:dim], size, *value.shape[dim + 1 :])
    return value.new_zeros(shape).index_copy(dim, at, value)


def in_heads(value: Tensor, dim: int, size: int, count: int) -> Tensor:
    """Heads (H·d) of dimension ``dim`` as the first of ``count`` heads of size/count entries, each filled up with zeros."""
    small = value.unflatten(dim, (SMALL_HEADS, -1))
    shape = (*value.shape[:dim], count, size // count, *value.shape[dim + 1 :])
    wide = value.new_zeros(shape)
    wide.narrow(dim, 0, SMALL_HEADS).narrow(dim + 1, 0, small.shape[dim + 1]).copy_(small)
    return wide.flatten(dim, dim + 1)


def unet_widening(layer: str) -> Widening:
    """For a UNet layer by its name in the original layout, with dots or (LoRA) underscores."""
    name = layer.replace(".", "_")
    into = CONTEXT if re.search(r"attn2_to_[kv]$", name) else UNET
    if re.search(r"attn\d_to_[qkv]$", name):
        scale = (UNET * SMALL_HEADS / UNET_HEADS) ** 0.5 if name.endswith("q") else 1.0
        return Widening(UNET, into, heads=0, count=UNET_HEADS, scale=scale)
    if name.endswith("to_out_0"):
        return Widening(UNET, into, heads=1, count=UNET_HEADS)
    return Widening(1 if name == "out_2" else UNET, 1 if name == "input_blocks_0_0" else into)


def text_widening(layer: str) -> Widening:
    """For a layer of the text model; names as for the UNet."""
    name = layer.replace(".", "_")
    if re.search(r"self_attn_[qkv]_proj$", name):
        scale = (CONTEXT * SMALL_HEADS / TEXT_HEADS) ** 0.5 if name.endswith("q_proj") else 1.0
        return Widening(CONTEXT, CONTEXT, heads=0, count=TEXT_HEADS, scale=scale)
    if name.endswith("self_attn_out_proj"):
        return Widening(CONTEXT, CONTEXT, heads=1, count=TEXT_HEADS)
    return Widening(CONTEXT, CONTEXT)


def autoencoder_widening(layer: str) -> Widening:
    """For a layer of the autoencoder (no prefix): the first block of a level changes the width."""
    top, bottom = LEVELS[-1], LEVELS[0]
    ends = {"encoder.conv_in": (bottom, 1), "encoder.norm_out": (top, top), "encoder.conv_out": (1, top),
            "decoder.conv_in": (top, 1), "decoder.norm_out": (bottom, bottom), "decoder.conv_out": (1, bottom),
            "quant_conv": (1, 1), "post_quant_conv": (1, 1)}  # fmt: skip
    if layer in ends:
        return Widening(*ends[layer])
    found = re.match(r"(encoder\.down|decoder\.up)\.(\d)\.(?:block\.(\d)\.)?", layer)
    if not found:  # the middle: one head over the whole width
        return Widening(top, top, scale=top**-0.5 if layer.endswith("attn_1.q") else 1.0)
    level = int(found[2])
    before = level - 1 if found[1] == "encoder.down" else level + 1
    wide = LEVELS[level]
    into = LEVELS[before] if found[3] == "0" and 0 <= before < len(LEVELS) else wide
    return Widening(into if layer.endswith("norm1") else wide, into if layer.endswith(("conv1", "nin_shortcut")) else wide)


def wide_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The whole checkpoint of the small model (original layout, any dtype) -> that of the wide one; buffers of the schedule stay."""
    wide: dict[str, Tensor] = {}
    for name, value in {**weights, **level_changes(weights)}.items():
        layer, _, kind = name.rpartition(".")
        if name.startswith(UNET_PREFIX):
            wide[name] = widened(value, unet_widening(layer.removeprefix(UNET_PREFIX)))
        elif name.startswith(AUTOENCODER_PREFIX):
            wide[name] = widened(value, autoencoder_widening(layer.removeprefix(AUTOENCODER_PREFIX)))
        elif "_embedding" in layer:
            wide[name] = value.repeat_interleave(CONTEXT, 1)  # tables: the width is the second dimension
        elif name.startswith(TEXT_PREFIX):
            wide[f"{last_layers(layer)}.{kind}"] = widened(value, text_widening(layer.removeprefix(TEXT_PREFIX)))
        else:
            wide[name] = value
    return {name: value.contiguous() for name, value in with_added_layers(wide).items()}


def widened(value: Tensor, widening: Widening) -> Tensor:
    return widening.rows(widening.columns(value) if value.dim() > 1 else value)


def last_layers(name: str) -> str:
    """Name of a text model's layer with the small model's layers as the last ones, so that "clip skip" finds them."""
    return re.sub(r"(layers[._])(\d+)", lambda found: f"{found[1]}{int(found[2]) + TEXT_LAYERS - SMALL_LAYERS}", name)


def level_changes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Skip connections (identities) of the autoencoder's blocks that change the width, which the small one has not."""
    like = weights[f"{AUTOENCODER_PREFIX}decoder.conv_in.bias"]
    eye = torch.eye(SMALL_WIDTH, dtype=like.dtype)[:, :, None, None]
    found: dict[str, Tensor] = {}
    for block in ("encoder.down.1", "encoder.down.2", "decoder.up.1", "decoder.up.0"):
        name = f"{AUTOENCODER_PREFIX}{block}.block.0.nin_shortcut"
        found |= {f"{name}.weight": eye, f"{name}.bias": torch.zeros_like(like)}
    return found


def with_added_layers(wide: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``wide`` with the layers that SD 1.5 has beyond the small model's: residual branches whose last layer is zero."""
    text = f"{TEXT_PREFIX}text_model.encoder.layers."
    added: dict[str, Tensor] = {}
    for layer in range(TEXT_LAYERS - SMALL_LAYERS):
        added |= silent_copy(wide, f"{text}{TEXT_LAYERS - 1}.", f"{text}{layer}.")
    for level in range(len(LEVELS)):
        for like, extra in ((f"encoder.down.{level}.block.{{}}.", (0, 1)), (f"decoder.up.{level}.block.{{}}.", (1, 2))):
            own, new = (AUTOENCODER_PREFIX + like.format(block) for block in extra)
            added |= silent_copy(wide, own, new)
    return {**wide, **added}


def silent_copy(wide: Mapping[str, Tensor], own: str, new: str) -> dict[str, Tensor]:
    """Weights under ``new`` of the form of those under ``own``, for an identity: norms 1, everything else 0."""
    found: dict[str, Tensor] = {}
    for name, value in wide.items():
        inner = name.removeprefix(own)
        if name.startswith(own) and "nin_shortcut" not in inner:
            shape = (value.shape[0], value.shape[0], *value.shape[2:]) if inner == "conv1.weight" else value.shape
            if inner.startswith("norm1."):
                shape = wide[f"{own}norm2.bias"].shape
            norm = "norm" in inner and inner.endswith("weight")
            found[new + inner] = value.new_ones(shape) if norm else value.new_zeros(shape)
    return found


def wide_lora(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A LoRA of the small model (`lora_unet_…`, `lora_te_…`, up and down matrices and alphas) -> the same change of the wide one."""
    wide = {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".")
        if kind not in ("alpha", "lora_up.weight", "lora_down.weight"):
            raise ValueError(f"{name}: a LoRA of the wide model can have lora_up, lora_down and alpha, not {kind}.")
        own = layer.removeprefix("lora_unet_")
        widening = unet_widening(own) if own != layer else text_widening(layer.removeprefix("lora_te_"))
        target = layer if own != layer else last_layers(layer)
        rules = {"alpha": lambda v: v, "lora_up.weight": widening.rows, "lora_down.weight": widening.columns}
        wide[f"{target}.{kind}"] = rules[kind](value).contiguous()
    return wide
