"""What the LoRAs of a placement do in a layer: prepared at the first call of its kind, looked up after that (`tensors.lora.stacked`).

Low-rank deltas of a layer are computed together. Whole weights (LoKr, full, IA3, OFT, DoRA), biases and norms are added one by one, each in
its own place (`tensors.lora.low_rank`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...engine.calls import LayerCall, ModelCall, Place, Tokens
from ...tensors.attention.regional import SUPPORT
from ...tensors.lora.deltas import LayerDelta
from ...tensors.lora.low_rank import Box, add_everywhere, add_in_box, add_on_tokens, added
from ...tensors.lora.stacked import (
    Factors,
    add_conv,
    add_gathered,
    add_on_rows,
    add_outer,
    gathered,
    inner_conv,
    is_low_rank,
    on_rows,
    rank_maps,
    stacking_convs_pays,
    stacking_loras_pays,
    token_maps,
)
from ...tensors.out_of_memory import go_on_smaller, is_out_of_memory
from ...tensors.precision import in_type
from .lora_factors import Acting, Deltas, FactorStore, Inner, Isolation, Placement, Weighted, check_shape, has_attributes, weighted_at

Work = Callable[[LayerCall, Tensor], Tensor]
"""``(call, y)`` -> what takes the place of y, a new tensor."""

IDLE = 3
"""Steps without a call of its kind after which what was prepared for a stage makes room."""


@dataclass(frozen=True)
class _Acting:
    """A LoRA that acts in a layer."""

    weighted: Weighted
    delta: LayerDelta


@dataclass
class Stage:
    """Calls at which the same strengths hold: these by place, what was prepared of them by layer. ``used``: the last step that did."""

    weighted: dict[Place, list[Weighted]] = field(default_factory=dict)
    layers: dict[tuple[str, torch.Size, torch.dtype, Tokens | None, bool], tuple[Work, ...]] = field(default_factory=dict)
    maps: dict[Hashable, Tensor] = field(default_factory=dict)
    acting: dict[Place, Mapping[str, Acting]] = field(default_factory=dict)
    attribute_maps: tuple[Tensor, dict[Hashable, Tensor]] | None = None
    used: int = 0


class LoraWork:
    """One generation's LoRAs in the layers of its model."""

    def __init__(self, networks: Deltas, placement: Placement, isolation: Isolation | None, hooked: Sequence[str]) -> None:
        """``hooked``: the layers in which they act."""
        self._networks = networks
        self._hooked = hooked
        self._placement = placement
        self._isolation = isolation
        self._version = networks.version
        self._stages: dict[Hashable, Stage] = {}
        self._store = FactorStore()
        self._step = 0
        self._stacks = True
        self._now: tuple[ModelCall, Stage] | None = None

    def __call__(self, call: LayerCall) -> Tensor | None:
        """The layer's output with its LoRAs; None where none acts. A hook of the layer (`Hooks.layers`).

        Where memory does not suffice for all of them at once, they are added one after the other from now on. Raises `RegionalError` for
        rows or tokens that the host has not announced.
        """
        work = self._of(call)
        try:
            return _done(work, call) if work else None
        except RuntimeError as error:
            if not self._stacks or not is_out_of_memory(error):
                raise
        self._stacks, self._store = False, FactorStore()
        for stage in self._stages.values():
            stage.layers.clear()
            stage.maps.clear()
        go_on_smaller("the regions' LoRAs all at once were too much for the memory; going on with one after the other.")
        return _done(self._of(call), call)

    def _of(self, call: LayerCall) -> tuple[Work, ...]:
        """What is to be done in a layer that runs tokens like these; nothing where no LoRA acts."""
        stage, by_attributes = self._stage(call.model), call.token_attributes is not None and has_attributes(call)
        name = (call.name, call.x.shape, call.y.dtype, call.tokens, by_attributes)
        work = stage.layers.get(name)
        if work is None:
            work = stage.layers[name] = tuple(self._made(stage, call, by_attributes))
        return work

    def _stage(self, model: ModelCall) -> Stage:
        if self._version != self._networks.version:
            self._version, self._now, self._store = self._networks.version, None, FactorStore()
            self._stages.clear()
        if self._now is None or self._now[0] is not model:
            if self._now is None or self._now[0].step != model.step:
                self._step += 1
            state = self._placement.state(model)
            if state not in self._stages:
                self._stages = {name: one for name, one in self._stages.items() if self._step - one.used <= IDLE}
            stage = self._stages.setdefault(state, Stage())
            stage.used = self._step
            self._now = (model, stage)
        return self._now[1]

    def _acting(self, stage: Stage, call: LayerCall, place: Place, name: str) -> list[_Acting]:
        if place not in stage.weighted:
            # tiles of one picture share the factors of all LoRAs; elsewhere those that do nothing are left out
            stage.weighted[place] = weighted_at(self._placement.strengths(call.model, place), call.model.tile is not None)
        found = ((weighted, self._networks.raw(weighted.key, name)) for weighted in stage.weighted[place])
        return [_Acting(weighted, delta) for weighted, delta in found if delta is not None]

    def _made(self, stage: Stage, call: LayerCall, by_attributes: bool) -> list[Work]:
        flat = call.x.dim() != 4
        place = call.place if flat else (call.y.shape[-2], call.y.shape[-1])
        acting = self._acting(stage, call, place, call.name)
        low = [one for one in acting if is_low_rank(one.delta)] if self._stacks else []
        if not flat and self._isolation is None and not _convs_stack(low, call):
            low = []
        work = [self._stacked(stage, call, place, low, by_attributes)] if low else []
        work += [self._single(call, one, by_attributes, flat) for one in acting if one not in low and one.weighted.support]
        if work and not by_attributes:
            check_shape(call, self._placement.whole_rows)
        return work

    # ------------------------------------------------------------------ low-rank deltas

    def _stacked(self, stage: Stage, call: LayerCall, place: Place, acting: list[_Acting], by_attributes: bool) -> Work:
        y, strengths = call.y, [one.weighted.strengths for one in acting]
        keyed = [(one.weighted.key, one.delta) for one in acting]
        if by_attributes:
            return self._on_attributes(acting, self._inner(stage, call, place, keyed))
        if strengths[0].dim() == 1:
            rows = on_rows(self._store.factors(call.name, keyed, lambda: self._acting_in(stage, call, place), y), strengths)
            return lambda call, y: add_on_rows(call.x, y, rows)
        if call.x.dim() == 4:
            factors = self._store.factors(call.name, keyed, lambda: self._acting_in(stage, call, place), y)
            name = ("spatial", place, tuple(key for key, _ in keyed), factors.ranks, y.dtype)
            maps = _known(stage.maps, name, lambda: rank_maps(strengths, factors.ranks).movedim(-1, 1).to(y.device, y.dtype))
            return self._on_canvas(factors, maps)
        return self._on_tokens(stage, call, place, acting, self._inner(stage, call, place, keyed))

    def _on_tokens(self, stage: Stage, call: LayerCall, place: Place, acting: list[_Acting], inner: Inner) -> Work:
        y, factors, supports = call.y, inner.factors[call.name], [one.weighted.support for one in acting]
        flat = [one.weighted.strengths.flatten() for one in acting]
        if not stacking_loras_pays(factors, len(flat[0]), supports, y.device.type, y.element_size()):
            buckets = gathered(factors, flat)
            return lambda call, y: add_gathered(call.x, y, buckets)
        name = (place, tuple(one.weighted.key for one in acting), factors.ranks, y.dtype)
        maps = _known(stage.maps, name, lambda: token_maps(flat, factors.ranks).to(y.device, y.dtype))
        return lambda call, y: add_outer(y, inner.of(call.name, call.x, maps), factors.up)

    def _inner(self, stage: Stage, call: LayerCall, place: Place, keyed: Acting) -> Inner:
        return self._store.inner(call.name, keyed, lambda: self._acting_in(stage, call, place), call.y)

    def _acting_in(self, stage: Stage, call: LayerCall, place: Place) -> Mapping[str, Acting]:
        """What acts in each hooked layer at a place."""
        if place not in stage.acting:
            found = {name: [(one.weighted.key, one.delta) for one in self._acting(stage, call, place, name)] for name in self._hooked}
            stage.acting[place] = {name: acting for name, acting in found.items() if acting}
        return stage.acting[place]

    def _on_canvas(self, factors: Factors, maps: Tensor) -> Work:
        isolation, own = self._isolation, LayerDelta(factors.layer, weight=factors.down)

        def work(call: LayerCall, y: Tensor) -> Tensor:
            h = inner_conv(call.x, factors) if isolation is None else isolation.conv(call, own, lambda x: inner_conv(x, factors))
            return add_conv(y, h, maps, factors)

        return work

    def _on_attributes(self, acting: list[_Acting], inner: Inner) -> Work:
        columns, maps_of = [one.weighted.column for one in acting], self._attribute_maps

        def work(call: LayerCall, y: Tensor) -> Tensor:
            factors = inner.factors[call.name]
            maps = maps_of(call, columns, factors.ranks, y.dtype)
            return add_outer(y, inner.of(call.name, call.x, maps), factors.up)

        return work

    def _attribute_maps(self, call: LayerCall, columns: list[int], ranks: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Strengths (N, n) from the per-token attributes of an attention, made once for its layers."""
        assert call.token_attributes is not None and self._now is not None
        stage = self._now[1]
        if stage.attribute_maps is None or stage.attribute_maps[0] is not call.token_attributes:
            stage.attribute_maps = (call.token_attributes, {})
        values, name = call.token_attributes, (tuple(columns), ranks, dtype)
        return _known(
            stage.attribute_maps[1], name, lambda: token_maps([in_type(values[..., column].flatten(), dtype) for column in columns], ranks)
        )

    # ------------------------------------------------------------------ whole weights, biases, norms

    def _single(self, call: LayerCall, one: _Acting, by_attributes: bool, flat: bool) -> Work:
        delta = self._networks.at(one.weighted.key, call.name, call.y)
        assert delta is not None
        if by_attributes:
            return lambda call, y: y + (added(delta, call.x) * _column(call, one.weighted.column)).to(y.dtype)
        add = _adder(delta, one.weighted.strengths, flat, call.y)
        isolation, everywhere = self._isolation, one.weighted.strengths.to(call.y.device, call.y.dtype)

        def work(call: LayerCall, y: Tensor) -> Tensor:
            within = None if isolation is None else isolation.delta(call, delta)
            if within is not None:
                return y + (within * everywhere[:, None]).to(y.dtype)
            done = y.clone(memory_format=torch.contiguous_format)
            add(call.x, done)
            return done

        return work


def _done(work: tuple[Work, ...], call: LayerCall) -> Tensor:
    y = call.y
    for one in work:
        y = one(call, y)
    return y


def _convs_stack(acting: list[_Acting], call: LayerCall) -> bool:
    """Whether the low-rank deltas of a convolution are to be computed together; LoRAs on whole rows are, always."""
    if not acting or acting[0].weighted.strengths.dim() == 1:
        return bool(acting)
    y, supports = call.y, [one.weighted.support for one in acting]
    shapes = [one.delta.mid if one.delta.mid is not None else one.delta.down for one in acting]
    ranks = [0 if one is None else one.shape[0] for one in shapes]
    taps = max(1 if one is None else one[0, 0].numel() for one in shapes)
    cells = len(y) * y.shape[-2] * y.shape[-1]
    return stacking_convs_pays(ranks, supports, cells, (call.x.shape[1] * taps, y.shape[1]), y.device.type, y.element_size())


def _known(maps: dict[Hashable, Tensor], name: Hashable, make: Callable[[], Tensor]) -> Tensor:
    if name not in maps:
        maps[name] = make()
    return maps[name]


def _column(call: LayerCall, column: int) -> Tensor:
    assert call.token_attributes is not None
    return call.token_attributes[..., column : column + 1]


def _adder(delta: LayerDelta, strengths: Tensor, flat: bool, like: Tensor) -> Callable[[Tensor, Tensor], None]:
    """Adds a delta to an output like ``like``, in place, where ``strengths`` (B,) or (B, h, w) are."""
    if strengths.dim() == 1:
        rows_of = torch.nonzero(strengths)[:, 0].to(like.device)
        rows = strengths.to(like.device)
        return lambda x, y: add_everywhere(delta, x, y, rows, rows_of)
    if flat:
        support = torch.nonzero(strengths.flatten().abs() > SUPPORT)[:, 0]
        values = strengths.flatten()[support].to(like.device, like.dtype)
        places = support.to(like.device)
        return lambda x, y: add_on_tokens(delta, x, y, places, values)
    chosen, box = _bounds(strengths)
    inside = strengths[chosen, None, box[0] : box[2], box[1] : box[3]].to(like.device, like.dtype)
    index = chosen.to(like.device)
    return lambda x, y: add_in_box(delta, x, y, index, box, inside)


def _bounds(strengths: Tensor) -> tuple[Tensor, Box]:
    """Rows of (B, h, w) in which anything is, and the box that holds all of it."""
    here = strengths.abs() > SUPPORT
    rows, columns = torch.nonzero(here.any(0).any(1))[:, 0], torch.nonzero(here.any(0).any(0))[:, 0]
    box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return torch.nonzero(here.flatten(1).any(1))[:, 0], box
