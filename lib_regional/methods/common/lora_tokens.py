"""Strengths of regions' LoRAs on the tokens of a network in which texts and picture share a sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from ...engine.calls import Tokens
from .lora_factors import NetworkKey, key_of


def on_tokens(key: NetworkKey, maps: Tensor, place: Tokens) -> Tensor:
    """Strengths (B, L) of one LoRA: in its text, at its places of the picture (``maps`` (B, h, w)), and by its share of it elsewhere."""
    lengths = place.lengths
    made: dict[str, Tensor] = {"picture": maps.flatten(1)}
    if "text" in lengths:
        made["text"] = torch.zeros(len(maps), lengths["text"])
        for row, texts in zip(made["text"], place.texts, strict=True):
            per_text = torch.tensor([sum(lora.unet for lora in loras if key_of(lora) == key) for _, loras in texts])
            counts = torch.tensor([length for length, _ in texts])
            row[: int(counts.sum())] = per_text.repeat_interleave(counts)
    if "behind" in lengths:
        made["behind"] = maps.flatten(1).mean(1, keepdim=True).expand(-1, place.behind)
    return torch.cat([made[part] for part in place.parts], 1)
