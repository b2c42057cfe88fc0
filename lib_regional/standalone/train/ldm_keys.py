"""Names of the weights in the original layout of Stable Diffusion, from those of diffusers and transformers."""

from __future__ import annotations

import re

from torch import Tensor

UNET_PREFIX = "model.diffusion_model."
AUTOENCODER_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."

_RESNET = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
_UNET_ENDS = (
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
)
_ATTENTION = (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"))


def unet_key(key: str, layers: int, attention: tuple[bool, ...]) -> str:
    """One UNet key; `layers` per block, `attention`: per level from the top, whether it has transformers."""
    for ours, theirs in _UNET_ENDS:
        if key.startswith(ours + "."):
            return theirs + key[len(ours) :]
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key):
        kind, index, rest = match.groups()
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(index)}.{_inside(kind, rest)}"
    match = re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", key)
    if not match:
        raise KeyError(f"{key} is no weight of a UNet")
    side, block, kind, index, rest = match.groups()
    level, layer = int(block), int(index)
    if side == "down":
        return f"input_blocks.{_input_block(level, layer, kind, layers)}.{_inside(kind, rest)}"
    return f"output_blocks.{_output_block(level, layer, kind, layers, attention[::-1][level])}.{_inside(kind, rest)}"


def _input_block(level: int, layer: int, kind: str, layers: int) -> str:
    if kind == "downsamplers":
        return f"{(level + 1) * (layers + 1)}.0"
    return f"{1 + level * (layers + 1) + layer}.{1 if kind == 'attentions' else 0}"


def _output_block(level: int, layer: int, kind: str, layers: int, attention: bool) -> str:
    if kind == "upsamplers":
        return f"{level * (layers + 1) + layers}.{2 if attention else 1}"
    return f"{level * (layers + 1) + layer}.{1 if kind == 'attentions' else 0}"


def _inside(kind: str, rest: str) -> str:
    if kind == "downsamplers":
        return rest.replace("conv.", "op.")
    if kind != "resnets":
        return rest
    for ours, theirs in _RESNET:
        if rest.startswith(ours + "."):
            return theirs + rest[len(ours) :]
    return rest


_CONTROL_ENDS = (
    ("controlnet_mid_block", "middle_block_out.0"),
    ("controlnet_cond_embedding.conv_in", "input_hint_block.0"),
    ("controlnet_cond_embedding.conv_out", "input_hint_block.14"),
)


def controlnet_key(key: str, layers: int, attention: tuple[bool, ...]) -> str:
    """One key of a ControlNet, whose encoder has the names of a UNet's."""
    for ours, theirs in _CONTROL_ENDS:
        if key.startswith(ours + "."):
            return theirs + key[len(ours) :]
    if match := re.match(r"controlnet_down_blocks\.(\d+)\.(.*)", key):
        return f"zero_convs.{match[1]}.0.{match[2]}"
    if match := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)\.(.*)", key):
        return f"input_hint_block.{2 * int(match[1]) + 2}.{match[2]}"
    return unet_key(key, layers, attention)


def autoencoder_key(key: str, levels: int) -> str:
    """One autoencoder key; `levels` is the number of resolutions."""
    key = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if "mid_block.attentions.0." in key:
        head, rest = key.split("mid_block.attentions.0.")
        name, kind = rest.rsplit(".", 1)
        return f"{head}mid.attn_1.{dict(_ATTENTION)[name]}.{kind}"
    return key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def unet_weights(state: dict[str, Tensor], layers: int, attention: tuple[bool, ...]) -> dict[str, Tensor]:
    """All weights of a UNet under their original names."""
    return {UNET_PREFIX + unet_key(key, layers, attention): value for key, value in state.items()}


def controlnet_weights(state: dict[str, Tensor], layers: int, attention: tuple[bool, ...]) -> dict[str, Tensor]:
    """All weights of a ControlNet under their original names."""
    return {controlnet_key(key, layers, attention): value for key, value in state.items()}


def autoencoder_weights(state: dict[str, Tensor], levels: int) -> dict[str, Tensor]:
    """All weights of an autoencoder under their original names; linear attention weights become 1x1 convolutions, as there."""
    weights = {}
    for key, value in state.items():
        name = autoencoder_key(key, levels)
        matrix = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name)
        weights[AUTOENCODER_PREFIX + name] = value[:, :, None, None] if matrix else value
    return weights


def text_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """All weights of a CLIP text model under their original names."""
    return {TEXT_PREFIX + key: value for key, value in state.items()}
