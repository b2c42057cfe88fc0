"""Files of LoRAs of every kind for the small model's layers, with random numbers small enough that pictures stay pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from lora_files import CONV, LINEAR, Parts, merged, norm
from safetensors.torch import save_file
from torch import Tensor, nn

CHOSEN = (
    *("conv_in", "time_embedding.linear_1", "down_blocks.0.resnets.0.conv1", "down_blocks.0.resnets.0.time_emb_proj"),
    *("down_blocks.0.attentions.0.proj_in", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"),
    *("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_v", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"),
    *("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v"),
    *("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0", "down_blocks.0.downsamplers.0.conv"),
    *("mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj", "up_blocks.2.attentions.1.transformer_blocks.0.ff.net.2"),
    *("up_blocks.1.upsamplers.0.conv", "up_blocks.2.resnets.0.conv2", "up_blocks.2.attentions.1.proj_out"),
)
CHOSEN_TEXT = ("text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.1.mlp.fc1")
NORMS = ("down_blocks.0.resnets.0.norm1", "mid_block.attentions.0.norm", "up_blocks.2.attentions.0.transformer_blocks.0.norm2")


def parts_for(kind: str, module: nn.Module) -> Parts | None:
    """Random parts of a kind for a layer; None where that kind has nothing for it."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    if weight.dim() == 1:
        return norm(tuple(weight.shape)) if kind == "norm" else None
    makers = LINEAR if weight.dim() == 2 else CONV
    if kind not in makers or (weight.dim() == 4 and weight.shape[2] == 1 and "core" in kind):
        return None
    if weight.shape[0] % 16 or weight.shape[1] % 16:  # the first convolution has 4 channels in
        return None
    return makers[kind](tuple(weight.shape))


LINEAR_IN = ("lora_up.weight", "hada_w1_a", "lokr_w1", "lokr_w1_a", "diff", "weight", "b2.weight", "a2.weight")
"""Parts that a delta is linear in, one of each kind (both terms' of GLoRA)."""


def shrunk(kind: str, parts: Parts, weight: Tensor) -> Parts:
    """The parts with a change of the weight of about a third of it."""
    if "dora_scale" in parts:
        return parts | {"dora_scale": _magnitude(parts, weight) * (1 + 0.2 * torch.randn(parts["dora_scale"].shape))}
    if "oft_diag" in parts:
        one = torch.eye(parts["oft_diag"].shape[-1])
        return parts | {"oft_diag": one + 0.2 * (parts["oft_diag"] - one)}
    if "oft_blocks" in parts:
        return parts | {"oft_blocks": 0.2 * parts["oft_blocks"]}
    if weight.dim() == 1:
        return {name: 0.5 * value for name, value in parts.items()}
    change = torch.from_numpy(merged(kind, parts, weight)).flatten() - weight.flatten().double()
    factor = 0.3 * float(weight.double().norm() / change.norm())
    return {name: value * factor if name in LINEAR_IN else value for name, value in parts.items()}


def _magnitude(parts: Parts, weight: Tensor) -> Tensor:
    axis = 0 if parts["dora_scale"].shape[0] == weight.shape[0] and parts["dora_scale"].numel() == weight.shape[0] else 1
    others = tuple(i for i in range(weight.dim()) if i != axis)
    return torch.linalg.vector_norm(weight.float(), dim=others, keepdim=True).reshape(parts["dora_scale"].shape)


def kohya(component: str, name: str) -> str:
    return ("lora_unet_" if component == "unet" else "lora_te_") + name.replace(".", "_")


def dotted(component: str, name: str) -> str:
    return ("unet." if component == "unet" else "text_encoder.") + name


def layers(unet: nn.Module, text: nn.Module) -> Iterator[tuple[str, str, nn.Module]]:
    for component, network, names in (("unet", unet, (*CHOSEN, *NORMS)), ("te", text, CHOSEN_TEXT)):
        yield from ((component, name, network.get_submodule(name)) for name in names)


def write(path: Path, kind: str, unet: nn.Module, text: nn.Module, key: Callable[[str, str], str] = kohya) -> Path:
    """One file with a LoRA of ``kind`` for the chosen layers."""
    torch.manual_seed(11)
    weights: dict[str, Tensor] = {}
    for component, name, module in layers(unet, text):
        parts = parts_for(kind, module)
        if parts is not None:
            weight = module.weight
            assert isinstance(weight, Tensor)
            weights |= {f"{key(component, name)}.{part}": value for part, value in shrunk(kind, parts, weight).items()}
    assert weights, kind
    save_file({name: value.contiguous() for name, value in weights.items()}, path)
    return path
