"""diffusers: attention processors on a ``UNet2DConditionModel``.

Serves the standalone host and any host whose model offers ``unet``, ``encode_schedules``, ``call_listeners`` and, for methods that
guide the whole prediction, ``denoiser_hooks``; for regions' LoRAs also ``loras``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.calls import AttentionCall, Conditioning, ContextSchedule, LayerCall, ModelCall, Site, UNetCall, UNetRow
from ...engine.capabilities import GuidanceModel, ModelFacts
from ...engine.hooks import AttentionHook, Hooks, LayerHook, UNetHook, VectorHook
from ...engine.patching import Patch, patched, patched_forward
from ...engine.unused_hooks import AskedHooks
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from ...request.prompt.lora_tags import LoraTag
from ...sources.clipseg import named_clipseg
from ...tensors.guidance.tokens import Token
from ...tensors.lora.deltas import NetworkDeltas
from ...tensors.lora.layers import own_weights, spatial_layers
from ..webui_family.progress import announce

_IN_TRANSFORMER = re.compile(r".*?\.attentions\.\d+(?=\.)")
_CONTEXT_LAYERS = (".attn2.to_k", ".attn2.to_v")
"""Layers that read the context, which has no place in the picture."""


class DiffusersHost:
    """A diffusers UNet and its text encoders behind the `Host` protocol."""

    name = "diffusers"

    def __init__(self, model: Any, p: Any = None) -> None:
        """``p.model_calls``, where given, maps steps to calls of the model: prompt schedules count calls."""
        self._model = model
        self._calls = getattr(p, "model_calls", lambda steps, hires: steps)
        self._grids: dict[str, Grid] = {}
        self.now: ModelCall | None = None
        self._renew: Callable[[], None] | None = None
        self._version = 0

    @property
    def facts(self) -> ModelFacts:
        """See `capabilities.ModelFacts`; only models that predict the noise are served."""
        return ModelFacts(int(self._model.unet.config.sample_size or 64))

    def encode(
        self,
        texts: Sequence[str],
        *,
        steps: int,
        negative: bool,
        size: tuple[int, int],
        hires_steps: int | None = None,
        loras: Sequence[LoraTag] = (),
    ) -> list[ContextSchedule]:
        """See `ports.Host.encode`."""
        calls = self._calls(hires_steps or steps, hires_steps is not None)
        with self._store().on_texts(loras) if loras else nullcontext():
            schedules = self._model.encode_schedules(list(texts), calls, negative=negative, size=size)
        return [tuple((end, Conditioning(cond.crossattn, cond.vector)) for end, cond in schedule) for schedule in schedules]

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """See `ports.Host.loras`."""
        return [self._store().unet_deltas(lora) for lora in loras]

    def _store(self) -> Any:
        store = getattr(self._model, "loras", None)
        if store is None:
            raise RegionalError("this host has no LoRAs for regions.")
        return store

    def tokens(self, text: str) -> list[Token]:
        """See `capabilities.EditingHost.tokens`."""
        return [Token(*piece) for piece in self._model.token_pieces(text)]

    def decode(self, latent: Tensor) -> Tensor:
        """See `capabilities.EditingHost.decode`."""
        pictures: Tensor = self._model.decode_latents(latent)
        return pictures

    def encode_picture(self, picture: Tensor) -> Tensor:
        """See `capabilities.EditingHost.encode_picture`."""
        latents: Tensor = self._model.encode_images(picture)
        return latents

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """See `capabilities.EditingHost.guidance_model`."""
        models: dict[str, GuidanceModel] = getattr(self._model, "guidance_models", {})
        return models.get(name) or named_clipseg(name)

    @property
    def alphas_cumprod(self) -> Tensor:
        """See `capabilities.InvertingHost`."""
        levels: Tensor = self._model.alphas_cumprod
        return levels

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """See `capabilities.InvertingHost.predict`."""
        contexts = torch.stack([one.crossattn for one in conditionings])
        noise: Tensor = self._model.predict_noise(x, x.new_full((len(x),), float(step)), contexts)
        return noise

    def announce(self, text: str, done: int, total: int) -> bool:
        """See `capabilities.InvertingHost`."""
        return announce(text, done, total)

    def grid_of(self, site: Site) -> Grid | None:
        """Token grid of ``site`` in the running call."""
        return self._grids.get(_transformer(site.name))

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Install ``hooks`` on the UNet; see `ports.Host.patched`."""
        return self._patched(hooks)

    @contextmanager
    def _patched(self, wanted: Hooks) -> Iterator[None]:
        unet, asked = self._model.unet, AskedHooks(wanted)
        hooks = asked.hooks
        with ExitStack() as stack:
            stack.callback(unet.register_forward_hook(self._check_hook(asked)).remove)
            self._renew, self._version = hooks.renew, self._weights()
            stack.enter_context(_listening(self._model.call_listeners, self._announced))
            transformers = {_transformer(name): unet.get_submodule(_transformer(name)) for name, _ in _sites(unet)}
            for name, transformer in transformers.items():
                stack.callback(transformer.register_forward_pre_hook(self._grid_hook(name), with_kwargs=True).remove)
            for name, attn in _sites(unet):
                site = Site(name, "cross" if name.endswith(".attn2") else "self")
                hook = hooks.cross_attention if site.kind == "cross" else hooks.self_attention
                if hook is not None:
                    stack.enter_context(patched(_processor_patch(attn, self._around_site(site, hook))))
            if hooks.spatial is not None:
                for name, module in spatial_layers(unet):
                    stack.callback(module.register_forward_hook(self._spatial_hook(name, hooks.spatial)).remove)
            for name, layer_hook in hooks.layers.items():
                stack.callback(unet.get_submodule(name).register_forward_hook(self._layer_hook(name, layer_hook)).remove)
            if hooks.unet is not None or hooks.vector is not None:
                stack.enter_context(patched_forward(unet, self._unet_hook(hooks.unet, hooks.vector)))
            if hooks.denoiser is not None:
                stack.enter_context(_listening(self._model.denoiser_hooks, hooks.denoiser))
            yield

    def _check_hook(self, asked: AskedHooks) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def check(unet: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if self.now is not None:
                asked.check(unet)

        return check

    def _around_site(self, site: Site, hook: AttentionHook) -> Callable[..., Tensor]:
        """Calls the hook first; where it returns None, the previous processor."""

        def around(
            inner: Callable[..., Tensor],
            attn: nn.Module,
            hidden_states: Tensor,
            encoder_hidden_states: Tensor | None = None,
            attention_mask: Tensor | None = None,
            *args: Any,
            **rest: Any,
        ) -> Tensor:
            """Processor interface of diffusers: hidden_states (B, L, C), encoder_hidden_states (B, T, D) -> (B, L, C)."""
            call = self._attention_call(site, attn, hidden_states, encoder_hidden_states) if attention_mask is None else None
            done = hook(call) if call is not None else None
            return inner(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **rest) if done is None else done

        return around

    def _attention_call(self, site: Site, attn: Any, x: Tensor, context: Tensor | None) -> AttentionCall | None:
        model, grid = self.now, self.grid_of(site)
        if model is None or grid is None:
            return None
        if len(model.rows) != x.shape[0]:
            raise RegionalError(f"Regional expected {len(model.rows)} rows, but the UNet runs {x.shape[0]}; the picture was stopped.")
        source = x if context is None else context
        return AttentionCall(
            site, grid, model, x, source, attn.heads, attn.scale, attn.to_q, attn.to_k, attn.to_v,
            lambda y: attn.to_out[1](attn.to_out[0](y)),
        )  # fmt: skip

    def _announced(self, call: ModelCall) -> None:
        """Begin a call; renew what depends on other weights if LoRAs on the whole picture have changed."""
        if self._weights() != self._version:
            self._version = self._weights()
            if self._renew is None:
                raise RegionalError("The LoRAs changed during sampling (hires pass), which this method cannot follow.")
            self._renew()
        self._begin(call)

    def _weights(self) -> int:
        return int(getattr(getattr(self._model, "loras", None), "version", 0))

    def _begin(self, call: ModelCall) -> None:
        self.now = call
        self._grids.clear()

    def _grid_hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def remember(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = args[0] if args else kwargs["hidden_states"]
            self._grids[name] = (x.shape[-2], x.shape[-1])

        return remember

    def _layer_hook(self, name: str, hook: LayerHook) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:
        within = None if name.endswith(_CONTEXT_LAYERS) else _IN_TRANSFORMER.match(name)
        transformer = name[: within.end()] if within else None

        def answer(_: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor | None:
            if self.now is None:
                return None
            grid = None if transformer is None else self._grids.get(transformer)
            return hook(LayerCall(name, grid, self.now, args[0], y))

        return answer

    def _spatial_hook(self, name: str, hook: LayerHook) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:
        def answer(module: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor | None:
            return None if self.now is None else hook(LayerCall(name, None, self.now, args[0], y, own_weights(module, y)))

        return answer

    def _unet_hook(self, hook: UNetHook | None, vector: VectorHook | None) -> Callable[..., Any]:
        def around(inner: Callable[..., Any], x: Tensor, steps: Tensor | float, context: Tensor | None = None, **rest: Any) -> Any:
            context = rest.pop("encoder_hidden_states", context)
            outer = self.now
            if outer is None or context is None:
                return inner(x, steps, encoder_hidden_states=context, **rest)
            rest = rest if vector is None else _with_vectors(rest, outer, vector)
            if hook is None:
                return inner(x, steps, encoder_hidden_states=context, **rest)
            batch = _Batch(x, torch.as_tensor(steps, device=x.device).expand(len(x)), context, rest)

            def run(rows: Sequence[UNetRow]) -> Tensor:
                part = batch.rows(rows)
                roles = tuple(outer.rows[row.source] for row in rows)
                self._begin(replace(outer, rows=roles, latent=_grid_of(part.x), tags=tuple(row.tag for row in rows)))
                try:
                    return _sample(inner(part.x, part.steps, encoder_hidden_states=part.context, **part.rest))
                finally:
                    self._begin(outer)

            def native() -> Tensor:
                return _sample(inner(x, steps, encoder_hidden_states=context, **rest))

            done = hook(UNetCall(outer, x, run, native, context.shape[1]))
            if done is None:
                return inner(x, steps, encoder_hidden_states=context, **rest)
            return _output(done) if rest.get("return_dict", True) else (done,)

        return around


def _output(sample: Tensor) -> Any:
    """The output type of a UNet of diffusers, imported only where one runs."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

    return UNet2DConditionOutput(sample)


def _grid_of(x: Tensor) -> Grid:
    return (x.shape[-2], x.shape[-1])


def _sample(output: Any) -> Tensor:
    found: Tensor = output[0]
    return found


@dataclass(frozen=True)
class _Batch:
    """The arguments of one UNet call: x (B, C, H, W), steps (B,), context (B, T, D), and what else it was given."""

    x: Tensor
    steps: Tensor
    context: Tensor
    rest: dict[str, Any]

    def rows(self, rows: Sequence[UNetRow]) -> _Batch:
        """The call of other rows: inputs that a row does not replace come from its source row."""
        sources = [row.source for row in rows]
        x = torch.stack([self.x[row.source] if row.x is None else row.x.to(self.x) for row in rows])
        given = [self.context[row.source] if row.conditioning is None else row.conditioning.crossattn.to(self.context) for row in rows]
        rest = dict(self.rest)
        added = rest.get("added_cond_kwargs")
        if added is not None:
            rest["added_cond_kwargs"] = _added({key: value[sources] for key, value in added.items()}, rows)
        return _Batch(x, self.steps[sources], torch.stack(given), rest)


def _added(added: dict[str, Tensor], rows: Sequence[UNetRow]) -> dict[str, Tensor]:
    """SDXL's pooled texts (B, V) and sizes (B, 6) with those of the rows' own texts: `Conditioning.vector` is both in a row."""
    texts, sizes = added["text_embeds"].clone(), added["time_ids"].clone()
    for at, row in enumerate(rows):
        if row.conditioning is not None and row.conditioning.vector is not None:
            texts[at], sizes[at] = row.conditioning.vector[:-6].to(texts), row.conditioning.vector[-6:].to(sizes)
    return {**added, "text_embeds": texts, "time_ids": sizes}


def _with_vectors(rest: dict[str, Any], call: ModelCall, hook: VectorHook) -> dict[str, Any]:
    """The arguments of a call after ``hook`` on SDXL's pooled texts and sizes; see `_added`."""
    added = rest.get("added_cond_kwargs")
    if not added or "text_embeds" not in added:
        return rest
    texts, sizes = added["text_embeds"], added["time_ids"]
    changed = hook(call, torch.cat([texts, sizes], 1))
    if changed is None:
        return rest
    split = {"text_embeds": changed[:, :-6].to(texts), "time_ids": changed[:, -6:].to(sizes)}
    return {**rest, "added_cond_kwargs": {**added, **split}}


def _sites(unet: nn.Module) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in unet.named_modules() if name.endswith((".attn1", ".attn2"))]


def _transformer(site: str) -> str:
    """``….attentions.0.transformer_blocks.0.attn2`` -> ``….attentions.0``"""
    return site.rsplit(".transformer_blocks.", 1)[0]


@contextmanager
def _listening(listeners: list[Any], listener: Callable[..., Any]) -> Iterator[None]:
    listeners.append(listener)
    try:
        yield
    finally:
        if listener in listeners:
            listeners.remove(listener)


class _ProcessorPlace:
    """The place of an attention's processor: diffusers' own way to set one keeps those that are modules registered as such."""

    def __init__(self, attn: Any) -> None:
        self._attn = attn

    def get(self, name: str, default: object, /) -> object:
        return getattr(self._attn, name, default)

    def __setitem__(self, name: str, value: Any, /) -> None:
        self._attn.set_processor(value)

    def __delitem__(self, name: str, /) -> None:
        delattr(self._attn, name)


def _processor_patch(attn: Any, around: Callable[..., Tensor]) -> Patch:
    """``around(processor, attn, hidden_states, …)`` in place of the processor of ``attn``."""
    patch = Patch(_ProcessorPlace(attn), "processor", around)
    vars(patch)["__call__"] = attn.processor.__call__  # diffusers passes on the keywords that this signature names
    return patch
