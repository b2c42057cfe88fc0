"""Regional cross-attention: every region's context acts where its weight map is (design, section 1), on whatever rows the host runs.

What depends on the call alone (which regions are active, which context holds, how rows lie) is a *stage*, looked up once per call of the
model; what depends on the layer's grid as well is made at the first layer that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..engine.calls import AttentionCall, ModelCall
from ..engine.plan import Plan
from ..request.layout.windows import Grid
from ..tensors.attention.combined import Combined, attend_combined, combine
from ..tensors.attention.regional import Part, Recipe, attend, make_recipe, split_heads
from ..tensors.attention.stacked import KeysValues, Stacked, attend_stacked, stack_parts
from ..tensors.attention.ways import cheapest_way
from ..tensors.masks.pyramid import Active, Factors, Pyramid
from ..tensors.out_of_memory import go_on_smaller, is_out_of_memory
from .common.attention_recording import Contribution, record_contributions, records
from .common.contexts import ContextKey, Contexts
from .common.prepared import Prepared
from .key_values import Block, KeyValueCache, stacked
from .texts.signed_texts import signs


@dataclass(frozen=True)
class _Source:
    """A region that acts on a row, and its context; ``region`` None for the row's own text where the host's context is not all of it."""

    row: int
    region: int | None
    key: ContextKey


@dataclass(frozen=True)
class _Asked:
    """Contexts of one length that are asked together, and what is in them (`Contexts.content`)."""

    keys: tuple[ContextKey, ...]
    contents: tuple[int, ...]


@dataclass(frozen=True)
class _Buckets:
    """Parts in buckets, and ``own`` (B, L, 1), the rows' own share."""

    recipe: Recipe
    own: Tensor


Embed = Callable[[Tensor], Tensor] | None
"""See `AttentionCall.embed`."""
_Arranged = Stacked | Combined | _Buckets


@dataclass(frozen=True)
class _Layer:
    """What layers of one grid have in common: how the regions' parts are asked, and for which contexts.

    ``contents``: each content that any of the ``asked`` has, with one of its keys; ``groups``: the contents of each of the ``asked``.
    """

    asked: tuple[_Asked, ...]
    contents: tuple[tuple[int, ContextKey], ...]
    arranged: _Arranged
    groups: tuple[tuple[int, ...], ...]

    def attend(self, q: Tensor, own: KeysValues, pairs: Sequence[KeysValues], call: AttentionCall) -> Tensor:
        """q (B, L, C) -> (B, L, C), before the output projection."""
        arranged = self.arranged
        if isinstance(arranged, tuple):
            return attend_stacked(arranged, q, own, pairs, call.heads, call.scale)
        if isinstance(arranged, Combined):
            return attend_combined(arranged, q, own, pairs[0], call.heads, call.scale)
        base = torch.nn.functional.scaled_dot_product_attention(split_heads(q, call.heads), *own, scale=call.scale)
        return attend(arranged.recipe, q, pairs, call.heads, call.scale, base.transpose(1, 2).flatten(2) * arranged.own)


@dataclass(frozen=True)
class _Stage:
    """A kind of call: which regions act on which row, and where; ``factors`` are the prompts' own weights, row by row."""

    sources: tuple[_Source, ...]
    active: Active
    factors: tuple[Factors, ...]
    layers: dict[tuple[Grid, torch.device, torch.dtype], _Layer] = field(default_factory=dict)


class Couple:
    """State of one generation: contexts, weight maps and cached keys and values."""

    def __init__(self, plan: Plan, prepared: Prepared, pyramid: Pyramid, cache: KeyValueCache) -> None:
        self._plan = plan
        self._prepared = prepared
        self._pyramid = pyramid
        self._cache = cache
        self._stages: dict[Hashable, _Stage | None] = {}
        self._stacks = True
        self._now: tuple[ModelCall, _Stage | None] | None = None
        self._together: dict[tuple[tuple[ContextKey, ...], torch.device, torch.dtype], Tensor] = {}
        self._with_own: tuple[ModelCall, Tensor, tuple[ContextKey, ...], Tensor] | None = None

    @property
    def _contexts(self) -> Contexts:
        return self._prepared.contexts

    def renew(self) -> None:
        """The model's weights have changed: forget what the old ones made."""
        self._stages.clear()
        self._together.clear()
        self._now = self._with_own = None
        self._cache.clear()

    def __call__(self, call: AttentionCall) -> Tensor | None:
        stage = self._stage(call.model)
        if stage is None:
            return None
        q = call.to_q(call.x)
        place = (call.grid, q.device, q.dtype)
        layer = stage.layers.get(place)
        if layer is None:
            layer = stage.layers[place] = self._layer(stage, call, q)
        own, pairs = self._pairs(call, layer)
        if records(self._plan):
            record_contributions(self._plan, call, q, _contributions(stage, layer, pairs))
        return call.out(self._attended(stage, call, layer, q, own, pairs))

    def _attended(
        self, stage: _Stage, call: AttentionCall, layer: _Layer, q: Tensor, own: KeysValues, pairs: Sequence[KeysValues]
    ) -> Tensor:
        """The attention of all contexts; where memory does not suffice for all at once, of one bucket after the other from now on."""
        try:
            return layer.attend(q, own, pairs, call)
        except RuntimeError as error:
            if isinstance(layer.arranged, _Buckets) or not is_out_of_memory(error):
                raise
        go_on_smaller("cross-attention of all regions at once was too much for the memory; going on with a few at a time.")
        self._stacks = False
        for known in self._stages.values():
            if known is not None:
                known.layers.clear()
        smaller = stage.layers[call.grid, q.device, q.dtype] = self._layer(stage, call, q)
        return smaller.attend(q, *self._pairs(call, smaller), call)

    def _stage(self, model: ModelCall) -> _Stage | None:
        """The stage of a call; None where only the rows' own contexts act."""
        if self._now is not None and self._now[0] is model:
            return self._now[1]
        self._cache.begin((model.step.index, model.step.hires))
        active = self._plan.active(model.step)
        sources, texts = tuple(self._sources(model, active)), self._plan.pass_of(model.step).texts
        factors = tuple(texts[row.image].weights for row in model.rows)
        images = tuple(row.image for row in model.rows) if self._plan.words is not None else ()
        name = (active, sources, factors, model.latent, model.tile, images)
        if name not in self._stages:
            self._stages[name] = _Stage(sources, active, factors) if sources else None
        self._now = (model, self._stages[name])
        return self._now[1]

    def _sources(self, model: ModelCall, active: Active) -> Iterator[_Source]:
        for at, row in enumerate(model.rows):
            for region in active:
                key = self._contexts.key(row, region, model.step)
                if key is not None:
                    yield _Source(at, region, key)
            own = self._contexts.own_key(row, model.step)
            if own is not None:
                yield _Source(at, None, own)

    def _layer(self, stage: _Stage, call: AttentionCall, q: Tensor) -> _Layer:
        model = call.model
        maps = [
            self._pyramid.at(stage.active, model.latent, call.grid, factors, model.tile, row.image).regions.flatten(1)
            for factors, row in zip(stage.factors, model.rows, strict=True)
        ]
        own = torch.ones(len(model.rows), q.shape[1])
        inside = {source: maps[source.row][source.region] for source in stage.sources if source.region is not None}
        if inside:
            own.index_add_(0, torch.tensor([source.row for source in inside]), torch.stack(list(inside.values())), alpha=-1)
        own.clamp_min_(0)
        weights = [inside[source] if source in inside else own[source.row].clone() for source in stage.sources]
        if len(inside) < len(stage.sources):
            own[[source.row for source in stage.sources if source.region is None]] = 0
        parts = [Part(s.row, w, len(self._contexts.tensor(s.key))) for s, w in zip(stage.sources, weights, strict=True)]
        members, arranged = self._arranged(stage, parts, own[..., None], q)
        keys = [tuple(stage.sources[at].key for at in group) for group in members]
        asked = tuple(_Asked(group, tuple(self._contexts.content(key) for key in group)) for group in keys)
        contents = {content: key for group in asked for content, key in zip(group.contents, group.keys, strict=True)}
        return _Layer(asked, tuple(contents.items()), arranged, tuple(group.contents for group in asked))

    def _arranged(self, stage: _Stage, parts: list[Part], own: Tensor, like: Tensor) -> tuple[list[tuple[int, ...]], _Arranged]:
        """The regions' parts in the cheapest way, or in small calls, and the parts that are asked together."""
        way, recipe = cheapest_way(parts, like.shape[-1], like.device.type, like.element_size()) if self._stacks else ("buckets", None)
        if way == "combined":
            combined = combine(parts, own).to(like.device, like.dtype)
            return [combined.members], combined
        if way == "stacked":
            groups = stack_parts(parts, [source.key for source in stage.sources], like.device, like.dtype)
            return [stack.members for group in groups for stack in group.stacks], groups
        recipe = (recipe or make_recipe(parts)).to(like.device, like.dtype)
        return [bucket.members for bucket in recipe.buckets], _Buckets(recipe, own.to(like.device, like.dtype))

    def _pairs(self, call: AttentionCall, layer: _Layer) -> tuple[KeysValues, list[KeysValues]]:
        """K and V of the rows' own contexts (B, heads, T, d), and of everything that is asked (n, heads, T, d): from the cache or projected
        now, all of them together; equal contexts share theirs."""
        site = call.site.name
        kept = self._cache.together(site, layer.groups)
        if kept is not None:
            return self._projected(call, [])[0], kept
        found = {content: self._cache.get(site, content) for content, _ in layer.contents}
        missing: dict[int, list[tuple[int, ContextKey]]] = {}
        for content, key in layer.contents:
            if found[content] is None:
                missing.setdefault(len(self._contexts.tensor(key)), []).append((content, key))
        own, blocks = self._projected(call, [tuple(key for _, key in fresh) for fresh in missing.values()])
        for fresh, block in zip(missing.values(), blocks, strict=True):
            found.update((content, (block, row)) for row, (content, _) in enumerate(fresh))
            self._cache.keep(site, [content for content, _ in fresh], block)
        places = {content: place for content, place in found.items() if place is not None}
        return own, [stacked([places[content] for content in asked.contents]) for asked in layer.asked]

    def _projected(self, call: AttentionCall, groups: Sequence[tuple[ContextKey, ...]]) -> tuple[KeysValues, list[Block]]:
        """The rows' own contexts and ``groups`` of contexts of one length through the layer's own projections, with the LoRAs that each of
        the groups' has."""
        own = call.context
        if not groups:
            return (split_heads(call.keys(own), call.heads), split_heads(call.to_v(own), call.heads)), []
        x = self._beside(call.model, tuple(key for keys in groups for key in keys), own, call.embed)
        sizes = [own.shape[0] * own.shape[1], *(sum(len(self._contexts.tensor(key)) for key in keys) for keys in groups)]
        k, v = (project(x).split(sizes, 1) for project in (call.to_k, call.to_v))
        blocks = [self._block(call, keys, *at) for keys, *at in zip(groups, x.split(sizes, 1)[1:], k[1:], v[1:], strict=True)]
        shape = (*own.shape[:2], -1)
        return (split_heads(_normed(call, k[0].view(shape)), call.heads), split_heads(v[0].view(shape), call.heads)), blocks

    def _block(self, call: AttentionCall, keys: tuple[ContextKey, ...], x: Tensor, k: Tensor, v: Tensor) -> Block:
        """K and V of contexts of one length in a block, from the layer's ``k`` and ``v`` (1, Σ T, C) of them, x (1, Σ T, D)."""
        networks, site, heads = self._prepared.networks, call.site.name, call.heads
        loras, shape = [self._contexts.loras(key) for key in keys], (len(keys), x.shape[1] // len(keys), -1)
        k, v = (
            networks.on_contexts(f"{site}.{name}", loras, x.view(shape), y.view(shape)) for name, y in zip(call.names, (k, v), strict=True)
        )
        turned = [self._contexts.turned(key) for key in keys]
        if any(turned):
            v = v * signs(turned, v.shape[1], v)
        return Block(split_heads(_normed(call, k), heads), split_heads(v, heads))

    def _beside(self, model: ModelCall, keys: tuple[ContextKey, ...], own: Tensor, embed: Embed) -> Tensor:
        """The rows' ``own`` contexts (B, T, D), then others, one after the other (1, B · T + Σ T, D); kept for the model call's layers."""
        known = self._with_own
        if known is None or known[0] is not model or known[1] is not own or known[2] != keys:
            made = torch.cat([own.flatten(0, 1)[None], self._joined(keys, own, embed)], 1)
            known = self._with_own = (model, own, keys, made)
        return known[3]

    def _joined(self, keys: tuple[ContextKey, ...], like: Tensor, embed: Embed) -> Tensor:
        """Contexts one after the other (1, Σ T, D) on the device of ``like``, brought there and embedded once."""
        place = (keys, like.device, like.dtype)
        if place not in self._together:
            made = torch.cat([self._contexts.tensor(key).to(like.device, like.dtype) for key in keys])[None]
            self._together[place] = made if embed is None else embed(made)
        return self._together[place]


def _normed(call: AttentionCall, k: Tensor) -> Tensor:
    return k if call.norm_k is None else call.norm_k(k)


def _contributions(stage: _Stage, layer: _Layer, pairs: Sequence[KeysValues]) -> Iterator[Contribution]:
    """The contributions of the regions: row, region, context and keys."""
    keys = {key: k[n] for asked, (k, _) in zip(layer.asked, pairs, strict=True) for n, key in enumerate(asked.keys)}
    for source in stage.sources:
        if source.region is not None and source.key in keys:
            yield source.row, source.region, source.key, keys[source.key]
