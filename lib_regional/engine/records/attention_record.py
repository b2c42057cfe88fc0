"""Cross-attention maps of every region's words, accumulated during sampling (DAAM). The picture is unchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...request.layout.windows import Grid
from ...tensors.attention.maps import resized
from ...tensors.attention.regional import split_heads
from ...tensors.precision import full_precision
from ..calls import AttentionCall

MOST_TOKENS = 1024
"""Sites with more image tokens are left out: the coarse ones hold the semantics, and cost next to nothing."""

WordPositions = Callable[[str], Sequence[int]]
"""A text without LoRA tags -> the token positions of its words in its context."""

Owner = tuple[int, int]
"""(image of the batch, region)"""


class AttentionRecord:
    """Attention probability of regions' words per cell, averaged over heads, coarse sites and steps of the first pass.

    As in DAAM (Tang et al. 2023), but a region's words compete with each other and their own padding only, over the whole picture:
    values outside of the region's area show where its words would act without the weight maps.
    """

    def __init__(self, positions: WordPositions) -> None:
        self._positions = positions
        self._places: dict[tuple[str, torch.device], tuple[int, Tensor]] = {}
        self._sums: dict[Owner, dict[Grid, Tensor]] = {}
        self._counts: dict[Owner, int] = {}

    def wants(self, call: AttentionCall) -> bool:
        """Whether this call is one to record: cross-attention of the UNet, first pass, coarse grid."""
        cross = call.site.kind == "cross" and not call.site.controlnet
        return cross and not call.model.step.hires and call.grid[0] * call.grid[1] <= MOST_TOKENS

    def add(self, call: AttentionCall, owner: Owner, text: str, q: Tensor, k: Tensor) -> None:
        """Queries q (L, C) of an image at a site, and keys k (heads, T, d) of the region's context."""
        last, positions = self._places_of(text, q.device)
        if not 0 <= last < k.shape[1]:
            return
        queries = split_heads(q[None], call.heads)[0].float()
        with full_precision(q.device):
            probabilities = (queries @ k.float().transpose(-1, -2) * call.scale).softmax(-1)
        share = probabilities[..., positions].sum(-1).mean(0).view(call.grid)
        sums = self._sums.setdefault(owner, {})
        sums[call.grid] = sums[call.grid] + share if call.grid in sums else share
        self._counts[owner] = self._counts.get(owner, 0) + 1

    def maps(self) -> dict[Owner, Tensor]:
        """Per image and region the mean share (h, w) in 0..1, on the finest grid that was recorded."""
        return {owner: self._mean(sums, self._counts[owner]) for owner, sums in self._sums.items()}

    def _mean(self, sums: dict[Grid, Tensor], count: int) -> Tensor:
        finest = max(sums, key=lambda grid: grid[0] * grid[1])
        return torch.stack([resized(total[None], finest)[0] for total in sums.values()]).sum(0).cpu() / count

    def _places_of(self, text: str, device: torch.device) -> tuple[int, Tensor]:
        """The last position of the text's words, −1 where it has none, and all of them."""
        if (text, device) not in self._places:
            found = sorted(set(self._positions(text)))
            self._places[text, device] = (found[-1] if found else -1, torch.tensor(found, dtype=torch.long, device=device))
        return self._places[text, device]
