"""AUTOMATIC1111: hooks on the instances of an ``ldm`` or ``sgm`` UNet, roles from the denoiser's callback.

Attention optimisers replace class attributes and work under these hooks; whatever is hooked here is hooked per instance and
taken back when sampling ends. The host swallows what a callback raises, so faults found there are raised from inside the UNet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ...engine.calls import Conditioning, ModelCall, Site, UNetRow
from ...engine.capabilities import ModelFacts
from ...engine.hooks import AttentionHook, Hooks
from ...engine.patching import foreign_forward, owner_of, patched_forward
from ...engine.unused_hooks import AskedHooks
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from ...request.prompt.lora_tags import LoraTag
from ...tensors.guidance.tokens import Token
from ...tensors.lora.deltas import NetworkDeltas
from ..ldm.sites import check_shape, grid_hook, left_to_host, refuse_foreign_texts, run_hook, sites_of, transformer_of, with_adapters
from ..ldm.tokens import AttributedTokens
from ..ldm.unet import around_unet, hook_spatial, layer_hook, layer_of, transformer_around
from ..webui_family.host import WebUIHost
from . import loras as a1111_loras
from . import pictures as a1111_pictures
from .controlnet import controls_of
from .denoiser import around_denoiser
from .model import facts_of_model, has_ended, identity_of, interrupt, loaded_model, refuse_replaced_unet
from .rows import Announced, read_rows, read_step

_NOT_RUN = (
    "The UNet that makes this picture is not the one of the loaded checkpoint (another extension runs its own): "
    "the regions had no effect, so the picture was dropped."
)
_REPLACED = (
    "Another extension put its own cross-attention in place of Regional's: the regions had no effect, so the picture was dropped. "
    "Disable one of the two."
)
_NOT_BEGUN = "This WebUI does not announce its passes (AUTOMATIC1111 does since 1.9), which this method needs: choose another one."


class A1111Host(WebUIHost):
    """A loaded checkpoint of ``ldm`` or ``sgm``, and the processing object ``p`` whose sampling is hooked (None: any)."""

    name = "a1111"

    @property
    def facts(self) -> ModelFacts:
        """See `capabilities.facts_of`."""
        return facts_of_model(self._model)

    def _on_texts(self, loras: Sequence[LoraTag]) -> AbstractContextManager[None]:
        return a1111_loras.on_texts(loras)

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """See `ports.Host.loras`."""
        return [a1111_loras.unet_deltas(loaded_model(), lora) for lora in loras]

    def tokens(self, text: str) -> list[Token]:
        """See `capabilities.EditingHost.tokens`."""
        return a1111_pictures.tokens_of(loaded_model(), text)

    def decode(self, latent: Tensor) -> Tensor:
        """See `capabilities.EditingHost.decode`."""
        return a1111_pictures.decode(loaded_model(), latent)

    def encode_picture(self, picture: Tensor) -> Tensor:
        """See `capabilities.EditingHost.encode_picture`."""
        return a1111_pictures.encode_picture(loaded_model(), picture)

    @property
    def alphas_cumprod(self) -> Tensor:
        """See `capabilities.InvertingHost`."""
        levels: Tensor = loaded_model().alphas_cumprod
        return levels

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """See `capabilities.InvertingHost.predict`."""
        return a1111_pictures.predict(loaded_model(), x, step, conditionings)

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Hook the UNet until exit; see `ports.Host.patched`. Raises `RegionalError` where the UNet cannot be hooked."""
        sampling = _Sampling(self._p, hooks)
        return self._sampled(sampling, _installed_on(self._model, sampling))

    def begin_pass(self, p: Any, noise: Tensor | None = None) -> None:
        """The sampler of the next pass (first or hires) of ``p`` is made and about to run. Raises nothing: faults show in the pass."""
        if self._sampling is not None:
            self._sampling.begin_pass(p.sampler.model_wrap_cfg, noise)


class _Sampling:
    """The installed hooks of one ``p.sample``."""

    def __init__(self, p: Any, hooks: Hooks) -> None:
        self._p = p
        self._asked = AskedHooks(hooks)
        self._hooks = hooks = self._asked.hooks
        self._grids: dict[str, Grid] = {}
        self._unasked: set[str] = set()
        self._attributes = None if hooks.token_attributes is None else AttributedTokens(hooks.token_attributes, self._call, self._grids)
        self._unet: nn.Module | None = None
        self._identity: tuple[Any, ...] = ()
        self._installed = ExitStack()
        self._pass = ExitStack()
        self._denoiser: Any = None
        self._announced: Announced | None = None
        self._fault: Exception | None = None
        self._now: ModelCall | None = None

    def begin(self, model: Any) -> None:
        """Hook ``model``'s UNet."""
        refuse_replaced_unet()
        self._identity = identity_of(model)
        self._hook(model.model.diffusion_model)

    def end(self) -> None:
        """Undo every patch."""
        self._pass.pop_all().close()
        self._installed.pop_all().close()
        self._announced = self._now = self._unet = self._denoiser = None

    def begin_pass(self, denoiser: Any, noise: Tensor | None) -> None:
        """Hook the pass' own ``CFGDenoiser``, in place of the one of the pass before."""
        self._pass.pop_all().close()
        self._denoiser = denoiser
        if self._hooks.denoiser is not None:
            around = around_denoiser(denoiser, self._hooks.denoiser, self._ended, noise)
            self._pass.enter_context(patched_forward(denoiser, around))

    def _ended(self) -> bool:
        return self._fault is not None or has_ended()

    def raise_fault(self) -> None:
        """Raise the error of a callback, which the host would only have logged."""
        self._check_run()
        if self._fault is not None:
            raise self._fault

    def on_cfg_denoiser(self, params: Any) -> None:
        """The host is about to call the UNet."""
        self._now = None
        try:
            self._check_run()
            self._announced = None
            if self._p is None or params.denoiser.p is self._p:
                self._follow()
                if self._hooks.denoiser is not None and params.denoiser is not self._denoiser:
                    raise RegionalError(_NOT_BEGUN)
                latent = (params.x.shape[-2], params.x.shape[-1])
                self._announced = Announced(read_rows(params), read_step(params), latent)
        except Exception as error:  # the host would log it and go on without the regions
            self._fail(error)

    def on_cfg_denoised(self, params: Any) -> None:
        """The UNet has run: calls that follow are not announced."""
        self._check_run()
        if self._announced is not None and self._unasked:
            self._fail(RegionalError(_REPLACED))
        elif self._announced is not None and self._announced.taken:
            try:
                self._asked.check(self._unet)
            except RegionalError as error:  # the host would log it and go on without the regions
                self._fail(error)
        self._announced = self._now = None

    def _check_run(self) -> None:
        if self._announced is not None and not self._announced.taken:
            self._fail(RegionalError(_NOT_RUN))

    def _fail(self, error: Exception) -> None:
        """Keep the first error for the UNet's next call or the end of sampling to raise, and interrupt."""
        self._fault = self._fault or error
        interrupt()

    def _follow(self) -> None:
        """Hook the UNet that runs now, and renew what depends on the old weights, if a refiner or the hires pass changed them."""
        model = loaded_model()
        refuse_replaced_unet()
        identity = identity_of(model)
        if identity == self._identity:
            return
        self._identity = identity
        self._hook(model.model.diffusion_model)
        if self._hooks.renew is None:
            raise RegionalError(
                "The weights changed during sampling (refiner, hires checkpoint or LoRAs), which this method cannot follow."
            )
        self._hooks.renew()

    def _hook(self, unet: nn.Module) -> None:
        if unet is self._unet:
            return
        self._installed.pop_all().close()
        self._unet = unet
        with ExitStack() as stack:
            stack.callback(unet.register_forward_pre_hook(self._begin_call, with_kwargs=True).remove)
            self._hook_sites(unet, stack)
            self._installed = stack.pop_all()

    def _hook_sites(self, unet: nn.Module, stack: ExitStack) -> None:
        sites = sites_of(unet)
        if not any(site.kind == "cross" for site, _ in sites):
            raise RegionalError(f"Regional cannot work with this model: its UNet ({type(unet).__name__}) has no cross-attention layers.")
        transformers = self._hook_grids(unet, sites, "", stack)
        self._hook_layers(unet, transformers, stack)
        self._unasked = {site.name for site, _ in sites if site.kind == "cross" and self._hooks.cross_attention is not None}
        for site, attn in sites:
            if site.kind == "cross" and self._hooks.unet is not None:
                refuse_foreign_texts(attn)
            hook = self._hooks.cross_attention if site.kind == "cross" else self._hooks.self_attention
            if site.kind == "self" and self._attributes is not None:
                ask = None if hook is None else functools.partial(self._ask, site, attn, hook)
                self._attributes.install(unet, site, transformer_of(site), attn, ask, stack)
            elif hook is not None:
                stack.enter_context(patched_forward(attn, self._around(site, attn, hook)))
        if self._hooks.cross_attention is not None:
            self._hook_controls(self._hooks.cross_attention, stack)

    def _hook_grids(self, network: nn.Module, sites: Sequence[tuple[Site, Any]], prefix: str, stack: ExitStack) -> list[str]:
        """Record the grid of every transformer with one of ``sites``; returns their names."""
        transformers = list(dict.fromkeys(transformer_of(site) for site, _ in sites))
        for name in transformers:
            module = network.get_submodule(name.removeprefix(prefix))
            stack.callback(module.register_forward_pre_hook(grid_hook(self._grids, name), with_kwargs=True).remove)
        return transformers

    def _hook_controls(self, hook: AttentionHook, stack: ExitStack) -> None:
        """Hook the cross-attention of ControlNets as well: they run within the UNet's call, on its rows and contexts."""
        for n, network in enumerate(controls_of(self._p)):
            prefix = f"controlnet.{n}."
            sites = [(site, attn) for site, attn in sites_of(network, prefix) if site.kind == "cross"]
            self._hook_grids(network, sites, prefix, stack)
            for site, attn in sites:
                stack.enter_context(patched_forward(attn, self._around(site, attn, hook)))

    def _hook_layers(self, unet: nn.Module, transformers: Sequence[str], stack: ExitStack) -> None:
        if self._hooks.spatial is not None:
            hook_spatial(unet, self._hooks.spatial, self._call, stack)
        for name, hook in self._hooks.layers.items():
            around = transformer_around(name, transformers)
            grid = functools.partial(self._grids.get, around or "")
            token_attributes = {} if self._attributes is None else {"token_attributes": self._attributes.at}
            forward_hook = layer_hook(name, hook, self._call, grid, **token_attributes)
            handle = layer_of(unet, name).register_forward_hook(forward_hook, with_kwargs=True)
            stack.callback(handle.remove)
        if self._hooks.unet is not None:
            _refuse_foreign(unet)
            stack.enter_context(patched_forward(unet, around_unet(unet, self._hooks.unet, self._call, self._nested)))

    def _call(self) -> ModelCall | None:
        return self._now

    @contextmanager
    def _nested(self, rows: Sequence[UNetRow], latent: Grid) -> Iterator[None]:
        """A method's own call of the UNet within the announced one."""
        outer, grids = self._now, dict(self._grids)
        assert outer is not None
        roles, tags = tuple(outer.rows[row.source] for row in rows), tuple(row.tag for row in rows)
        self._now = replace(outer, rows=roles, latent=latent, tags=tags)
        try:
            yield
        finally:
            self._now = outer
            self._grids.update(grids)

    def _begin_call(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Forward pre-hook of the UNet: x (B, C, H, W); SDXL's pooled texts are y (B, V)."""
        if self._fault is not None:
            raise self._fault
        if self._announced is None:
            return None
        x = args[0] if args else kwargs["x"]
        self._grids.clear()
        self._now = self._announced.take(x.shape[0], (x.shape[-2], x.shape[-1]))
        pooled = kwargs.get("y")
        vectors = self._hooks.vector(self._now, pooled) if self._hooks.vector is not None and pooled is not None else None
        return None if vectors is None else (args, {**kwargs, "y": vectors})

    def _around(self, site: Site, attn: Any, hook: AttentionHook) -> Callable[..., Tensor]:
        foreign = foreign_forward(attn)

        def around(inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            self._unasked.discard(site.name)
            done = self._ask(site, attn, hook, *args, **kwargs)
            return inner(*args, **kwargs) if done is None else with_adapters(attn, inner, foreign, done, *args, **kwargs)

        return around

    def _ask(
        self,
        site: Site,
        attn: Any,
        hook: AttentionHook,
        x: Tensor,
        context: Tensor | None = None,
        mask: Any = None,
        token_attributes: Tensor | None = None,
        **rest: Any,
    ) -> Tensor | None:
        model, grid = self._now, self._grids.get(transformer_of(site))
        if model is None or left_to_host(mask, rest) or not (token_attributes is not None or check_shape(site, x, grid, model)):
            return None
        assert grid is not None
        return run_hook(hook, site, attn, grid, model, x, context, token_attributes)


def _refuse_foreign(unet: nn.Module) -> None:
    foreign = foreign_forward(unet)
    if foreign is not None:
        raise RegionalError(
            f"Another extension ({owner_of(foreign)}; ControlNet does so) runs the UNet in its own way, and this method calls the UNet for "
            "single regions, which that extension cannot follow. Use attention_couple, or disable that extension."
        )


@contextmanager
def _installed_on(model: Any, sampling: _Sampling) -> Iterator[None]:
    from modules import script_callbacks

    with ExitStack() as stack:
        stack.callback(sampling.end)
        sampling.begin(model)
        for register, listener in (
            (script_callbacks.on_cfg_denoiser, sampling.on_cfg_denoiser),
            (script_callbacks.on_cfg_denoised, sampling.on_cfg_denoised),
        ):
            stack.callback(script_callbacks.remove_callbacks_for_function, listener)
            register(listener)
        yield
        sampling.raise_fault()
