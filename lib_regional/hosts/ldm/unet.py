"""The whole UNet of ``ldm`` and ``sgm`` as a `UNetCall`, and its single layers as `LayerCall`s."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.calls import LayerCall, ModelCall, UNetCall, UNetRow
from ...engine.hooks import LayerHook, UNetHook
from ...request.errors import RegionalError
from ...request.layout.windows import Grid
from ...tensors.lora.deltas import LayerDelta
from ...tensors.lora.layers import own_weights, spatial_layers

_CONTEXT_LAYERS = (".attn2.to_k", ".attn2.to_v")
"""Layers whose input is the context: their tokens have no position in the picture."""

Nested = Callable[[Sequence[UNetRow], Grid], Any]
"""``nested(rows, latent)``: context manager within which the calls of attention and layers have these rows."""


@dataclass(frozen=True)
class UNetArguments:
    """One call: x (B, C, H, W), timesteps (B,), context (B, T, D), y (B, V) of SDXL, and the host's other arguments."""

    x: Tensor
    timesteps: Tensor
    context: Tensor
    y: Tensor | None
    rest: dict[str, Any]

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of the host's own call."""
        return {"context": self.context, **({} if self.y is None else {"y": self.y}), **self.rest}

    def rows(self, rows: Sequence[UNetRow]) -> UNetArguments:
        """The call of other rows: inputs that a row does not replace come from its source row. Raises `RegionalError` for mixed sizes."""
        sources = [row.source for row in rows]
        x = [self.x[row.source] if row.x is None else row.x.to(self.x) for row in rows]
        contexts = [self.context[row.source] if row.conditioning is None else row.conditioning.crossattn.to(self.context) for row in rows]
        for what, shapes in (("latent", {t.shape for t in x}), ("context", {t.shape for t in contexts})):
            if len(shapes) > 1:
                raise RegionalError(f"Rows of one UNet call must share one {what} size, got {sorted(map(tuple, shapes))}.")
        rest = {key: self._of_rows(value, sources) for key, value in self.rest.items()}
        return UNetArguments(torch.stack(x), self.timesteps[sources], torch.stack(contexts), self._vectors(rows), rest)

    def _vectors(self, rows: Sequence[UNetRow]) -> Tensor | None:
        if self.y is None:
            return None
        y = self.y[[row.source for row in rows]]
        for at, row in enumerate(rows):
            if row.conditioning is not None and row.conditioning.vector is not None:
                y[at] = row.conditioning.vector.to(y)
        return y

    def _of_rows(self, value: Any, sources: list[int]) -> Any:
        return value[sources] if isinstance(value, Tensor) and value.ndim and len(value) == len(self.x) else value


def around_unet(unet: nn.Module, hook: UNetHook, now: Callable[[], ModelCall | None], nested: Nested) -> Callable[..., Tensor]:
    """Wrapper for ``unet.forward`` (`patching.patched_forward`); ``now`` is the announced call, None for calls of others."""

    def around(
        inner: Callable[..., Tensor], x: Tensor, timesteps: Any = None, context: Tensor | None = None, *args: Any, **kwargs: Any
    ) -> Tensor:
        model = now()
        if model is None or context is None or args:
            return inner(x, timesteps, context, *args, **kwargs)
        rest = dict(kwargs)
        call = UNetArguments(x, timesteps, context, rest.pop("y", None), rest)

        def run(rows: Sequence[UNetRow]) -> Tensor:
            part = call.rows(rows)
            latent = (part.x.shape[-2], part.x.shape[-1])
            with nested(rows, latent), _token_merging_size(unet, latent):
                return inner(part.x, part.timesteps, **part.keywords())

        def native() -> Tensor:
            return inner(x, timesteps, **call.keywords())

        done = hook(UNetCall(model, x, run, native, context.shape[1]))
        return native() if done is None else done

    return around


@contextmanager
def _token_merging_size(unet: nn.Module, latent: Grid) -> Iterator[None]:
    """Set the latent size that token merging stored at the host's call to the one of a nested call, until exit."""
    info = getattr(unet, "_tome_info", None)
    if not isinstance(info, dict) or "size" not in info:
        yield
        return
    before = info["size"]
    info["size"] = latent
    try:
        yield
    finally:
        info["size"] = before


def layer_of(unet: nn.Module, name: str) -> nn.Module:
    """The module ``name``. Raises `RegionalError` where this UNet has none."""
    try:
        return unet.get_submodule(name)
    except AttributeError:
        raise RegionalError(f"This model's UNet has no layer {name}: the method was made for another kind of model.") from None


def transformer_around(name: str, transformers: Sequence[str]) -> str | None:
    """The spatial transformer that contains the layer ``name``; None for layers whose tokens have no position."""
    if name.endswith(_CONTEXT_LAYERS):
        return None
    return next((found for found in transformers if name.startswith(found + ".")), None)


def layer_hook(
    name: str,
    hook: LayerHook,
    now: Callable[[], ModelCall | None],
    grid: Callable[[], Grid | None],
    token_attributes: Callable[[str], Tensor | None] = lambda _: None,
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Tensor], Tensor | None]:
    """A forward hook (with keyword arguments) for the layer ``name``; ``token_attributes(name)`` (B', L', n) or None."""

    def answer(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], y: Tensor) -> Tensor | None:
        model = now()
        if model is None:
            return None
        x = args[0] if args else next(iter(kwargs.values()))
        return hook(LayerCall(name, grid() if x.ndim == 3 else None, model, x, y, token_attributes=token_attributes(name)))

    return answer


def hook_spatial(
    unet: nn.Module,
    hook: LayerHook,
    now: Callable[[], ModelCall | None],
    stack: ExitStack,
    weights: Callable[[nn.Module, Tensor], LayerDelta] = own_weights,
) -> None:
    """Install ``hook`` behind every layer that mixes cells (norms, convolutions) until ``stack`` is closed; see `Hooks.spatial`.

    ``weights(module, y)`` are the weights that a layer with the output ``y`` has just used.
    """

    def forward_hook(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:
        def answer(module: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor | None:
            model = now()
            return None if model is None or not args else hook(LayerCall(name, None, model, args[0], y, weights(module, y)))

        return answer

    for name, module in spatial_layers(unet):
        stack.callback(module.register_forward_hook(forward_hook(name)).remove)
