"""The term that a reference adds to a cross-attention layer, before its output projection (Ye et al. 2023, equation 5):

``out(p) = to_out( A(p) + Σ_i s_i · m_i(p) · softmax(q(p) K_iᵀ / √d) V_i )``, A the attention of the texts, m_i the weight map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import in_type


@dataclass(frozen=True)
class Term:
    """Keys and values (B, heads, T, d) of a picture for every row, and where and how strongly it acts, (B, L, 1)."""

    k: Tensor
    v: Tensor
    weights: Tensor


def with_terms(y: Tensor, q: Tensor, terms: Sequence[Term], scale: float) -> Tensor:
    """y (B, L, C), the attention of the texts, and q (B, heads, L, d) -> y with all terms; two launches for each."""
    for term in terms:
        answer = F.scaled_dot_product_attention(q, term.k, term.v, scale=scale).transpose(1, 2).flatten(2)
        y = torch.addcmul(y, in_type(answer, y.dtype), in_type(term.weights, y.dtype))
    return y
