"""`Hooks` on a network: where each slot is installed, in which order, all of them or none, and what is undone when."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Literal, get_args

from torch import Tensor, nn

from ...engine.calls import Fed, LayerCall, ModelCall, Site, SpatialCall
from ...engine.hooks import AttentionHook, Hooks, LayerHook, SpatialHook
from ...engine.patching import patched_forward
from ...engine.unused_hooks import AskedHooks
from ...request.errors import RegionalError
from ...tensors.lora.deltas import LayerDelta
from ...tensors.lora.layers import kernel_of, kind_of, own_weights, pads_zeros, spatial_layers
from .residual import fed_convolutions
from .running import Running
from .sites import layer_of, sites_of, transformer_around, transformer_of

Patches = Iterable[AbstractContextManager[Any]]
"""Each is in force from its entry to its exit; one is made when those before it are in force."""

LayerAnswer = Callable[[nn.Module, tuple[Any, ...], dict[str, Any], "Tensor"], "Tensor | None"]
"""A forward hook with keywords."""

Scope = Literal["network", "pass", "call", "isolation"]
"""How long patches last: while a network samples, for a sampling pass, for one guided prediction, for the steps that isolate."""


class HookInstaller:
    """Installs one set of `Hooks` on one network at a time. An adapter overrides what differs on its networks: the ``on_…`` methods.

    ``running`` is the call in progress; every hook is left out while there is none.
    """

    def __init__(self, hooks: Hooks) -> None:
        self._asked = AskedHooks(hooks)
        self.hooks = self._asked.hooks
        self.running = Running(self.hooks.isolates, self._isolate)
        self.network: nn.Module | None = None
        """The network that is hooked."""
        self._identity: Hashable = None
        self._isolated = False
        self._isolated_controlnets: list[nn.Module] = []
        self._scopes: dict[Scope, ExitStack] = {name: ExitStack() for name in get_args(Scope)}

    # ------------------------------------------------------------------ what an adapter supplies

    def on_network(self, network: nn.Module) -> Patches:
        """`Hooks.unet` and `Hooks.vector`, the announcement of calls, and networks beside this one. Raises where hooks cannot be served."""
        raise NotImplementedError

    def on_attention(self, site: Site, layer: Any, hook: AttentionHook | None) -> Patches:
        """The slot of one attention layer; ``hook`` is None where the slot is unset."""
        raise NotImplementedError

    def weights_of(self, layer: nn.Module, y: Tensor) -> LayerDelta:
        """Weight and bias that ``layer`` has just used for its output ``y``."""
        return own_weights(layer, y)

    def attributes_of(self, layer: str) -> Tensor | None:
        """Attributes (B', L', n) of the tokens that ``layer`` runs on, where the host merged or tiled them."""
        return None

    # ------------------------------------------------------------------ what all of them share

    def install(self, network: nn.Module, identity: Hashable = None) -> None:
        """Hook ``network`` in place of the one before, unless it is hooked; ``identity`` is that of its weights."""
        self._identity = identity
        if network is not self.network:
            self._asked.again()
            self._isolate(False)
            self.replace("network", self._patches_of(network))

    def follow(self, network: nn.Module, identity: Hashable) -> bool:
        """Hook the network that samples now, and renew what depends on its weights, if they changed; returns whether they did.

        Raises `RegionalError` for hooks that cannot be renewed.
        """
        if identity == self._identity:
            return False
        self.install(network, identity)
        if self.hooks.renew is None:
            raise RegionalError(
                "The weights changed during sampling (refiner, hires checkpoint or LoRAs), which this method cannot follow."
            )
        self.hooks.renew()
        return True

    def replace(self, scope: Scope, patches: Patches = ()) -> None:
        """Undo what is installed in ``scope``, and install ``patches`` there: all of them, or none where one raises."""
        self._scopes[scope].close()
        with ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            self._scopes[scope] = stack.pop_all()

    def close(self) -> None:
        """Undo every patch, the shortest-lived ones first. Idempotent."""
        self.running.begin(None)
        with ExitStack() as stack:
            for scope in self._scopes.values():
                stack.callback(scope.close)

    def check(self, joint: bool = False) -> None:
        """Raise `RegionalError` where the network's first prediction did not call a hook; see `AskedHooks.check`."""
        self._asked.check(self.network, joint)

    def with_vectors(self, call: ModelCall, arguments: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of a network after `Hooks.vector` on its pooled texts y (B, V), where it has them."""
        pooled = arguments.get("y")
        changed = self.hooks.vector(call, pooled) if self.hooks.vector is not None and pooled is not None else None
        return arguments if changed is None else {**arguments, "y": changed}

    def on_controlnet(self, network: nn.Module, number: int, texts: bool = True) -> Patches:
        """A ControlNet that runs beside the network: its attention layers, and in steps that isolate its norms and convolutions too.

        ``texts``: its cross-attention reads the prompts.
        """
        prefix = f"controlnet.{number}."
        if self._asked.given.spatial is not None:
            yield network.register_forward_pre_hook(lambda *_: self._isolate_controlnet(network, prefix))
        yield from self._on_attentions(network, self._asked.given, prefix, ("cross", "self") if texts else ("self",))

    def _on_attentions(self, network: nn.Module, hooks: Hooks, prefix: str = "", kinds: Container[str] = ("cross", "self")) -> Patches:
        """Attention layers and the grids around them; ``prefix`` comes before their names."""
        slots = {"cross": hooks.cross_attention, "self": hooks.self_attention}
        sites = [(site, layer) for site, layer in sites_of(network, prefix) if site.kind in kinds]
        if prefix:
            sites = [(site, layer) for site, layer in sites if slots[site.kind] is not None]
        for name in _transformers(sites):
            module = network.get_submodule(name.removeprefix(prefix))
            yield module.register_forward_pre_hook(self.running.grid_hook(name), with_kwargs=True)
        for site, layer in sites:
            yield from self.on_attention(site, layer, slots[site.kind])

    def _patches_of(self, network: nn.Module) -> Patches:
        """Attention comes last: tokens get their attributes behind the layers before it."""
        yield self._hooking(network)
        yield from self.on_network(network)
        if self.hooks.isolates is None:
            yield from self._on_spatial(network, self.hooks)
        transformers = _transformers(sites_of(network))
        for name, hook in self.hooks.layers.items():
            around = transformer_around(name, transformers)
            yield layer_of(network, name).register_forward_hook(self._layer_hook(name, around, hook), with_kwargs=True)
        yield from self._on_attentions(network, self.hooks)

    def _isolate(self, isolates: bool) -> None:
        """Norms and convolutions are hooked in steps that isolate alone: a hook that leaves a call to the network costs the host time."""
        if isolates == self._isolated or (isolates and self.network is None):
            return
        self._isolated = isolates
        self.replace("isolation", self._on_spatial(self.network, self.hooks) if isolates and self.network is not None else ())

    def _isolate_controlnet(self, network: nn.Module, prefix: str) -> None:
        """The same for a ControlNet that is about to run; its layers stay hooked as long as the network's."""
        if self.running.isolating is None or network in self._isolated_controlnets:
            return
        with ExitStack() as stack:
            for patch in self._on_spatial(network, self._asked.given, prefix):
                stack.enter_context(patch)
            self._isolated_controlnets.append(network)
            stack.callback(self._isolated_controlnets.remove, network)
            self._scopes["isolation"].enter_context(stack.pop_all())

    def _on_spatial(self, network: nn.Module, hooks: Hooks, prefix: str = "") -> Patches:
        if hooks.spatial is not None:
            fed = fed_convolutions(network, () if prefix else hooks.layers)
            for name, layer in spatial_layers(network):
                behind = fed.get(name)
                behind = behind and replace(behind, name=prefix + behind.name)
                yield patched_forward(layer, self._around_spatial(prefix + name, layer, hooks.spatial, behind))

    @contextmanager
    def _hooking(self, network: nn.Module) -> Iterator[None]:
        self.network = network
        try:
            yield
        finally:
            self.network = None

    def _around_spatial(self, name: str, layer: nn.Module, hook: SpatialHook, fed: Fed | None) -> Callable[..., Tensor]:
        kind, kernel, zeros = kind_of(layer), kernel_of(layer), pads_zeros(layer)
        assert kind is not None
        weights = functools.partial(self.weights_of, layer)

        def around(inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            now = self.running.isolating
            done = None
            if now is not None and len(args) == 1 and not kwargs:
                feeds = None if self.running.norms_are_wrapped else fed
                done = hook(SpatialCall(name, now, args[0], kind, kernel, inner, weights, zeros, feeds))
            return inner(*args, **kwargs) if done is None else done

        return around

    def _layer_hook(self, name: str, transformer: str | None, hook: LayerHook) -> LayerAnswer:
        running = self.running

        def answer(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], y: Tensor) -> Tensor | None:
            if running.now is None:
                return None
            x = args[0] if args else next(iter(kwargs.values()))
            grid = running.grids.get(transformer) if transformer is not None and x.ndim == 3 else None
            return hook(LayerCall(name, grid, running.now, x, y, token_attributes=self.attributes_of(name)))

        return answer


def _transformers(sites: Iterable[tuple[Site, Any]]) -> list[str]:
    return list(dict.fromkeys(transformer_of(site) for site, _ in sites))
