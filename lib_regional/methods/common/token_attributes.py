"""Strengths of LoRAs where the host merges or tiles the tokens of self-attention (`Hooks.token_attributes`).

The strength of each LoRA at a token's place is an attribute of the token. A token merged from several then has the mean of theirs, a
tiled one its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...engine.calls import ModelCall
from ...engine.hooks import TokenAttributesHook
from ...request.layout.windows import Grid
from .lora_factors import Placement


def strength_attributes(placement: Placement) -> TokenAttributesHook:
    """The strengths of `Placement.strengths` side by side, (B, h·w, number of LoRAs)."""

    def attributes(model: ModelCall, grid: Grid) -> Tensor | None:
        found = list(placement.strengths(model, grid).values())
        return (
            torch.stack([strengths.reshape(len(strengths), -1).expand(-1, grid[0] * grid[1]) for strengths in found], -1) if found else None
        )

    return attributes


def side_by_side(*hooks: TokenAttributesHook | None) -> TokenAttributesHook:
    """The attributes of several hooks side by side, in the order of ``hooks``."""

    def attributes(model: ModelCall, grid: Grid) -> Tensor | None:
        found = [values for hook in hooks if hook is not None and (values := hook(model, grid)) is not None]
        return torch.cat([values.cpu() for values in found], -1) if found else None

    return attributes
