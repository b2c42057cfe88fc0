"""Attention over the texts of joint attention alone, where a network refines them before they meet the picture: each text asks itself."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .groups import Asked, alike_rows, attend_in_groups


class TextAttention:
    """Attention over the texts ``[text 1 | text 2 | … | padding]`` of rows, arranged once for each device."""

    def __init__(self, lengths: Sequence[Sequence[int]]) -> None:
        """``lengths`` of each row's texts in tokens."""
        self._lengths = lengths
        self._arranged: dict[torch.device, tuple[Asked, ...]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens."""
        return len(self._lengths), max(map(sum, self._lengths))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, heads, T, d) -> (B, heads, T, d); padding gives zeros."""
        if q.device not in self._arranged:
            self._arranged[q.device] = self._groups(q.device)
        return attend_in_groups(q, k, v, self._arranged[q.device])

    def _groups(self, device: torch.device) -> tuple[Asked, ...]:
        found = []
        for rows in alike_rows(self._lengths, operator.eq):
            ends = np.cumsum([0, *self._lengths[rows[0]]]).tolist()
            for span in zip(ends[:-1], ends[1:], strict=True):
                found.append(Asked(rows, torch.arange(*span, device=device), (span,), None))
        return tuple(found)
