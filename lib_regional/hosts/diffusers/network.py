"""Hooks on a ``UNet2DConditionModel``: attention processors, its ``forward``, and the model's own lists of listeners.

Its ControlNets (``controlnets`` of the model) run within its call, on that call's rows and contexts: they are hooked with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.calls import AttentionCall, ModelCall, Site, UNetRow
from ...engine.hooks import AttentionHook, Hooks, VectorHook
from ...engine.patching import Patch, patched, patched_forward
from ...request.errors import RegionalError
from ..installing.installer import HookInstaller, Patches
from ..installing.sites import transformer_of
from ..installing.unet_call import UNetArguments, hooked_unet


class UNetInstaller(HookInstaller):
    """The hooks of one sampling run. The model announces each call of its UNet to ``call_listeners``."""

    def __init__(self, model: Any, hooks: Hooks) -> None:
        super().__init__(hooks)
        self._model = model

    def version(self) -> int:
        """Identity of the UNet's weights: the count of changes of the LoRAs that act on the whole picture."""
        return int(getattr(getattr(self._model, "loras", None), "version", 0))

    def on_network(self, network: nn.Module) -> Patches:
        """See `HookInstaller`."""
        yield network.register_forward_hook(self._has_run)
        yield _listening(self._model.call_listeners, self._announced)
        if self.hooks.denoiser is not None:
            yield _listening(self._denoiser_hooks(), self.hooks.denoiser)
        if self.hooks.unet is not None or self.hooks.vector is not None:
            yield patched_forward(network, self._around)
        for number, control in enumerate(getattr(self._model, "controlnets", ())):
            yield from self.on_controlnet(control, number)

    def on_attention(self, site: Site, layer: Any, hook: AttentionHook | None) -> Patches:
        """See `HookInstaller`."""
        if hook is not None:
            yield patched(_processor_patch(layer, self._around_site(site, hook)))

    def _denoiser_hooks(self) -> list[Any]:
        found: list[Any] | None = getattr(self._model, "denoiser_hooks", None)
        if found is None:
            method = f'The method "{self.hooks.method}"' if self.hooks.method else "This method"
            raise RegionalError(f"{method} changes guided predictions, which this host does not offer (it has no denoiser_hooks).")
        return found

    def _announced(self, call: ModelCall) -> None:
        """Begin a call; renew what depends on other weights if LoRAs on the whole picture have changed."""
        self.follow(self._model.unet, self.version())
        self.running.begin(call)

    def _has_run(self, unet: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self.running.now is not None:
            self.check()

    # ------------------------------------------------------------------ attention

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
        model = self.running.isolating if site.kind == "self" else self.running.now
        grid = None if model is None else self.running.grids.get(transformer_of(site))
        if model is None or grid is None:
            return None
        if len(model.rows) != x.shape[0]:
            raise RegionalError(f"Regional expected {len(model.rows)} rows, but the UNet runs {x.shape[0]}; the picture was stopped.")
        source = x if context is None else context
        return AttentionCall(
            site,
            grid,
            model,
            x,
            source,
            attn.heads,
            attn.scale,
            attn.to_q,
            attn.to_k,
            attn.to_v,
            functools.partial(_projected, attn.to_out),
        )

    # ------------------------------------------------------------------ the whole UNet

    def _around(self, inner: Callable[..., Any], x: Tensor, steps: Tensor | float, context: Tensor | None = None, **rest: Any) -> Any:
        """In place of the UNet's ``forward``: x (B, C, H, W)."""
        context = rest.pop("encoder_hidden_states", context)
        model, hook = self.running.now, self.hooks.unet

        def native() -> Any:
            return inner(x, steps, encoder_hidden_states=context, **rest)

        if model is None or context is None:
            return native()
        rest = rest if self.hooks.vector is None else _with_vectors(rest, model, self.hooks.vector)
        if hook is None:
            return native()

        def predict(part: _Arguments) -> Tensor:
            return _sample(inner(part.x, part.timesteps, encoder_hidden_states=part.context, **part.rest))

        given = _Arguments(x, torch.as_tensor(steps, device=x.device).expand(len(x)), context, rest)
        done = hooked_unet(hook, self.running, given, predict, lambda: _sample(native()))
        if done is None:
            return native()
        return _output(done) if rest.get("return_dict", True) else (done,)


def _projected(layers: nn.ModuleList, y: Tensor) -> Tensor:
    """An attention's output projection; a dropout at rest that nobody listens to is left out."""
    for layer in layers:
        if not isinstance(layer, nn.Dropout) or layer.training or layer._forward_hooks or layer._forward_pre_hooks:
            y = layer(y)
    return y


class _Arguments(UNetArguments):
    """SDXL's pooled texts (B, V) and sizes (B, 6) are in ``added_cond_kwargs``; `Conditioning.vector` is both in a row.

    ``control`` is the host's own for the rows of a call; its ``of_rows(sources, windows)`` gives that for others.
    """

    def rows(self, rows: Sequence[UNetRow]) -> _Arguments:
        """See `UNetArguments`; ControlNets run on these rows too, each at its place on the canvas."""
        made = super().rows(rows)
        control = made.rest.get("control")
        if control is not None:
            made.rest["control"] = control.of_rows([row.source for row in rows], [row.window for row in rows])
        return made

    def of_rows(self, key: str, value: Any, sources: list[int]) -> Any:
        """See `UNetArguments`."""
        if key == "added_cond_kwargs" and value is not None:
            return {name: super(_Arguments, self).of_rows(name, one, sources) for name, one in value.items()}
        return super().of_rows(key, value, sources)

    def set_vector(self, rest: dict[str, Any], at: int, vector: Tensor) -> None:
        """See `UNetArguments`."""
        added = rest.get("added_cond_kwargs")
        if added is not None:
            texts, sizes = added["text_embeds"], added["time_ids"]
            texts[at], sizes[at] = vector[:-6].to(texts), vector[-6:].to(sizes)


def _with_vectors(rest: dict[str, Any], call: ModelCall, hook: VectorHook) -> dict[str, Any]:
    """The arguments of a call after ``hook`` on SDXL's pooled texts and sizes; see `_Arguments`."""
    added = rest.get("added_cond_kwargs")
    if not added or "text_embeds" not in added:
        return rest
    texts, sizes = added["text_embeds"], added["time_ids"]
    changed = hook(call, torch.cat([texts, sizes], 1))
    if changed is None:
        return rest
    split = {"text_embeds": changed[:, :-6].to(texts), "time_ids": changed[:, -6:].to(sizes)}
    return {**rest, "added_cond_kwargs": {**added, **split}}


def _output(sample: Tensor) -> Any:
    """The output type of a UNet of diffusers, imported only where one runs."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

    return UNet2DConditionOutput(sample)


def _sample(output: Any) -> Tensor:
    found: Tensor = output[0]
    return found


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
