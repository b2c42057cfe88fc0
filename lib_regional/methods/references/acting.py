"""Reference pictures in their regions: `tensors.references.terms` at every cross-attention layer, around whatever the method does there.

In the host's own rows a picture acts by its region's weight map, before the base share, as a LoRA does. Rows that a method makes for one
region (`UNetRow.tag`) have that region's picture everywhere, as they have its text; those for the base have none.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...engine.calls import AttentionCall, ModelCall
from ...engine.capabilities import cross_layers_of
from ...engine.hooks import AttentionHook, Hooks
from ...engine.plan import Plan
from ...engine.ports import Host
from ...engine.references import CrossLayer, prompt_row
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from ...tensors.attention.regional import split_heads
from ...tensors.masks.pyramid import Active, Pyramid
from ...tensors.references.terms import Term, with_terms

Slot = tuple["int | None", ...]
"""The region whose picture acts in each row; None for rows without one."""


def with_references(plan: Plan, host: Host, hooks: Hooks) -> Hooks:
    """``hooks`` with the plan's references; unchanged where it has none."""
    if not plan.references:
        return hooks
    acting = References(plan, hooks.cross_attention)

    def renew() -> None:
        assert hooks.renew is not None
        hooks.renew()
        acting.renew(cross_layers_of(host))

    def close() -> None:
        acting.clear()
        if hooks.close is not None:
            hooks.close()

    return replace(hooks, cross_attention=acting, renew=None if hooks.renew is None else renew, close=close)


@dataclass(frozen=True)
class _Stage:
    """A kind of call: which pictures act in which rows; ``whole``: everywhere in these rows."""

    slots: tuple[Slot, ...]
    whole: bool
    weights: dict[tuple[Slot, Grid, torch.device, torch.dtype], Tensor] = field(default_factory=dict)
    terms: dict[tuple[str, torch.device, torch.dtype], tuple[Term, ...]] = field(default_factory=dict)


class References:
    """An attention hook for one generation; ``inner`` is the method's own."""

    def __init__(self, plan: Plan, inner: AttentionHook | None) -> None:
        self._plan = plan
        self._inner = inner
        self._pyramid = Pyramid(plan.layout, plan.words)
        self._stages: dict[Hashable, _Stage | None] = {}
        self._now: tuple[ModelCall, _Stage | None] | None = None

    def clear(self) -> None:
        """Forget what was made."""
        self._stages.clear()
        self._now = None

    def renew(self, layers: Sequence[CrossLayer]) -> None:
        """Another network samples. Raises `RegionalError` where the pictures' keys and values are not for its layers."""
        widths = {layer.name: layer.inner for layer in layers}
        for prompt in self._plan.references.values():
            if {name: k.shape[-1] for name, (k, _) in prompt.layers.items()} != widths:
                raise RegionalError(
                    "The model was exchanged during sampling for one of another build: the regions' reference pictures cannot follow."
                )

    def __call__(self, call: AttentionCall) -> Tensor | None:
        stage = None if call.site.controlnet else self._stage(call.model)
        if stage is None:
            return None if self._inner is None else self._inner(call)
        to_q = _Once(call.to_q)

        def out(y: Tensor) -> Tensor:
            q = split_heads(to_q(call.x), call.heads)
            return call.out(with_terms(y, q, self._terms(stage, call, q), call.scale))

        asked = replace(call, to_q=to_q, out=out)
        done = None if self._inner is None else self._inner(asked)
        return out(_attention(asked)) if done is None else done

    def _stage(self, model: ModelCall) -> _Stage | None:
        """The stage of a call; None where no picture acts."""
        if self._now is not None and self._now[0] is model:
            return self._now[1]
        referenced = self._plan.referenced(model.step)
        stage = None
        if referenced:
            marked = _marked(model, referenced)
            texts = self._plan.pass_of(model.step).texts
            places = tuple((texts[row.image].weights, row.image) for row in model.rows) if marked is None else ()
            roles = tuple(row.role for row in model.rows)
            name = (self._plan.active(model.step), referenced, marked, roles, places, model.latent, model.tile)
            if name not in self._stages:
                self._stages[name] = self._made(referenced, marked, len(model.rows))
            stage = self._stages[name]
        self._now = (model, stage)
        return stage

    def _made(self, referenced: Active, marked: Slot | None, rows: int) -> _Stage | None:
        if marked is None:
            return _Stage(tuple((region,) * rows for region in referenced), whole=False)
        tokens = {region: self._plan.references[region].tokens for region in marked if region is not None}
        lengths = dict.fromkeys(tokens.values())
        slots = [tuple(region if region is not None and tokens[region] == length else None for region in marked) for length in lengths]
        return _Stage(tuple(slots), whole=True) if slots else None

    def _terms(self, stage: _Stage, call: AttentionCall, q: Tensor) -> tuple[Term, ...]:
        name = (call.site.name, q.device, q.dtype)
        if name not in stage.terms:
            stage.terms[name] = tuple(self._term(stage, slot, call, q) for slot in stage.slots)
        return stage.terms[name]

    def _term(self, stage: _Stage, slot: Slot, call: AttentionCall, q: Tensor) -> Term:
        any_region = next(region for region in slot if region is not None)
        layers = [self._plan.references[any_region if region is None else region].layers[call.site.name] for region in slot]
        places = [prompt_row(row.role) for row in call.model.rows]
        k, v = (torch.stack([pair[part][at] for pair, at in zip(layers, places, strict=True)]).to(q.device, q.dtype) for part in (0, 1))
        name = (slot, call.grid, q.device, q.dtype)
        if name not in stage.weights:
            weights = torch.stack([self._weight(stage, region, at, call) for at, region in enumerate(slot)])
            stage.weights[name] = weights.flatten(1)[..., None].to(q.device, q.dtype)
        return Term(split_heads(k, call.heads), split_heads(v, call.heads), stage.weights[name])

    def _weight(self, stage: _Stage, region: int | None, at: int, call: AttentionCall) -> Tensor:
        """How strongly a region's picture acts in row ``at`` of the call, (h, w)."""
        model, reference = call.model, None if region is None else self._plan.layout.regions[region].reference
        if region is None or reference is None:
            return torch.zeros(call.grid)
        if stage.whole:
            return torch.full(call.grid, reference.weight)
        image = model.rows[at].image
        factors = self._plan.pass_of(model.step).texts[image].weights
        maps = self._pyramid.at(self._plan.active(model.step), model.latent, call.grid, factors, model.tile, image)
        return maps.share[region] * reference.weight


def _marked(model: ModelCall, referenced: Active) -> Slot | None:
    """The regions of rows that a method made; None for the host's own rows."""
    if not model.tags:
        return None
    regions = [tag[1] if isinstance(tag, tuple) and tag[:1] == ("region",) else None for tag in model.tags]
    return tuple(region if region in referenced else None for region in regions)


class _Once:
    """A projection that keeps its last answer: method and references read the same queries."""

    def __init__(self, project: Callable[[Tensor], Tensor]) -> None:
        self._project = project
        self._known: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self._known is None or self._known[0] is not x:
            self._known = (x, self._project(x))
        return self._known[1]


def _attention(call: AttentionCall) -> Tensor:
    """The layer's own attention (B, L, C), before the output projection."""
    q, k, v = (split_heads(one, call.heads) for one in (call.to_q(call.x), call.to_k(call.context), call.to_v(call.context)))
    return F.scaled_dot_product_attention(q, k, v, scale=call.scale).transpose(1, 2).flatten(2)
