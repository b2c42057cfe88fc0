"""How strongly LoRAs act at a place, and whether a layer runs the rows and tokens that they expect there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...engine.calls import LayerCall
from ...request.errors import RegionalError
from ...tensors.attention.regional import SUPPORT
from .lora_factors import NetworkKey, Strengths


@dataclass(frozen=True, eq=False)
class Weighted:
    """One LoRA that acts at a place, and how strongly: (B,) on rows, (B, h, w) at places, on the CPU; ``support`` places in all.

    ``column`` is its place among the LoRAs of the placement.
    """

    column: int
    key: NetworkKey
    strengths: Tensor
    support: int


def weighted_at(strengths: Strengths, keep_inactive: bool) -> list[Weighted]:
    """Those of the LoRAs that do something at a place; with ``keep_inactive`` all of them, if any does."""
    every = [Weighted(at, *one, np.count_nonzero(abs(one[1].numpy()) > SUPPORT)) for at, one in enumerate(strengths.items())]
    acting = [one for one in every if one.support]
    return every if keep_inactive and acting else acting


def has_attributes(call: LayerCall) -> bool:
    """Whether the layer's tokens are not those of its grid, and have per-token attributes."""
    return call.token_attributes is not None and call.x.shape[:2] == call.token_attributes.shape[:2]


def check_shape(call: LayerCall, whole_rows: bool) -> None:
    """Raise `RegionalError` where a layer does not run the rows and tokens that the host announced; sets on whole rows need no tokens."""
    announced, runs = len(call.model.rows), call.x.shape[0]
    if runs != announced:
        raise RegionalError(
            f"Regional expected {announced} rows, but the layer {call.name} runs {runs} (Hypertile does so), where a region's LoRA finds "
            "no place; the picture was stopped. Switch that off, or leave LoRAs out of the regions."
        )
    if call.place is None or call.x.dim() != 3 or whole_rows:
        return
    tokens = call.grid[0] * call.grid[1] if call.grid is not None else sum(call.tokens.lengths.values()) if call.tokens else 0
    if call.x.shape[1] != tokens:
        raise RegionalError(
            f"The layer {call.name} runs {call.x.shape[1]} of {tokens} tokens (token merging does so), where a region's LoRA finds no "
            "place. Switch that off, leave LoRAs out of the regions, or use latent_couple, whose LoRAs need none."
        )
