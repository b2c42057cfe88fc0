"""Self-attention within the parts of a labelled canvas by one masked call (`tensors.attention.isolation`)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device_costs import seconds
from .isolation import Parts
from .isolation_labels import near_labels, sees
from .regional import split_heads

MOST_BYTES = 128 * 2**20
"""Masks beyond this size are not made."""


def attention_mask(labels: Tensor, reach: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """labels (B, h, w) on the CPU -> what is added to scores, (B, 1, L, L), or (1, 1, L, L) where all rows are alike: 0 or −∞.

    Places of two labels see each other where each lies within ``reach`` cells (of a square's side) of the other's label.
    """
    rows = labels[:1] if bool((labels == labels[:1]).all()) else labels
    mine, near = rows.flatten(1).to(device), near_labels(rows, reach).to(device)
    tokens = mine.shape[1]
    reached = near.gather(2, mine[:, None].expand(-1, tokens, -1))
    seen = sees(mine[:, :, None], mine[:, None]) | (reached & reached.mT)
    return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))[:, None]


def attend_masked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, heads: int, scale: float | None = None) -> Tensor:
    """q, k, v (B, L, C) -> (B, L, C)"""
    asked, keys, values = (split_heads(z, heads) for z in (q, k, v))
    return F.scaled_dot_product_attention(asked, keys, values, mask, scale=scale).transpose(1, 2).flatten(2)


def masking_pays(parts: Parts, rows: int, tokens: int, channels: int, device: str, size: int) -> bool:
    """Whether one call over everything is cheaper on ``device`` than one for each group of places, and its mask small enough."""
    if rows * tokens * tokens * size > MOST_BYTES:
        return False
    masked = seconds(device, 0, 4 * rows * tokens * tokens * channels, tokens * tokens * size)
    flops = sum(4 * here.shape[0] * places.shape[1] * seen.shape[1] * channels for here, places, seen in parts.groups)
    moved = sum(here.shape[0] * (2 * places.shape[1] + 4 * seen.shape[1]) * channels * size for here, places, seen in parts.groups)
    return masked <= seconds(device, 5 * len(parts.groups), flops, moved)
