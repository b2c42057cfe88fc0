"""Forge's network under a method's hooks: network, attention and layer calls, whose row roles come with the host's own arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ....engine.calls import ModelCall, RowRoles, Site, StepInfo
from ....engine.hooks import AttentionHook, Hooks
from ....engine.patching import foreign_forward, patched_forward
from ....request.errors import RegionalError
from ....request.layout.windows import Grid, Tile
from ....tensors.lora.deltas import LayerDelta
from ...installing.installer import HookInstaller, Patches
from ...installing.sites import sites_of, transformer_of
from ...ldm.attention import check_shape, refuse_foreign_texts, undone
from ...ldm.unet import around_unet
from ...neo.blocks import block_call, cross_layers, grid_of
from ..model import apart_instead, in_host, kind_of, refuse_unserved
from ..rows import ROWS
from ..weights import applied_weights
from .arguments import fresh_arguments, nested_arguments
from .attention import attention_call, chained, check_values
from .families import JointFamily, Numbered, joint_family
from .joint import JointTexts, Shares, attending, lengths_of


class NetworkInstaller(HookInstaller):
    """The hooks of one ``p.sample`` on the engine's ``diffusion_model``, and on the ControlNets of its patcher."""

    def __init__(self, hooks: Hooks) -> None:
        super().__init__(hooks)
        self._joint = False
        self._family = JointFamily()
        self._texts = JointTexts()
        self._cross: dict[str, Any] = {}
        self._announced: tuple[StepInfo, Grid] | None = None
        self._tile: Tile | None = None
        self._net: Any = None
        self.ran = False
        """Whether the network has run rows with known roles since `reset`."""

    def on_network(self, network: nn.Module) -> Patches:
        """See `HookInstaller`."""
        refuse_unserved(self.hooks, network)
        self._joint, self._family = kind_of(network) == "joint", joint_family(network)
        self._cross = {site.name: layer for site, layer in sites_of(network) if site.kind == "cross"}
        yield patched_forward(network, self._around)
        for site, layer in cross_layers(network) if kind_of(network) == "blocks" and self.hooks.cross_attention is not None else ():
            yield patched_forward(layer, self._around_block(site, layer))

    def on_attention(self, site: Site, layer: Any, hook: AttentionHook | None) -> Patches:
        """See `HookInstaller`."""
        if site.kind == "cross" and not site.controlnet and self.hooks.unet is not None:
            refuse_foreign_texts(layer)
        if hook is not None:
            yield patched_forward(layer, self._around_site(site, layer, hook))

    def weights_of(self, layer: nn.Module, y: Tensor) -> LayerDelta:
        """See `HookInstaller`."""
        return applied_weights(layer, y)

    def reset(self) -> None:
        """Forget what was announced: a new prediction begins."""
        self.ran, self._announced, self._net = False, None, None

    def announce(self, step: StepInfo, latent: Grid, net: Any = None) -> None:
        """The host is about to call the network for a prediction of latents of this size; ``net`` is its last ControlNet."""
        self._announced, self._net = (step, latent), net

    def call_of(self, rows: RowRoles, latent: Grid) -> ModelCall | None:
        """The call of a ControlNet that runs on ``rows`` before the network; None where nothing was announced."""
        return None if self._announced is None else ModelCall(rows, self._announced[0], latent)

    def check(self, joint: bool = False) -> None:
        """See `HookInstaller`."""
        super().check(joint or self._joint)

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

    # ------------------------------------------------------------------ the whole network

    def _around(self, inner: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """In place of the network's ``forward``: x (B, C, H, W). Calls without row roles (of other extensions) are unchanged."""
        rows: RowRoles | None = kwargs.pop(ROWS, None)
        if rows is None or self._announced is None:
            return inner(x, *args, **kwargs)
        self._check(rows, x)
        self.ran = True
        with self.running.during(ModelCall(rows, *self._announced, tile=self._tile)):
            if self.hooks.unet is None:
                return self._run(inner, x, *args, **kwargs)
            assert self.network is not None
            around = around_unet(self.network, self.hooks.unet, self.running)
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

    def _run(self, inner: Callable[..., Tensor], x: Tensor, timesteps: Any, context: Tensor, **rest: Any) -> Tensor:
        """The network itself, with vectors, contexts and options of the rows of this call."""
        model, made, network = self.running.now, self.running.made, self.network
        assert model is not None and network is not None
        rest = fresh_arguments(rest) if made is None else nested_arguments(rest, *made, x, context, self._net)
        rest = self.with_vectors(model, rest)
        self.running.norms_are_wrapped = "group_norm_wrapper" in rest.get("transformer_options", {})
        if self.hooks.cross_attention is not None and "transformer_options" in rest:
            rest = {**rest, "transformer_options": chained(rest["transformer_options"], self._cross, self._ask_named)}
        if not self._joint or self.hooks.joint is None:
            return inner(x, timesteps, context=context, **rest)
        shares = self.hooks.joint(model, self._family.grid(model.latent))
        return (
            inner(x, timesteps, context=context, **rest) if shares is None else self._run_joint(inner, x, timesteps, context, shares, rest)
        )

    def _run_joint(
        self, inner: Callable[..., Tensor], x: Tensor, timesteps: Any, context: Tensor, shares: Shares, rest: dict[str, Any]
    ) -> Tensor:
        """The network with the texts of ``shares`` side by side."""
        assert self.network is not None
        attention = self._texts.attention(shares, context, self._family.references(rest))
        numbered = Numbered(self._family, lengths_of(shares, context.shape[1]))
        if attention is not None and "transformer_options" in rest:
            rest = {**rest, "transformer_options": numbered.options(rest["transformer_options"])}
        with attending(self.network, attention):
            made = inner(x, timesteps, context=self._texts.context(shares, context), **rest)
        if attention is not None and not numbered.used:
            raise RegionalError(
                f"Regional cannot number the texts of regions in this model ({type(self.network).__name__}{in_host()}), so the picture was "
                f"stopped. {apart_instead()}"
            )
        return made

    # ------------------------------------------------------------------ attention

    def _around_site(self, site: Site, attn: Any, hook: AttentionHook) -> Callable[..., Tensor]:
        foreign = foreign_forward(attn) if site.kind == "cross" and not site.controlnet else None

        def around(
            inner: Callable[..., Tensor], x: Tensor, context: Tensor | None = None, value: Tensor | None = None, *args: Any, **kwargs: Any
        ) -> Tensor:
            done = None
            if self.running.now is not None:
                if site.kind == "cross":
                    check_values(site, context, value)
                done = self._ask(site, attn, hook, x, x if context is None else context)
            if done is not None and foreign is not None:
                raise undone(foreign)
            return inner(x, context, value, *args, **kwargs) if done is None else done

        return around

    def _around_block(self, site: Site, attn: Any) -> Callable[..., Tensor]:
        """In place of the ``forward`` of a transformer's cross-attention."""
        foreign = foreign_forward(attn)

        def around(inner: Callable[..., Tensor], x: Tensor, context: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
            model, hook, done = self.running.now, self.hooks.cross_attention, None
            if model is not None and hook is not None and context is not None:
                grid = grid_of(self.network, model.latent)
                check_shape(site, x, grid, model)
                done = hook(block_call(site, attn, grid, model, x, context))
            if done is not None and foreign is not None:
                raise undone(foreign)
            return inner(x, context, *args, **kwargs) if done is None else done

        return around

    def _ask(
        self, site: Site, attn: Any, hook: AttentionHook, x: Tensor, context: Tensor, out: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor | None:
        grid, model = self.running.grids.get(transformer_of(site)), self.running.now
        if model is None or not check_shape(site, x, grid, model):
            return None
        assert grid is not None
        return hook(attention_call(site, attn, grid, model, x, context, out))

    def _ask_named(self, name: str, x: Tensor, context: Tensor) -> Tensor | None:
        """The output of the hook at the layer ``name`` before the output projection, for `chained`."""
        assert self.hooks.cross_attention is not None
        return self._ask(Site(name, "cross"), self._cross[name], self.hooks.cross_attention, x, context, lambda y: y)
