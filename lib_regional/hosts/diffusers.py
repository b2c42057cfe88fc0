"""diffusers: attention processors on a ``UNet2DConditionModel``.

Serves the standalone host and any host whose model offers ``unet``, ``encode_schedules`` and ``call_listeners``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ..core.errors import RegionalError
from ..ports import AttentionCall, AttentionHook, ContextSchedule, Grid, Hooks, ModelCall, Site


class RegionalProcessor:
    """Asks the hook first and leaves to the processor that was there what the hook does not want."""

    def __init__(self, host: DiffusersHost, site: Site, hook: AttentionHook, before: Callable[..., Tensor]) -> None:
        self._host = host
        self._site = site
        self._hook = hook
        self._before = before

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **rest: Any,
    ) -> Tensor:
        """Processor interface of diffusers: hidden_states (B, L, C), encoder_hidden_states (B, T, D) -> (B, L, C)."""
        call = self._call(attn, hidden_states, encoder_hidden_states) if attention_mask is None else None
        done = self._hook(call) if call is not None else None
        if done is not None:
            return done
        return self._before(attn, hidden_states, encoder_hidden_states, attention_mask, temb, **rest)

    def _call(self, attn: Any, x: Tensor, context: Tensor | None) -> AttentionCall | None:
        model, grid = self._host.now, self._host.grid_of(self._site)
        if model is None or grid is None:
            return None
        if len(model.rows) != x.shape[0]:
            raise RegionalError(f"Regional was told of {len(model.rows)} rows, but the UNet runs {x.shape[0]}; the picture was stopped.")
        told = x if context is None else context
        return AttentionCall(
            self._site, grid, model, x, told, attn.heads, attn.scale, attn.to_q, attn.to_k, attn.to_v,
            lambda y: attn.to_out[1](attn.to_out[0](y)),
        )  # fmt: skip


class DiffusersHost:
    """A diffusers UNet and its text encoders behind the `Host` protocol."""

    name = "diffusers"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._grids: dict[str, Grid] = {}
        self.now: ModelCall | None = None

    def encode(
        self, texts: Sequence[str], *, steps: int, negative: bool, size: tuple[int, int], hires_steps: int | None = None
    ) -> list[ContextSchedule]:
        """See `ports.Host.encode`."""
        schedules = self._model.encode_schedules(list(texts), hires_steps or steps, negative=negative, size=size)
        return [tuple((end, cond.crossattn) for end, cond in schedule) for schedule in schedules]

    def grid_of(self, site: Site) -> Grid | None:
        """Token grid that ``site`` sees in the running call."""
        return self._grids.get(_transformer(site.name))

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Install ``hooks`` on the UNet; see `ports.Host.patched`."""
        return self._patched(hooks)

    @contextmanager
    def _patched(self, hooks: Hooks) -> Iterator[None]:
        unet = self._model.unet
        with ExitStack() as stack:
            stack.enter_context(_listening(self._model.call_listeners, self._begin))
            transformers = {_transformer(name): unet.get_submodule(_transformer(name)) for name, _ in _sites(unet)}
            for name, transformer in transformers.items():
                stack.callback(transformer.register_forward_pre_hook(self._grid_hook(name), with_kwargs=True).remove)
            for name, attn in _sites(unet):
                site = Site(name, "cross" if name.endswith(".attn2") else "self")
                hook = hooks.cross_attention if site.kind == "cross" else hooks.self_attention
                if hook is not None:
                    stack.enter_context(_processor(attn, RegionalProcessor(self, site, hook, attn.processor)))
            yield

    def _begin(self, call: ModelCall) -> None:
        self.now = call
        self._grids.clear()

    def _grid_hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def remember(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = args[0] if args else kwargs["hidden_states"]
            self._grids[name] = (x.shape[-2], x.shape[-1])

        return remember


def _sites(unet: nn.Module) -> list[tuple[str, Any]]:
    return [(name, module) for name, module in unet.named_modules() if name.endswith((".attn1", ".attn2"))]


def _transformer(site: str) -> str:
    """``….attentions.0.transformer_blocks.0.attn2`` -> ``….attentions.0``"""
    return site.rsplit(".transformer_blocks.", 1)[0]


@contextmanager
def _listening(listeners: list[Callable[[ModelCall], None]], listener: Callable[[ModelCall], None]) -> Iterator[None]:
    listeners.append(listener)
    try:
        yield
    finally:
        listeners.remove(listener)


@contextmanager
def _processor(attn: Any, ours: RegionalProcessor) -> Iterator[None]:
    before = attn.processor
    attn.processor = ours
    try:
        yield
    finally:
        attn.processor = before
