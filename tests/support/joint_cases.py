"""Texts of joint attention with weights, and its sums over all tokens, written out from the docstring of `tensors.attention.joint.bias`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lib_regional.tensors.attention.joint.bias import Isolated, Placed

Texts = list[tuple[int, list[float]]]
HALVES: Texts = [(2, [1.0, 1.0, 0.0, 0.0]), (3, [0.0, 0.0, 1.0, 1.0])]
SOFT: Texts = [(2, [1.0, 0.4, 0.0, 0.0]), (1, [0.0, 0.6, 0.5, 0.0]), (2, [0.0, 0.0, 0.5, 1.0])]
ONE: Texts = [(3, [1.0] * 4)]
ROWS = {
    "hard halves": [HALVES],
    "soft borders": [SOFT],
    "a shorter row": [SOFT, ONE],
    "a padded row between two alike": [HALVES, ONE, HALVES, HALVES],
    "several sets of texts": [[(2, [0.2, 0.2, 0.2, 0.2]), (1, [0.8, 0.8, 0.0, 0.0]), (3, [0.0, 0.0, 0.8, 0.8])], HALVES],
    "soft everywhere": [[(2, [0.2] * 4), (2, [0.8] * 4)], ONE],
    "a token without a text": [[(1, [1.0, 0.0, 0.0, 1.0]), (2, [0.0, 1.0, 0.0, 0.0])]],
}


Labels = tuple[list[int], list[int]]
"""Of a row's texts and of the picture's tokens; 0: it sees all, and all see it."""
ISOLATED: dict[str, tuple[list[Texts], list[Labels]]] = {
    "hard halves": ([HALVES], [([1, 2], [1, 1, 2, 2])]),
    "soft borders and a base": ([SOFT], [([0, 1, 2], [0, 1, 2, 2])]),
    "one text, isolated places": ([ONE, HALVES], [([0], [1, 1, 2, 2]), ([1, 2], [1, 1, 2, 2])]),
    "rows with other labels": ([HALVES, HALVES], [([1, 2], [1, 1, 2, 2]), ([1, 2], [0, 0, 0, 0])]),
    "a label without a text": ([ONE], [([0], [3, 0, 1, 1])]),
    "parts of one size with a bias each": (
        [[(2, [0.2, 0.2, 0.2, 0.2]), (1, [0.8, 0.8, 0.0, 0.0]), (1, [0.0, 0.0, 0.8, 0.8])]] * 2,
        [([0, 1, 2], [1, 1, 2, 2])] * 2,
    ),
}


def placed(rows: Sequence[Texts]) -> list[list[Placed]]:
    return [[(length, torch.tensor(weights)) for length, weights in texts] for texts in rows]


def isolated(rows: Sequence[Labels]) -> list[Isolated]:
    return [Isolated(tuple(texts), torch.tensor(picture)) for texts, picture in rows]


def weighted_sums(q: Tensor, k: Tensor, v: Tensor, texts: Texts, references: int, labels: Labels | None = None) -> dict[int, Tensor]:
    """q, k, v (heads, L, d) of one row -> Σ w e^(q·k/√d) v ÷ Σ w e^(q·k/√d) for every token that is no padding, (heads, d)."""
    pixels, size = len(texts[0][1]), q.shape[1]
    owners, total = [n for n, (length, _) in enumerate(texts) for _ in range(length)], size - len(texts[0][1]) - references

    def label(token: int) -> int:
        if labels is None or token >= total + pixels:
            return 0
        return labels[0][owners[token]] if token < total else labels[1][token - total]

    def weight(asking: int, asked: int) -> float:
        if asked >= total:
            both = label(asking), label(asked)
            return float(0 in both or both[0] == both[1])
        if asked >= len(owners):
            return 0.0
        if asking < total:
            return float(owners[asking] == owners[asked])
        shares = texts[owners[asked]][1]
        return shares[asking - total] if asking < total + pixels else sum(shares) / pixels

    found = {}
    for asking in (*range(len(owners)), *range(total, size)):
        scores = (q[:, asking, None] * k).sum(-1) / q.shape[-1] ** 0.5
        parts = scores.exp() * torch.tensor([weight(asking, asked) for asked in range(size)], dtype=scores.dtype)
        found[asking] = (parts[..., None] * v).sum(1) / parts.sum(1, keepdim=True)
    return found
