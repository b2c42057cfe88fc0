"""Forge's network under a method's hooks: network, attention and layer calls, whose row roles come with the host's own arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ....engine.calls import JointRows, LayerCall, ModelCall, RowRoles, Site, StepInfo, Tokens
from ....engine.hooks import AttentionHook, Hooks, LayerHook
from ....engine.patching import foreign_forward, patched_forward
from ....request.errors import RegionalError
from ....request.layout.windows import Grid, Tile
from ....tensors.lora.deltas import LayerDelta
from ...installing.installer import HookInstaller, LayerAnswer, Patches
from ...installing.sites import sites_of, transformer_of
from ...ldm.attention import check_shape, refuse_foreign_texts, undone
from ...ldm.unet import around_unet
from ...neo.blocks import CrossBlocks
from ...neo.self_attention import SelfBlocks
from ..model import in_host, kind_of, refuse_unserved
from ..rows import ROWS
from ..weights import applied_weights
from .arguments import fresh_arguments, nested_arguments
from .attention import attention_call, chained, check_values
from .families import family_of
from .families.family import JointFamily, LayerInput, input_of
from .joint import Arranged, JointTexts, attending
from .stream import may_be_ordered


class NetworkInstaller(HookInstaller):
    """The hooks of one ``p.sample`` on the engine's ``diffusion_model``, and on the ControlNets of its patcher."""

    def __init__(self, hooks: Hooks) -> None:
        super().__init__(hooks)
        self._family: JointFamily | None = None
        self._texts: JointTexts | None = None
        self._arranged: Arranged | None = None
        self._blocks: CrossBlocks | None = None
        self._cross: dict[str, Any] = {}
        self._announced: tuple[StepInfo, Grid] | None = None
        self._tile: Tile | None = None
        self._net: Any = None
        self.ran = False
        """Whether the network has run rows with known roles since `reset`."""

    def on_network(self, network: nn.Module) -> Patches:
        """See `HookInstaller`."""
        refuse_unserved(self.hooks, network)
        self._family = family_of(network)
        self._texts = None if self._family is None else JointTexts(self._family)
        self._blocks = CrossBlocks(network) if kind_of(network) == "blocks" else None
        self._refuse_unreached(network)
        self._cross = {site.name: layer for site, layer in sites_of(network) if site.kind == "cross"}
        yield patched_forward(network, self._around)
        if self._blocks is not None and self.hooks.cross_attention is not None:
            for site, layer in self._blocks.layers:
                yield patched_forward(layer, self._around_block(self._blocks, site, layer))
        if self._blocks is not None and self.hooks.projected_self_attention is not None:
            yield from SelfBlocks(network, self._blocks, self.hooks.projected_self_attention, self.running).patches()

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
        return None if self._announced is None else ModelCall(rows, self._announced[0], latent, tile=self._tile)

    def check(self, joint: bool = False) -> None:
        """See `HookInstaller`."""
        super().check(joint or self._family is not None)

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
        context = kwargs.get("context")
        if isinstance(context, Tensor) and context.dim() == 4:
            inner, kwargs = _with_axis(inner), {**kwargs, "context": context.flatten(1, 2)}
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
        family = self._family
        shares = None if family is None or self.hooks.joint is None else self.hooks.joint(model, family.grid(model.latent))
        if family is None or (shares is None and not self.hooks.layers):
            return inner(x, timesteps, context=context, **rest)
        return self._run_joint(inner, x, timesteps, context, shares, rest)

    def _run_joint(
        self, inner: Callable[..., Tensor], x: Tensor, timesteps: Any, context: Tensor, shares: JointRows | None, rest: dict[str, Any]
    ) -> Tensor:
        """The network with the texts of ``shares`` side by side, or with the host's own where these are None."""
        network, family, texts = self.network, self._family, self._texts
        assert network is not None and family is not None and texts is not None
        latent = (x.shape[-2], x.shape[-1])
        before, self._arranged = self._arranged, texts.arranged(shares, context, family.grid(latent), family.behind(latent, rest))
        try:
            if shares is None:
                return inner(x, timesteps, context=context, **rest)
            device = x.device if not self.hooks.layers and may_be_ordered(rest) else None  # LoRAs look for their texts' tokens
            with attending(network, family, self._arranged, device):
                return inner(x, timesteps, context=texts.context(shares, context), **rest)
        finally:
            self._arranged = before

    # ------------------------------------------------------------------ layers of transformers

    def _input_of(self, name: str) -> LayerInput | None:
        """What a layer of a transformer runs on; None in a UNet."""
        if self._family is not None:
            return input_of(self._family.layers, name)
        return None if self._blocks is None else self._blocks.input_of(name)

    def _refuse_unreached(self, network: nn.Module) -> None:
        missing = [name for name in self.hooks.layers if self._input_of(name) == "unreached"]
        if missing:
            raise RegionalError(
                f"Regional cannot use a LoRA in a region that changes the layer {missing[0]} of {type(network).__name__}{in_host()}: "
                "what it runs on has no place in the picture. Leave that LoRA out of the regions."
            )

    def _layer_hook(self, name: str, transformer: str | None, hook: LayerHook) -> LayerAnswer:
        part = self._input_of(name)
        if part is None:
            return super()._layer_hook(name, transformer, hook)
        running = self.running

        def answer(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], y: Tensor) -> Tensor | None:
            now = running.now
            if now is None:
                return None
            x = args[0] if args else next(iter(kwargs.values()))
            grid, tokens = self._place_of(part, now)
            if part != "rows":
                x, flat = x.reshape(len(now.rows), -1, x.shape[-1]), y.reshape(len(now.rows), -1, y.shape[-1])
            done = hook(LayerCall(name, grid, now, x, y if part == "rows" else flat, tokens=tokens))
            return None if done is None else done.view(y.shape)

        return answer

    def _place_of(self, part: LayerInput, model: ModelCall) -> tuple[Grid | None, Tokens | None]:
        if self._arranged is not None:
            return None, self._arranged.tokens[part]
        return self._blocks.grid(model.latent) if self._blocks is not None and part == "cells" else None, None

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

    def _around_block(self, blocks: CrossBlocks, site: Site, attn: Any) -> Callable[..., Tensor]:
        """In place of the ``forward`` of a transformer's cross-attention."""
        foreign = foreign_forward(attn)

        def around(inner: Callable[..., Tensor], x: Tensor, context: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
            model, hook, done = self.running.now, self.hooks.cross_attention, None
            if model is not None and hook is not None and context is not None:
                grid = blocks.grid(model.latent)
                check_shape(site, x, grid, model)
                done = hook(blocks.call(site, attn, grid, model, x, context))
            if done is not None and foreign is not None:
                raise undone(foreign)
            return inner(x, context, *args, **kwargs) if done is None else done

        return around

    def _ask(
        self, site: Site, attn: Any, hook: AttentionHook, x: Tensor, context: Tensor, out: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor | None:
        model = self.running.isolating if site.kind == "self" else self.running.now
        grid = None if model is None else self.running.grids.get(transformer_of(site))
        if model is None or not check_shape(site, x, grid, model):
            return None
        assert grid is not None
        return hook(attention_call(site, attn, grid, model, x, context, out))

    def _ask_named(self, name: str, x: Tensor, context: Tensor) -> Tensor | None:
        """The output of the hook at the layer ``name`` before the output projection, for `chained`."""
        assert self.hooks.cross_attention is not None
        return self._ask(Site(name, "cross"), self._cross[name], self.hooks.cross_attention, x, context, lambda y: y)


def _with_axis(inner: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A network whose contexts (B, 1, T, D) have one axis more (Krea 2), for contexts (B, T, D)."""
    return lambda x, timesteps, context, **rest: inner(x, timesteps, context=context[:, None], **rest)
