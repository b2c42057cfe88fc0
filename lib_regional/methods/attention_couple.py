"""Attention couple: every region's text speaks through cross-attention in its own place, in one UNet pass.

Design, section 1. The row's own context (the host's main prompt) is the base; regions share the canvas by their weight maps.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..engine.calls import AttentionCall, Row
from ..engine.hooks import Hooks
from ..engine.plan import Plan
from ..engine.ports import Host
from ..tensors.attention.regional import Part, Recipe, attend, make_recipe, split_heads
from ..tensors.masks.pyramid import Pyramid
from .common.attention_recording import Spoken, record_spoken
from .common.contexts import ContextKey, Contexts
from .common.isolation import Separation
from .common.pooled_texts import WholeTexts
from .common.prepared import Prepared
from .common.region_lora import ByPlace, Networks, layer_hooks
from .common.region_noise import region_noise
from .common.token_attributes import side_by_side, strength_attributes
from .key_values import Block, KeysValues, KeyValueCache, Place, stacked

Source = tuple[int, ContextKey | None]
"""A part's row and its context; None is the row's own context."""


class _Couple:
    """State of one generation: contexts, weight maps, recipes and cached keys and values."""

    def __init__(self, plan: Plan, prepared: Prepared, pyramid: Pyramid, cache: KeyValueCache) -> None:
        self._plan = plan
        self._prepared = prepared
        self._pyramid = pyramid
        self._cache = cache
        self._recipes: dict[tuple[object, ...], Recipe] = {}

    @property
    def _contexts(self) -> Contexts:
        return self._prepared.contexts

    @property
    def _networks(self) -> Networks:
        return self._prepared.networks

    def renew(self) -> None:
        """The model's weights have changed: forget what the old ones made."""
        self._recipes.clear()
        self._cache.clear()

    def __call__(self, call: AttentionCall) -> Tensor | None:
        active = self._plan.active(call.model.step)
        keyed = [self._row_keys(row, active, call) for row in call.model.rows]
        if not any(keyed):
            return None
        parts = [(n, key) for n, keys in enumerate(keyed) for key in (None, *keys.values())]
        q = call.to_q(call.x)
        recipe = self._recipe(call, active, keyed, q)
        pairs = self._project(call, recipe, parts)
        if self._plan.record is not None:
            heard = [(n, region) for n, keys in enumerate(keyed) for region in (None, *keys)]
            record_spoken(self._plan, call, q, _spoken(recipe, parts, heard, pairs))
        return call.out(attend(recipe, q, pairs, call.heads, call.scale))

    def _row_keys(self, row: Row, active: tuple[int, ...], call: AttentionCall) -> dict[int, ContextKey]:
        keys = {region: self._contexts.key(row, region, call.model.step) for region in active}
        return {region: key for region, key in keys.items() if key is not None}

    def _recipe(self, call: AttentionCall, active: tuple[int, ...], keyed: list[dict[int, ContextKey]], q: Tensor) -> Recipe:
        lengths = tuple(tuple((region, len(self._contexts.tensor(key))) for region, key in keys.items()) for keys in keyed)
        texts = self._plan.pass_of(call.model.step).texts
        factors = tuple(texts[row.image].weights for row in call.model.rows)
        name = (
            active,
            lengths,
            factors,
            call.model.latent,
            call.model.tile,
            call.grid,
            call.context.shape[1],
            q.device,
            q.dtype,
        )
        if name not in self._recipes:
            parts = []
            for row, regions in enumerate(lengths):
                maps = self._pyramid.at(active, call.model.latent, call.grid, factors[row], call.model.tile)
                own = maps.regions[[region for region, _ in regions]].flatten(1)
                parts.append(Part(row, (1 - own.sum(0)).clamp_min(0), call.context.shape[1], "own"))
                parts += [Part(row, weights, length, "region") for weights, (_, length) in zip(own, regions, strict=True)]
            self._recipes[name] = make_recipe(parts, len(keyed), q.device, q.dtype)
        return self._recipes[name]

    def _project(self, call: AttentionCall, recipe: Recipe, parts: list[Source]) -> list[KeysValues]:
        """K and V of every bucket: the rows' own contexts as the host would, the regions' from the cache or in one matmul."""
        groups = [[parts[i] for i in bucket.members] for bucket in recipe.buckets]
        keys = [_keys(group) for group in groups]
        places = self._places(call, list(dict.fromkeys(key for group in keys for key in group)))
        own = None if all(keys) else _heads(call, call.to_k(call.context), call.to_v(call.context))
        pairs = []
        for group, told in zip(groups, keys, strict=True):
            if told:
                pairs.append(stacked([places[key] for key in told]))
            else:
                assert own is not None
                rows = [row for row, _ in group]
                pairs.append((own[0][rows], own[1][rows]))
        return pairs

    def _places(self, call: AttentionCall, keys: list[ContextKey]) -> dict[ContextKey, Place]:
        """Where the keys and values of contexts lie, after those that are not kept have been projected; equal contexts share theirs."""
        site, contents = call.site.name, {key: self._contexts.content(key) for key in keys}
        self._cache.begin((call.model.step.index, call.model.step.hires))
        found = {content: self._cache.get(site, content) for content in dict.fromkeys(contents.values())}
        missing: dict[int, dict[int, ContextKey]] = {}
        for key, content in contents.items():
            if found[content] is None:
                missing.setdefault(len(self._contexts.tensor(key)), {}).setdefault(content, key)
        for fresh in missing.values():
            block = self._projected(call, list(fresh.values()))
            found.update((content, (block, row)) for row, content in enumerate(fresh))
            self._cache.keep(site, list(fresh), block)
        return {key: place for key, content in contents.items() if (place := found[content]) is not None}

    def _projected(self, call: AttentionCall, keys: list[ContextKey]) -> Block:
        """Contexts of one length through the layer's own projections, with the LoRAs that each of them has."""
        tensors = [self._contexts.tensor(key).to(call.context.device, call.context.dtype) for key in keys]
        together, lengths = torch.cat(tensors)[None], [len(t) for t in tensors]
        loras, site = [self._contexts.loras(key) for key in keys], call.site.name
        k = self._networks.on_pieces(f"{site}.to_k", loras, together, call.to_k(together), lengths)
        v = self._networks.on_pieces(f"{site}.to_v", loras, together, call.to_v(together), lengths)
        return Block(*_heads(call, *(t.unflatten(1, (len(keys), lengths[0]))[0] for t in (k, v))))


def _keys(group: list[Source]) -> tuple[ContextKey, ...]:
    """Contexts of a bucket; empty for a bucket of the rows' own contexts (`Part.kind` keeps the two apart)."""
    return tuple(key for _, key in group if key is not None)


def _spoken(recipe: Recipe, parts: list[Source], heard: list[tuple[int, int | None]], pairs: list[KeysValues]) -> Iterator[Spoken]:
    """Who says what to whom, from the parts of a recipe."""
    for bucket, (k, _) in zip(recipe.buckets, pairs, strict=True):
        for n, part in enumerate(bucket.members):
            (row, key), (_, region) = parts[part], heard[part]
            if key is not None and region is not None:
                yield row, region, key, k[n]


def _heads(call: AttentionCall, k: Tensor, v: Tensor) -> KeysValues:
    return split_heads(k, call.heads), split_heads(v, call.heads)


def attention_couple(plan: Plan, host: Host) -> Hooks:
    """Hooks for one generation, for models with cross-attention and for those where text and picture share one (`tensors.attention.joint`).

    ``options.attention_couple.cache`` (default true) keeps keys and values over the steps; ``separate``, ``separate_until`` and
    ``border`` keep regions with different LoRAs apart (`methods.common.isolation`).
    """
    prepared = Prepared(plan, host)
    return prepared.renewed_by(couple_hooks(plan, prepared))


def couple_hooks(plan: Plan, prepared: Prepared) -> Hooks:
    """The same with what is ``prepared`` already, and renewed by whoever prepared it."""
    option = plan.settings.option_of("attention_couple")
    cache = KeyValueCache() if option("cache") else KeyValueCache(limit=0)
    networks, pyramid = prepared.networks, Pyramid(plan.layout)
    shares = (float(option(name)) for name in ("separate_until", "border"))
    apart = Separation(plan, pyramid, str(option("separate")), *shares)
    placement = ByPlace(plan, pyramid)
    strengths = strength_attributes(placement)
    couple, whole = _Couple(plan, prepared, pyramid, cache), WholeTexts(plan, prepared, pyramid)
    return Hooks(
        cross_attention=couple,
        joint=whole.shares,
        vector=whole.vectors,
        self_attention=apart.self_attention if apart.wanted else None,
        spatial=apart.spatial if apart.wanted and apart.reaches_layers else None,
        token_attributes=side_by_side(strengths, apart.token_attributes if apart.wanted else None) if networks.layers else None,
        layers=layer_hooks(networks, placement, contexts=False, within=apart.delta if apart.reaches_layers else None),
        denoiser=region_noise(plan, prepared.host),
        renew=couple.renew,
        close=cache.clear,
    )
