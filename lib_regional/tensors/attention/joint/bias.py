"""Texts with a place in joint attention, where text and picture tokens attend to each other in one sequence (Flux and its kin).

The row's texts stand one after another in front of the picture: ``[text 1 | text 2 | … | padding | picture]``. Added to the scores before
the softmax (*choice*; full canvas ≡ plain and same text everywhere ≡ plain hold exactly):
- picture token p asking text s: ``log ŵ_s(p)``, so that each text acts where it has weight and n copies of one text count as one;
- a text asking itself: 0, another text: −∞ (texts do not read each other);
- a text asking the picture, and the picture asking itself: 0.

Pictures given beside the prompt (Flux Kontext, Flux.2) stand behind the picture, ``[texts | picture | references]``. A reference's token
asks text s with ``log`` of the text's share of the picture, and everything else with 0, as all do who ask it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Placed = tuple[int, Tensor]
"""Length of a text in tokens, and its weights (P,) over the picture's tokens."""

_PADDING = -1


def joint_bias(
    rows: Sequence[Sequence[Placed]], dtype: torch.dtype = torch.float32, references: int = 0, picture_first: bool = False
) -> Tensor | None:
    """Texts of each row -> (B, 1, L, L) to add to the scores, L = T + P + ``references``; T is the longest row's.

    ``picture_first``: tokens are ``[picture | references | texts]``. None where nothing has to be added.
    """
    if is_plain(rows):
        return None
    total = longest(rows)
    size, like = total + rows[0][0][1].shape[0] + references, rows[0][0][1]
    bias = like.new_zeros(len(rows), 1, size, size, dtype=dtype)
    for texts, row in zip(rows, bias[:, 0], strict=True):
        _write_bias(texts, total, row)
    return bias.roll((-total, -total), (2, 3)) if picture_first else bias


def longest(rows: Sequence[Sequence[Placed]]) -> int:
    """Tokens of the longest row's texts."""
    return max(sum(length for length, _ in texts) for texts in rows)


def is_plain(rows: Sequence[Sequence[Placed]]) -> bool:
    """Whether every row has one text that acts everywhere, and no row is padded."""
    total = longest(rows)
    return all(len(texts) == 1 and texts[0][0] == total and bool((texts[0][1] == 1).all()) for texts in rows)


def _write_bias(texts: Sequence[Placed], total: int, bias: Tensor) -> None:
    """Write one row's bias (L, L), which holds zeros."""
    pixels = texts[0][1].shape[0]
    references = len(bias) - total - pixels
    owner = torch.full((total,), _PADDING, device=bias.device)
    scores = bias.new_full((pixels + references, total), -torch.inf, dtype=torch.float32)
    start = 0
    for number, (length, weights) in enumerate(texts):
        owner[start : start + length] = number
        shares = weights.float().clamp_min(0)
        scores[:, start : start + length] = torch.cat([shares, shares.mean().expand(references)]).log()[:, None]
        start += length
    bias[:total, :total].masked_fill_(owner[:, None] != owner[None], -torch.inf)
    bias[total:, :total] = scores


def side_by_side(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """Contexts (T_i, D) of each row, one after another -> (B, T, D), short rows padded with zeros that `joint_bias` masks."""
    joined = [torch.cat(list(texts)) for texts in rows]
    return torch.nn.utils.rnn.pad_sequence(joined, batch_first=True)
