"""The two ways in which an IP-Adapter (Ye et al. 2023) makes context tokens of a picture, from the weights in its file.

*Linear*: the projected embedding of an image encoder -> a few tokens, one linear layer and a layer norm. *Resampler* ("plus"): learned
queries ask the encoder's last hidden states but one in blocks of cross-attention, as the Perceiver resampler of Flamingo (Alayrac et al.
2022, section 3.1.1) does.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

HEAD = 64
"""Numbers in a head of the resampler's attention."""

Weights = Mapping[str, Tensor]
"""``image_proj`` of an adapter's file, without this prefix."""


def linear_tokens(weights: Weights, embeddings: Tensor, width: int) -> Tensor:
    """embeddings (n, E) -> context tokens (n, T, ``width``): ``norm(reshape(proj(e)))``"""
    tokens = F.linear(embeddings, weights["proj.weight"], weights["proj.bias"]).unflatten(-1, (-1, width))
    return F.layer_norm(tokens, (width,), weights["norm.weight"], weights["norm.bias"])


def resampled_tokens(weights: Weights, hidden: Tensor) -> Tensor:
    """hidden states (n, L, H) of an image encoder -> context tokens (n, Q, D), Q learned queries."""
    x = F.linear(hidden, weights["proj_in.weight"], weights["proj_in.bias"])
    queries = weights["latents"].expand(len(hidden), -1, -1)
    for layer in range(resampler_depth(weights)):
        queries = queries + _attended(weights, f"layers.{layer}.0.", x, queries)
        queries = queries + _fed_forward(weights, f"layers.{layer}.1.", queries)
    return _normed(weights, "norm_out.", F.linear(queries, weights["proj_out.weight"], weights["proj_out.bias"]))


def resampler_depth(weights: Weights) -> int:
    """How many blocks a resampler has."""
    return len({name.split(".")[1] for name in weights if name.startswith("layers.")})


def _normed(weights: Weights, prefix: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[prefix + "weight"], weights[prefix + "bias"])


def _attended(weights: Weights, prefix: str, x: Tensor, queries: Tensor) -> Tensor:
    """The queries (n, Q, D) ask the picture x (n, L, D) and themselves."""
    x, asking = _normed(weights, prefix + "norm1.", x), _normed(weights, prefix + "norm2.", queries)
    q = F.linear(asking, weights[prefix + "to_q.weight"])
    k, v = F.linear(torch.cat([x, asking], 1), weights[prefix + "to_kv.weight"]).chunk(2, -1)
    q, k, v = (one.unflatten(-1, (-1, HEAD)).transpose(1, 2) for one in (q, k, v))
    answer = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return F.linear(answer, weights[prefix + "to_out.weight"])


def _fed_forward(weights: Weights, prefix: str, x: Tensor) -> Tensor:
    return F.linear(F.gelu(F.linear(_normed(weights, prefix + "0.", x), weights[prefix + "1.weight"])), weights[prefix + "3.weight"])
