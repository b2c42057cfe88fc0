"""Texts with a place in joint attention, where text and picture tokens attend to each other in one sequence (Flux and its kin).

The row's texts stand one after another in front of the picture: ``[text 1 | text 2 | … | padding | picture]``. Added to the scores before
the softmax (*choice*; full canvas ≡ plain and same text everywhere ≡ plain hold exactly):
- picture token p asking text s: ``log ŵ_s(p)``, so that each text acts where it has weight and n copies of one text count as one;
- a text asking itself: 0, another text: −∞ (texts do not read each other);
- a text asking the picture, and the picture asking itself: 0.

Pictures given beside the prompt (Flux Kontext, Flux.2) stand behind the picture, ``[texts | picture | references]``. A reference's token
asks text s with ``log`` of the text's share of the picture, and everything else with 0, as all do who ask it.

The picture's own attention is free, unless regions are *isolated*: then picture tokens, and texts asking the picture, see the tokens of
their own label and those of `isolation_labels.COMMON`, which see all; −∞ for the others. Which texts a token asks stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..isolation_labels import divided, sees

Placed = tuple[int, Tensor]
"""Length of a text in tokens, and its weights (P,) over the picture's tokens."""

_PADDING = -1


@dataclass(frozen=True, eq=False)
class Isolated:
    """Labels of one row: of each of its texts, and of the picture's tokens (P,), on the CPU."""

    texts: tuple[int, ...]
    picture: Tensor


Isolation = Sequence[Isolated]
"""Of each row."""


def joint_bias(
    rows: Sequence[Sequence[Placed]],
    dtype: torch.dtype = torch.float32,
    references: int = 0,
    picture_first: bool = False,
    isolation: Isolation | None = None,
) -> Tensor | None:
    """Texts of each row -> (B, 1, L, L) to add to the scores, L = T + P + ``references``; T is the longest row's.

    ``picture_first``: tokens are ``[picture | references | texts]``. None where nothing has to be added.
    """
    if is_plain(rows, isolation):
        return None
    total = longest(rows)
    size, like = total + rows[0][0][1].shape[0] + references, rows[0][0][1]
    bias = like.new_zeros(len(rows), 1, size, size, dtype=dtype)
    for at, (texts, row) in enumerate(zip(rows, bias[:, 0], strict=True)):
        _write_bias(texts, total, row)
        if isolation is not None:
            _write_isolation(texts, isolation[at], total, row)
    return bias.roll((-total, -total), (2, 3)) if picture_first else bias


def longest(rows: Sequence[Sequence[Placed]]) -> int:
    """Tokens of the longest row's texts."""
    return max(sum(length for length, _ in texts) for texts in rows)


def is_plain(rows: Sequence[Sequence[Placed]], isolation: Isolation | None = None) -> bool:
    """Whether every row has one text that acts everywhere, no row is padded, and no places are isolated from each other."""
    total = longest(rows)
    if isolation is not None and any(divided(one.picture[None]) for one in isolation):
        return False
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


def _write_isolation(texts: Sequence[Placed], isolated: Isolated, total: int, bias: Tensor) -> None:
    """Add to one row's bias (L, L) who does not see whom of the picture."""
    picture = isolated.picture.numpy()
    asking = np.concatenate([np.repeat(isolated.texts, [length for length, _ in texts]).astype(picture.dtype), picture])
    hidden = torch.from_numpy(~sees(asking[:, None], picture[None])).to(bias.device)
    count = len(asking) - len(picture)
    columns = slice(total, total + len(picture))
    bias[:count, columns].masked_fill_(hidden[:count], -torch.inf)
    bias[columns, columns].masked_fill_(hidden[count:], -torch.inf)


def side_by_side(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """Contexts (T_i, D) of each row, one after another -> (B, T, D), short rows padded with zeros that `joint_bias` masks."""
    joined = [texts[0] if len(texts) == 1 else torch.cat(list(texts)) for texts in rows]
    if len(joined) == 1:
        return joined[0][None]
    return torch.nn.utils.rnn.pad_sequence(joined, batch_first=True)
