"""Fusing of region predictions: ``Σ w_i ⊗ F_i⁻¹(y_i)`` of predictions y_i on windows F_i of one canvas (Bar-Tal et al. 2023, equation 5).

The weights of a cell sum to 1 over all windows, so nothing is divided here.
"""

from __future__ import annotations

from collections.abc import Hashable

from torch import Tensor

from ...request.layout.windows import Grid, Window
from ..precision import in_type, single


class Fusion:
    """Sums of weighted predictions on a canvas of ``latent`` cells, one for each key that is added to, in fp32 at least."""

    def __init__(self, latent: Grid) -> None:
        self._latent = latent
        self._sums: dict[Hashable, Tensor] = {}
        self._like: Tensor | None = None

    def add(self, key: Hashable, window: Window, y: Tensor, weight: Tensor) -> None:
        """Add ``weight`` (h, w) times the prediction y (C, …, h, w) of ``window``; both on one device."""
        self._like, wide, known = y, single(y), self._sums.get(key)
        weight = in_type(weight, wide.dtype)
        if known is None and window.grid == self._latent:
            self._sums[key] = wide * weight
            return
        if known is None:
            known = self._sums[key] = wide.new_zeros(*wide.shape[:-2], *self._latent)
        window.of(known).addcmul_(wide, weight)

    def of(self, key: Hashable) -> Tensor:
        """The sum of a key (C, …, H, W), in the precision of the predictions."""
        assert self._like is not None
        return in_type(self._sums[key], self._like.dtype)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._sums
