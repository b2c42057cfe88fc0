"""The stacked factors of a generation's LoRAs by layer, shared by all calls in which the same LoRAs act, dropped with the last of them; and
at which places LoRAs act, texts and picture in one sequence among them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from ...engine.calls import LayerCall, ModelCall, Place, Row, StepInfo, Tokens
from ...request.errors import RegionalError
from ...request.prompt.lora_tags import LoraTag
from ...tensors.attention.regional import SUPPORT
from ...tensors.lora.deltas import LayerDelta
from ...tensors.lora.stacked import Factors, factors_of_layers, inner_tokens, is_low_rank, one_after_the_other, rank_of

SHARED_INPUT = (".attn1.to_q", ".attn1.to_k", ".attn1.to_v")
"""Layers of one self-attention, which read the same tokens."""

NetworkKey = tuple[str, int | None]
"""(name, ranks used): LoRAs of one key have the same deltas."""
Strengths = Mapping[NetworkKey, Tensor]
"""Strength of every LoRA: (B, h, w) or (B, L) at places, or (B,) on whole rows."""

Acting = Sequence[tuple[Hashable, LayerDelta]]
"""(key, delta) of the LoRAs that act in a layer."""


class Placement(Protocol):
    """Says how strong every LoRA is where; ``whole_rows``: the same at all places of a row."""

    whole_rows: bool

    def state(self, model: ModelCall) -> Hashable:
        """What the strengths depend on besides the grid: equal states, equal strengths."""
        ...

    def strengths(self, model: ModelCall, place: Place) -> Strengths:
        """At ``place``; whole rows where it is None (a layer without one)."""
        ...


class Deltas(Protocol):
    """The LoRAs of a generation by layer; ``version`` changes when they are read anew."""

    version: int

    def raw(self, key: NetworkKey, layer: str) -> LayerDelta | None:
        """The delta of one LoRA for one layer, as the host gave it."""
        ...

    def at(self, key: NetworkKey, layer: str, like: Tensor) -> LayerDelta | None:
        """The delta of one LoRA for one layer, on the device and in the precision of ``like``."""
        ...


class Isolation(Protocol):
    """Keeps parts of the canvas apart in layers through which they would see each other (`methods.isolation`)."""

    def delta(self, call: LayerCall, delta: LayerDelta) -> Tensor | None:
        """What a delta gives in a norm or a convolution within the parts; None: as ever."""
        ...

    def conv(self, call: LayerCall, own: LayerDelta, run: Callable[[Tensor], Tensor]) -> Tensor:
        """What ``run``, a convolution with the weight of ``own``, makes of the layer's input, without what places see of other parts."""
        ...


@dataclass(eq=False)
class Inner:
    """``(x Dᵀ) ⊙ M`` of layers that read the same tokens, computed for the first of them and kept until the last one has had its part.

    ``down`` holds the first factors of all of them, one after the other; ``factors`` by layer are views of it.
    """

    down: Tensor
    factors: Mapping[str, Factors]
    kept: tuple[Tensor, Mapping[str, Tensor]] | None = None
    left: set[str] = field(default_factory=set)

    def of(self, layer: str, x: Tensor, maps: Tensor) -> Tensor:
        """The part (…, Σr) of a layer, for its input x (…, in) and the LoRAs' strengths ``maps`` (`stacked_lora.token_maps`)."""
        count = len(self.factors)
        if count == 1:
            return inner_tokens(x, self.down, maps)
        if self.kept is None or self.kept[0] is not x or layer not in self.left:
            self.kept = (x, dict(zip(self.factors, inner_tokens(x, self.down, maps, count).chunk(count, -1), strict=True)))
            self.left = set(self.factors)
        h = self.kept[1][layer]
        self.left.discard(layer)
        if not self.left:
            self.kept = None
        return h


ActingIn = Callable[[], Mapping[str, Acting]]
"""What acts in each layer that LoRAs change at places of their own."""


class FactorStore:
    """Factors and first products of layers, by layer, precision and acting LoRAs."""

    def __init__(self) -> None:
        self._factors: WeakValueDictionary[Hashable, Factors] = WeakValueDictionary()
        self._inner: WeakValueDictionary[Hashable, Inner] = WeakValueDictionary()
        self._waiting: dict[Hashable, Factors] = {}

    def factors(self, layer: str, acting: Acting, acting_in: ActingIn, like: Tensor) -> Factors:
        """Those of one layer, on the device and in the precision of ``like``; made together with those of all other
        layers in which the same LoRAs act; these wait for their layers."""
        name = _name(layer, acting, like.dtype)
        found = self._waiting.pop(name, None) or self._factors.get(name)
        if found is None:
            keys = [key for key, _ in acting]
            alike = {other: here for other, here in acting_in().items() if [key for key, _ in here] == keys and _all_low(here)}
            made = factors_of_layers({other: [delta for _, delta in here] for other, here in {**alike, layer: acting}.items()}, like)
            self._waiting = {_name(other, alike.get(other, acting), like.dtype): factors for other, factors in made.items()}
            found = self._waiting.pop(name)
        self._factors[name] = found
        return found

    def inner(self, layer: str, acting: Acting, acting_in: ActingIn, like: Tensor) -> Inner:
        """The first product of a layer on tokens, together with that of the layers beside it which read the same ones."""
        prefix = next((layer.removesuffix(end) for end in SHARED_INPUT if layer.endswith(end)), layer)
        name = _name(prefix, acting, like.dtype)
        found = self._inner.get(name)
        if found is None or layer not in found.factors:
            found = self._inner[name] = self._made(layer, prefix, acting, acting_in, like)
        return found

    def _made(self, layer: str, prefix: str, acting: Acting, acting_in: ActingIn, like: Tensor) -> Inner:
        beside = [(prefix + end, acting_in().get(prefix + end, ())) for end in SHARED_INPUT] if prefix != layer else []
        ranks = {tuple(rank_of(delta) for _, delta in others) for _, others in beside}
        if len(ranks) != 1 or not _all_alike(beside, acting):
            factors = self.factors(layer, acting, acting_in, like)
            return Inner(factors.down, {layer: factors})
        parts = {name: self.factors(name, others, acting_in, like) for name, others in beside}
        return Inner(one_after_the_other([one.down for one in parts.values()]), parts)


def _name(layer: str, acting: Acting, dtype: torch.dtype) -> Hashable:
    return layer, dtype, tuple(key for key, _ in acting)


def _all_alike(beside: Sequence[tuple[str, Acting]], acting: Acting) -> bool:
    """Whether the same LoRAs act in all layers, and can be stacked there."""
    keys = [key for key, _ in acting]
    return bool(beside) and all([key for key, _ in others] == keys and _all_low(others) for _, others in beside)


def _all_low(acting: Acting) -> bool:
    return all(is_low_rank(delta) for _, delta in acting)


def key_of(lora: LoraTag) -> NetworkKey:
    """What ``lora``'s deltas depend on."""
    return lora.name, lora.dyn


LorasOf = Callable[[Hashable, Row, StepInfo], Sequence[LoraTag]]
"""(mark of a row, the row, the step) -> its LoRAs."""


class ByTag:
    """LoRA sets on whole rows, by the mark that a method gave each row (`ports.UNetRow.tag`)."""

    whole_rows = True

    def __init__(self, loras_of: LorasOf) -> None:
        self._loras_of = loras_of

    def state(self, model: ModelCall) -> Hashable:
        """See `Placement`."""
        return tuple(tuple(self._loras_of(tag, row, model.step)) for tag, row in zip(model.tags, model.rows, strict=bool(model.tags)))

    def strengths(self, model: ModelCall, place: Place) -> Strengths:
        """See `Placement`."""
        found: dict[NetworkKey, Tensor] = {}
        for number, (tag, row) in enumerate(zip(model.tags, model.rows, strict=bool(model.tags))):
            for lora in self._loras_of(tag, row, model.step):
                found.setdefault(key_of(lora), torch.zeros(len(model.rows)))[number] += lora.unet
        return found


def on_tokens(key: NetworkKey, maps: Tensor, place: Tokens) -> Tensor:
    """Strengths (B, L) of one LoRA: in its text, at its places of the picture (``maps`` (B, h, w)), and by its share of it elsewhere."""
    lengths = place.lengths
    made: dict[str, Tensor] = {"picture": maps.flatten(1)}
    if "text" in lengths:
        made["text"] = torch.zeros(len(maps), lengths["text"])
        for row, texts in zip(made["text"], place.texts, strict=True):
            per_text = torch.tensor([sum(lora.unet for lora in loras if key_of(lora) == key) for _, loras in texts])
            counts = torch.tensor([length for length, _ in texts])
            row[: int(counts.sum())] = per_text.repeat_interleave(counts)
    if "behind" in lengths:
        made["behind"] = maps.flatten(1).mean(1, keepdim=True).expand(-1, place.behind)
    return torch.cat([made[part] for part in place.parts], 1)


@dataclass(frozen=True, eq=False)
class Weighted:
    """One LoRA that acts at a place, and how strongly: (B,) on rows, (B, h, w) at places, on the CPU; ``support`` places in all.

    ``column`` is its place among the LoRAs of the placement.
    """

    column: int
    key: NetworkKey
    strengths: Tensor
    support: int


def weighted_at(strengths: Strengths, keep_inactive: bool) -> list[Weighted]:
    """Those of the LoRAs that do something at a place; with ``keep_inactive`` all of them, if any does."""
    every = [Weighted(at, *one, np.count_nonzero(abs(one[1].numpy()) > SUPPORT)) for at, one in enumerate(strengths.items())]
    acting = [one for one in every if one.support]
    return every if keep_inactive and acting else acting


def has_attributes(call: LayerCall) -> bool:
    """Whether the layer's tokens are not those of its grid, and have per-token attributes."""
    return call.token_attributes is not None and call.x.shape[:2] == call.token_attributes.shape[:2]


def check_shape(call: LayerCall, whole_rows: bool) -> None:
    """Raise `RegionalError` where a layer does not run the rows and tokens that the host announced; sets on whole rows need no tokens."""
    announced, runs = len(call.model.rows), call.x.shape[0]
    if runs != announced:
        raise RegionalError(
            f"Regional expected {announced} rows, but the layer {call.name} runs {runs} (Hypertile does so), where a region's LoRA finds "
            "no place; the picture was stopped. Switch that off, or leave LoRAs out of the regions."
        )
    if call.place is None or call.x.dim() != 3 or whole_rows:
        return
    tokens = call.grid[0] * call.grid[1] if call.grid is not None else sum(call.tokens.lengths.values()) if call.tokens else 0
    if call.x.shape[1] != tokens:
        raise RegionalError(
            f"The layer {call.name} runs {call.x.shape[1]} of {tokens} tokens (token merging does so), where a region's LoRA finds no "
            "place. Switch that off, leave LoRAs out of the regions, or use latent_couple, whose LoRAs need none."
        )
