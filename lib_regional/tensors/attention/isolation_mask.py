"""Self-attention in the parts of a labelled canvas by one masked call (`tensors.attention.isolation`), and which way is the cheapest."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..device_costs import seconds
from .isolation import Parts
from .isolation_batched import MOST_BYTES, Batched
from .isolation_labels import near_labels, sees
from .regional import split_heads


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


Way = Literal["masked", "batched", "groups"]


def cheapest_isolation(parts: Parts, batched: Batched | None, rows: int, tokens: int, channels: int, device: str, size: int) -> Way:
    """The cheapest way on ``device``: one masked call, all parts on the batch axis, or a call for each group of places.

    ``size`` is that of a number in bytes.
    """

    def cost(operators: int, asked: int, passes: int, mask: int = 0) -> float:
        return seconds(device, operators, 4 * asked * channels, (passes * channels + mask) * size)

    groups = [(len(here), places.shape[1], seen.shape[1]) for here, places, seen in parts.groups]
    ways: dict[Way, float] = {
        "groups": cost(5 * len(groups), sum(n * s * k for n, s, k in groups), sum(n * (2 * s + 4 * k) for n, s, k in groups))
    }
    if rows * tokens * tokens * size <= MOST_BYTES:
        ways["masked"] = cost(1, rows * tokens * tokens, 0, tokens * tokens)
    if batched is not None:
        asked, keys = batched.sizes
        masks = 0 if batched.mask is None else batched.mask.numel()
        ways["batched"] = cost(5, batched.parts * asked * keys, batched.parts * (4 * asked + 4 * keys), masks)
    return min(ways, key=lambda way: ways[way])
