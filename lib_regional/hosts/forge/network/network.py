"""Forge's network under a method's hooks: network, attention and layer calls, whose row roles come with the host's own arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ....engine.calls import ModelCall, RowRoles, Site, StepInfo, UNetRow
from ....engine.hooks import AttentionHook, Hooks
from ....engine.patching import foreign_forward, patched_forward
from ....engine.unused_hooks import AskedHooks
from ....request.errors import RegionalError
from ....request.layout.windows import Grid, Tile
from ...ldm.sites import check_shape, grid_hook, refuse_foreign_texts, sites_of, transformer_of, undone
from ...ldm.unet import around_unet, hook_spatial, layer_hook, layer_of, transformer_around
from ..model import kind_of, refuse_unserved
from ..rows import ROWS
from ..weights import applied_weights
from .arguments import fresh_arguments, nested_arguments
from .attention import attention_call, chained, check_values
from .joint import bias_of, biased, context_of, token_grid


class Network:
    """``unet`` is the engine's ``diffusion_model``. Raises `RegionalError` where it cannot serve ``hooks``."""

    def __init__(self, unet: nn.Module, hooks: Hooks) -> None:
        refuse_unserved(hooks, unet)
        self._unet = unet
        self._asked = AskedHooks(hooks)
        self._hooks = self._asked.hooks
        self._joint = kind_of(unet) == "joint"
        self._sites = dict(sites_of(unet))
        self._grids: dict[str, Grid] = {}
        self._announced: tuple[StepInfo, Grid] | None = None
        self._tile: Tile | None = None
        self._now: ModelCall | None = None
        self._net: Any = None
        self.ran = False
        """Whether the network has run rows with known roles since `reset`."""

    def reset(self) -> None:
        """Forget what was announced: a new prediction begins."""
        self.ran, self._announced, self._net = False, None, None

    def announce(self, step: StepInfo, latent: Grid, net: Any = None) -> None:
        """The host is about to call the network for a prediction of latents of this size; ``net`` is its last ControlNet."""
        self._announced, self._net = (step, latent), net

    def call_of(self, rows: RowRoles, latent: Grid) -> ModelCall | None:
        """The call of a ControlNet that runs on ``rows`` before the network; None where nothing was announced."""
        return None if self._announced is None else ModelCall(rows, self._announced[0], latent)

    def check(self) -> None:
        """Raise `RegionalError` where a hook was not called during the network's first prediction."""
        self._asked.check(self._unet, self._joint)

    @contextmanager
    def tile(self, tile: Tile) -> Iterator[None]:
        """Until exit the network runs on this tile of the announced latents."""
        if self._announced is None:
            yield
            return
        before = self._announced, self._tile
        self._announced, self._tile = (before[0][0], tile.window.grid), tile
        try:
            yield
        finally:
            self._announced, self._tile = before

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Patch until exit."""
        with ExitStack() as stack:
            stack.enter_context(patched_forward(self._unet, self._around))
            transformers = list(dict.fromkeys(transformer_of(site) for site in self._sites))
            for name in transformers:
                hook = self._unet.get_submodule(name).register_forward_pre_hook(grid_hook(self._grids, name), with_kwargs=True)
                stack.callback(hook.remove)
            if self._hooks.spatial is not None:
                hook_spatial(self._unet, self._hooks.spatial, self._call, stack, applied_weights)
            for name, on_layer in self._hooks.layers.items():
                grid = functools.partial(self._grids.get, transformer_around(name, transformers) or "")
                hooked = layer_hook(name, on_layer, self._call, grid)
                stack.callback(layer_of(self._unet, name).register_forward_hook(hooked, with_kwargs=True).remove)
            for site, attn in self._sites.items():
                if site.kind == "cross" and self._hooks.unet is not None:
                    refuse_foreign_texts(attn)
                asked = self._hooks.cross_attention if site.kind == "cross" else self._hooks.self_attention
                if asked is not None:
                    stack.enter_context(patched_forward(attn, self._around_site(site, attn, asked)))
            yield

    def _call(self) -> ModelCall | None:
        return self._now

    # ------------------------------------------------------------------ the whole network

    def _around(self, inner: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """In place of the network's ``forward``: x (B, C, H, W). Calls without row roles (of other extensions) are unchanged."""
        rows: RowRoles | None = kwargs.pop(ROWS, None)
        if rows is None or self._announced is None:
            return inner(x, *args, **kwargs)
        self._check(rows, x)
        self.ran = True
        with self._running(ModelCall(rows, *self._announced, tile=self._tile)):
            if self._hooks.unet is None:
                return self._run(inner, x, *args, **kwargs)
            around = around_unet(self._unet, self._hooks.unet, self._call, self._nested)
            return around(functools.partial(self._run, inner), x, *args, **kwargs)

    def _check(self, rows: RowRoles, x: Tensor) -> None:
        assert self._announced is not None
        latent = (x.shape[-2], x.shape[-1])
        if len(rows) != len(x) or latent != self._announced[1]:
            raise RegionalError(
                f"The network runs {len(x)} rows of {latent[0]}×{latent[1]} cells where Forge announced {len(rows)} rows of "
                f"{self._announced[1][0]}×{self._announced[1][1]}: another extension calls it in pieces, which Regional cannot follow. "
                "Disable one of the two."
            )

    @contextmanager
    def _running(self, model: ModelCall) -> Iterator[None]:
        before, self._now = self._now, model
        self._grids.clear()
        try:
            yield
        finally:
            self._now = before
            self._grids.clear()

    @contextmanager
    def _nested(self, rows: Sequence[UNetRow], latent: Grid) -> Iterator[None]:
        """A method's own call of the network within the host's."""
        outer = self._now
        assert outer is not None
        roles = tuple(outer.rows[row.source] for row in rows)
        self._made = (rows, len(outer.rows))
        with self._running(replace(outer, rows=roles, latent=latent, tags=tuple(row.tag for row in rows))):
            yield

    def _run(self, inner: Callable[..., Tensor], x: Tensor, timesteps: Any, context: Tensor, **rest: Any) -> Tensor:
        """The network itself, with vectors, contexts and options of the rows of this call."""
        model = self._now
        assert model is not None
        rest = nested_arguments(rest, *self._made, x, context, self._net) if model.tags else fresh_arguments(rest)
        if self._hooks.vector is not None and rest.get("y") is not None:
            changed = self._hooks.vector(model, rest["y"])
            rest = rest if changed is None else {**rest, "y": changed}
        if self._hooks.cross_attention is not None and "transformer_options" in rest:
            cross = [site.name for site in self._sites if site.kind == "cross"]
            rest = {**rest, "transformer_options": chained(rest["transformer_options"], cross, self._ask_named)}
        if not self._joint or self._hooks.joint is None:
            return inner(x, timesteps, context=context, **rest)
        shares = self._hooks.joint(model, token_grid(model.latent))
        if shares is None:
            return inner(x, timesteps, context=context, **rest)
        with biased(self._unet, bias_of(shares, context)) if shares else nullcontext():
            return inner(x, timesteps, context=context_of(shares, context), **rest)

    # ------------------------------------------------------------------ attention

    def _around_site(self, site: Site, attn: Any, hook: AttentionHook) -> Callable[..., Tensor]:
        foreign = foreign_forward(attn) if site.kind == "cross" else None

        def around(
            inner: Callable[..., Tensor], x: Tensor, context: Tensor | None = None, value: Tensor | None = None, *args: Any, **kwargs: Any
        ) -> Tensor:
            done = None
            if self._now is not None:
                if site.kind == "cross":
                    check_values(site, context, value)
                done = self._ask(site, attn, hook, x, x if context is None else context)
            if done is not None and foreign is not None:
                raise undone(foreign)
            return inner(x, context, value, *args, **kwargs) if done is None else done

        return around

    def _ask(
        self, site: Site, attn: Any, hook: AttentionHook, x: Tensor, context: Tensor, out: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor | None:
        grid, model = self._grids.get(transformer_of(site)), self._now
        if model is None or not check_shape(site, x, grid, model):
            return None
        assert grid is not None
        return hook(attention_call(site, attn, grid, model, x, context, out))

    def _ask_named(self, name: str, x: Tensor, context: Tensor) -> Tensor | None:
        """The output of the hook at the layer ``name`` before the output projection, for `chained`."""
        site = Site(name, "cross")
        assert self._hooks.cross_attention is not None
        return self._ask(site, self._sites[site], self._hooks.cross_attention, x, context, lambda y: y)
