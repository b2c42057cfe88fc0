"""Attention over the texts of joint attention alone, where a network refines them before they meet the picture: each text asks itself."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .calls import Asked, Grouped, alike_rows


class TextAttention:
    """Attention over the texts ``[text 1 | text 2 | … | padding]`` of rows, arranged once for each device."""

    def __init__(self, lengths: Sequence[Sequence[int]]) -> None:
        """``lengths`` of each row's texts in tokens."""
        self._lengths = lengths
        self._arranged: dict[torch.device, Grouped] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens."""
        return len(self._lengths), max(map(sum, self._lengths))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, heads, T, d) -> (B, heads, T, d); padding gives the answer of another token: nobody reads it."""
        if q.device not in self._arranged:
            self._arranged[q.device] = Grouped(self._groups(), q.shape[2], q.device)
        return self._arranged[q.device](q, k, v)

    def _groups(self) -> list[Asked]:
        found = []
        for rows in alike_rows(self._lengths, operator.eq):
            ends = np.cumsum([0, *self._lengths[rows[0]]]).tolist()
            for span in zip(ends[:-1], ends[1:], strict=True):
                found.append(Asked(rows, np.arange(*span), (span,), None))
        return found
