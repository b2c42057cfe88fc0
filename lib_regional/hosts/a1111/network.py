"""Hooks on the instances of an ``ldm`` or ``sgm`` UNet.

Attention optimisers replace class attributes and work under these hooks. The host calls the UNet without roles of its rows: what it
announced before is in `UNetInstaller.announced`. Errors found outside of the UNet are raised from inside it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ...engine.calls import Site
from ...engine.hooks import AttentionHook, Hooks
from ...engine.patching import foreign_forward, owner_of, patched_forward
from ...request.errors import RegionalError
from ..installing.installer import HookInstaller, Patches
from ..installing.sites import sites_of, transformer_of
from ..ldm.attention import check_shape, left_to_host, refuse_foreign_texts, run_hook, with_adapters
from ..ldm.tokens import AttributedTokens
from ..ldm.unet import around_unet
from .controlnet import controls_of
from .rows import Announced


class UNetInstaller(HookInstaller):
    """The hooks of one ``p.sample`` on its UNet, and on the ControlNets of ``p``."""

    def __init__(self, p: Any, hooks: Hooks) -> None:
        super().__init__(hooks)
        self._p = p
        self._attributes = None if hooks.token_attributes is None else AttributedTokens(hooks.token_attributes, self.running)
        self.announced: Announced | None = None
        self.fault: Exception | None = None
        self.unasked: set[str] = set()
        """Cross-attention layers that have not called their hook yet."""

    def on_network(self, network: nn.Module) -> Patches:
        """See `HookInstaller`. ControlNets run within the UNet's call, on its rows and contexts."""
        cross = {site.name for site, _ in sites_of(network) if site.kind == "cross"}
        if not cross:
            raise RegionalError(f"Regional cannot work with this model: its UNet ({type(network).__name__}) has no cross-attention layers.")
        self.unasked = cross if self.hooks.cross_attention is not None else set()
        yield network.register_forward_pre_hook(self._begin_call, with_kwargs=True)
        if self.hooks.unet is not None:
            _refuse_foreign(network)
            yield patched_forward(network, around_unet(network, self.hooks.unet, self.running))
        for number, (control, texts) in enumerate(controls_of(self._p)):
            yield from self.on_controlnet(control, number, texts)

    def on_attention(self, site: Site, layer: Any, hook: AttentionHook | None) -> Patches:
        """See `HookInstaller`."""
        if site.kind == "cross" and not site.controlnet and self.hooks.unet is not None:
            refuse_foreign_texts(layer)
        if site.kind == "self" and self._attributes is not None and not site.controlnet:
            assert self.network is not None
            ask = None if hook is None else functools.partial(self._ask, site, layer, hook)
            yield from self._attributes.patches(self.network, site, layer, ask)
        elif hook is not None:
            yield patched_forward(layer, self._around(site, layer, hook))

    def attributes_of(self, layer: str) -> Tensor | None:
        """See `HookInstaller`."""
        return None if self._attributes is None else self._attributes.at(layer)

    def _begin_call(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Forward pre-hook of the UNet: x (B, C, H, W); SDXL's pooled texts are y (B, V)."""
        if self.fault is not None:
            raise self.fault
        if self.announced is None:
            return args, kwargs
        x = args[0] if args else kwargs["x"]
        call = self.announced.take(x.shape[0], (x.shape[-2], x.shape[-1]))
        self.running.begin(call)
        return args, self.with_vectors(call, kwargs)

    def _around(self, site: Site, layer: Any, hook: AttentionHook) -> Callable[..., Tensor]:
        foreign = foreign_forward(layer)

        def around(inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            self.unasked.discard(site.name)
            done = self._ask(site, layer, hook, *args, **kwargs)
            return inner(*args, **kwargs) if done is None else with_adapters(layer, inner, foreign, done, *args, **kwargs)

        return around

    def _ask(
        self,
        site: Site,
        layer: Any,
        hook: AttentionHook,
        x: Tensor,
        context: Tensor | None = None,
        mask: Any = None,
        token_attributes: Tensor | None = None,
        **rest: Any,
    ) -> Tensor | None:
        model = self.running.isolating if site.kind == "self" else self.running.now
        grid = None if model is None else self.running.grids.get(transformer_of(site))
        if model is None or left_to_host(mask, rest) or not (token_attributes is not None or check_shape(site, x, grid, model)):
            return None
        assert grid is not None
        return run_hook(hook, site, layer, grid, model, x, context, token_attributes)


def _refuse_foreign(unet: nn.Module) -> None:
    foreign = foreign_forward(unet)
    if foreign is not None:
        raise RegionalError(
            f"Another extension ({owner_of(foreign)}; ControlNet does so) runs the UNet in its own way, and this method calls the UNet for "
            "single regions, which that extension cannot follow. Use attention_couple, or disable that extension."
        )
