"""What the regions' texts say outside of cross-attention: in pooled vectors, and in attention shared with the picture.

A pooled text (SDXL, Flux) acts on the whole picture at once. *choice*: the row's own and the regions' are mixed by the share of the canvas
that each has, so that one region over the whole canvas is the plain prompt, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...engine.calls import ModelCall, Row, TextShare
from ...engine.plan import Plan
from ...request.layout.windows import Grid
from ...tensors.masks.pyramid import Pyramid
from ...tensors.masks.weight_maps import WeightMaps
from .contexts import ContextKey, Contexts
from .prepared import Prepared

Keys = dict[int, ContextKey]
"""Region -> its context; regions without a context of their own are left out."""


class WholeTexts:
    """One generation's texts by row, with their shares of the picture."""

    def __init__(self, plan: Plan, prepared: Prepared, pyramid: Pyramid) -> None:
        self._plan = plan
        self._pyramid = pyramid
        self._prepared = prepared

    @property
    def contexts(self) -> Contexts:
        """Those that hold now."""
        return self._prepared.contexts

    def vectors(self, call: ModelCall, own: Tensor) -> Tensor | None:
        """Pooled texts (B, V) of the rows: each the mean of its own and its regions', by area."""
        keyed = [self._keys_of(row, call) for row in call.rows]
        known = {key: self.contexts.conditioning(key).vector for keys in keyed for key in keys.values()}
        vectors = {key: vector.to(own.device, torch.float32) for key, vector in known.items() if vector is not None}
        if not vectors:
            return None
        mixed = [self._mixed(row, keys, call, vector, vectors) for row, keys, vector in zip(call.rows, keyed, own.float(), strict=True)]
        return torch.stack(mixed).to(own.dtype)

    def shares(self, call: ModelCall, grid: Grid) -> list[Sequence[TextShare]] | None:
        """Texts of the rows and their weight maps, for joint attention; None where only the rows' own texts act."""
        keyed = [self._keys_of(row, call) for row in call.rows]
        if not any(keyed):
            return None
        return [self._row_shares(row, keys, call, grid) for row, keys in zip(call.rows, keyed, strict=True)]

    def _keys_of(self, row: Row, call: ModelCall) -> Keys:
        found = {region: self.contexts.key(row, region, call.step) for region in self._plan.active(call.step)}
        return {region: key for region, key in found.items() if key is not None}

    def _maps(self, row: Row, call: ModelCall, grid: Grid) -> WeightMaps:
        factors = self._plan.pass_of(call.step).texts[row.image].weights
        return self._pyramid.at(self._plan.active(call.step), call.latent, grid, factors, call.tile)

    def _mixed(self, row: Row, keys: Keys, call: ModelCall, own: Tensor, vectors: dict[ContextKey, Tensor]) -> Tensor:
        areas = self._maps(row, call, call.latent).regions.flatten(1).mean(1)
        parts = [(float(areas[region]), vectors[key]) for region, key in keys.items() if key in vectors]
        mixed = own * (1.0 - sum(area for area, _ in parts))
        return sum((area * vector for area, vector in parts), mixed)

    def _row_shares(self, row: Row, keys: Keys, call: ModelCall, grid: Grid) -> list[TextShare]:
        maps = self._maps(row, call, grid)
        regions = [TextShare(self.contexts.tensor(key), maps.regions[region]) for region, key in keys.items()]
        base = 1.0 - sum((share.weights for share in regions), torch.zeros(grid))
        return [share for share in (TextShare(None, base.clamp_min(0)), *regions) if float(share.weights.max()) > 0]
