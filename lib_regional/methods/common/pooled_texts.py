"""What the regions' texts say outside of cross-attention: in pooled vectors, and in attention shared with the picture.

A pooled text (SDXL, Flux) acts on the whole picture at once. *choice*: the row's own and the regions' are mixed by the share of the canvas
that each has, so that one region over the whole canvas is the plain prompt, exactly.
"""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from ...engine.calls import JointRows, ModelCall, Row, TextShare
from ...engine.plan import Plan
from ...request.layout.windows import Grid
from ...tensors.attention.regional import SUPPORT
from ...tensors.masks.pyramid import Pyramid
from ...tensors.masks.weight_maps import WeightMaps
from .contexts import ContextKey, Contexts
from .prepared import Prepared

Keys = dict[int, ContextKey]
"""Region -> its context; regions without a context of their own are left out."""
Mixture = tuple[Tensor, Tensor, Tensor]
"""See `WholeTexts._mixture`."""


class WholeTexts:
    """One generation's texts by row, with their shares of the picture."""

    def __init__(self, plan: Plan, prepared: Prepared, pyramid: Pyramid, isolate_until: float = 0.0) -> None:
        """``isolate_until``: share of the first pass's steps in which regions are isolated in joint attention."""
        self._isolate_until = isolate_until
        self._plan = plan
        self._pyramid = pyramid
        self._prepared = prepared
        self._mixtures: dict[Hashable, tuple[Contexts, Mixture | None]] = {}
        self._shares: dict[Hashable, tuple[Contexts, JointRows]] = {}

    @property
    def contexts(self) -> Contexts:
        """Those that hold now."""
        return self._prepared.contexts

    def vectors(self, call: ModelCall, own: Tensor) -> Tensor | None:
        """Pooled texts (B, V) of the rows: each the mean of its own and its regions', by area."""
        keyed = [self._keys_of(row, call) for row in call.rows]
        name = (self._name(call, call.latent, keyed), own.device)
        known = self._mixtures.get(name)
        if known is None or known[0] is not self.contexts:
            known = self._mixtures[name] = self.contexts, self._mixture(call, keyed, own)
        if known[1] is None:
            return None
        left, areas, vectors = known[1]
        return (own.float() * left + (areas * vectors).sum(1)).to(own.dtype)

    def _mixture(self, call: ModelCall, keyed: list[Keys], own: Tensor) -> Mixture | None:
        """The rows' own shares (B, 1), areas (B, K, 1) of the K texts that regions have, and these (K, V); None without any."""
        every = {key: self.contexts.conditioning(key).vector for keys in keyed for key in keys.values()}
        vectors = {key: vector for key, vector in every.items() if vector is not None}
        if not vectors:
            return None
        areas = torch.zeros(len(call.rows), len(vectors))
        for at, (row, keys) in enumerate(zip(call.rows, keyed, strict=True)):
            shares = self._maps(row, call, call.latent).regions.flatten(1).mean(1)
            for region, key in keys.items():
                if key in vectors:
                    areas[at, list(vectors).index(key)] += shares[region]
        left = 1 - areas.sum(1, keepdim=True)
        together = torch.stack([vector.to(own.device, torch.float32) for vector in vectors.values()])
        return left.to(own.device), areas[..., None].to(own.device), together

    def _name(self, call: ModelCall, grid: Grid, keyed: list[Keys]) -> Hashable:
        """What the rows' texts and weight maps on a grid depend on."""
        factors = tuple(self._plan.pass_of(call.step).texts[row.image].weights for row in call.rows)
        images = tuple(row.image for row in call.rows) if self._plan.words is not None else ()
        return grid, call.latent, call.tile, factors, tuple(tuple(keys.items()) for keys in keyed), self._plan.active(call.step), images

    def shares(self, call: ModelCall, grid: Grid) -> JointRows | None:
        """Texts of the rows and their weight maps, for joint attention; None where only the rows' own texts act.

        Calls with the same regions, texts and grid are given one and the same object, so that hosts can keep what they make of it.
        """
        keyed = [self._keys_of(row, call) for row in call.rows]
        if not any(keyed):
            return None
        isolated = not call.step.hires and call.step.progress < self._isolate_until
        name = self._name(call, grid, keyed), isolated
        known = self._shares.get(name)
        if known is None or known[0] is not self.contexts:
            texts = [self._row_shares(row, keys, call, grid) for row, keys in zip(call.rows, keyed, strict=True)]
            labels = torch.stack([self._labels(row, call, grid) for row in call.rows]) if isolated else None
            known = self._shares[name] = self.contexts, JointRows(texts, labels)
        return known[1]

    def _labels(self, row: Row, call: ModelCall, grid: Grid) -> Tensor:
        """(h, w) on the CPU: the region with the largest share of a cell, counted from 1; 0 where that is the base."""
        active, share = self._plan.active(call.step), self._maps(row, call, grid).share
        largest = torch.stack([(1 - share.sum(0)).clamp_min(0), *(share[region] for region in active)]).argmax(0)
        return torch.tensor([0, *(region + 1 for region in active)])[largest.cpu()]

    def _keys_of(self, row: Row, call: ModelCall) -> Keys:
        found = {region: self.contexts.key(row, region, call.step) for region in self._plan.active(call.step)}
        return {region: key for region, key in found.items() if key is not None}

    def _maps(self, row: Row, call: ModelCall, grid: Grid) -> WeightMaps:
        factors = self._plan.pass_of(call.step).texts[row.image].weights
        return self._pyramid.at(self._plan.active(call.step), call.latent, grid, factors, call.tile, row.image)

    def _row_shares(self, row: Row, keys: Keys, call: ModelCall, grid: Grid) -> list[TextShare]:
        """Texts of ``row`` that act on some cell: what rounding leaves to the base is no weight, and its text would be run for nothing."""
        maps = self._maps(row, call, grid)
        regions = [
            TextShare(self.contexts.tensor(key), maps.regions[region], self.contexts.loras(key), region + 1) for region, key in keys.items()
        ]
        base = 1.0 - sum((share.weights for share in regions), torch.zeros(grid))
        return [share for share in (TextShare(None, base.clamp_min(0)), *regions) if float(share.weights.max()) > SUPPORT]
