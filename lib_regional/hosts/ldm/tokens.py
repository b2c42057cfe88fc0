"""Self-attention whose tokens AUTOMATIC1111 merges (tomesd) or tiles (Hypertile): what every token carries is merged and tiled with it.

Both take the block's first norm as it is and gather, average or rearrange its tokens, whatever channels they have. So the norm appends what
a method wants carried as channels (`ports.Hooks.carried`), and the attention below both takes it off again before it projects anything:
it then has, for every token that it runs, what became of it. Hooks and patches are the instances' own; blocks whose tokens stay as they
are carry nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from torch import Tensor, cat, nn

from ...engine.calls import ModelCall, Site
from ...engine.hooks import CarriedHook
from ...engine.patching import patched_forward
from ...request.layout.windows import Grid

_HYPERTILE = "__webui_hypertile_params"
"""What the host's Hypertile hangs on an attention; its attribute ``forward`` is what the wrapper calls with the tiles."""

Ask = Callable[..., Tensor | None]
"""``ask(x, context, **rest, carried)``: the method's own self-attention, None to leave it to the host."""


def moves_tokens(block: Any, attn: Any) -> bool:
    """Whether ``attn`` of the transformer's ``block`` is given other tokens than the block's."""
    return type(block).__name__ == "ToMeBlock" or bool(getattr(getattr(attn, _HYPERTILE, None), "enabled", False))


def innermost(attn: Any) -> Any:
    """The object whose ``forward`` runs below Hypertile's wrapper: its parameters, or the attention itself where it has none."""
    params = getattr(attn, _HYPERTILE, None)
    return params if callable(getattr(params, "forward", None)) else attn


class CarriedTokens:
    """What the tokens of one UNet carry, from the norm before a self-attention to its layers."""

    def __init__(self, hook: CarriedHook, now: Callable[[], ModelCall | None], grids: Mapping[str, Grid]) -> None:
        self._hook = hook
        self._now = now
        self._grids = grids
        self._width: dict[str, int] = {}
        self._here: dict[str, Tensor] = {}

    def at(self, layer: str) -> Tensor | None:
        """(B', L', n) while the self-attention that ``layer`` belongs to runs with tokens that carry anything."""
        return self._here.get(layer.partition(".attn1.")[0] + ".attn1")

    def install(self, unet: nn.Module, site: Site, transformer: str, attn: Any, ask: Ask | None, stack: ExitStack) -> None:
        """Let ``site``'s tokens carry what the hook says until ``stack`` is closed; ``ask`` is asked with it."""
        block = unet.get_submodule(site.name.rpartition(".")[0])
        stack.enter_context(patched_forward(innermost(attn), self._around(site.name, ask)))
        stack.callback(block.get_submodule("norm1").register_forward_hook(self._load(site.name, transformer, block, attn)).remove)

    def _load(self, name: str, transformer: str, block: Any, attn: Any) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:
        """A forward hook of the block's first norm: y (B, L, C) -> (B, L, C + n)."""

        def load(_: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor | None:
            self._width.pop(name, None)
            model, grid = self._now(), self._grids.get(transformer)
            if model is None or grid is None or y.shape[:2] != (len(model.rows), grid[0] * grid[1]) or not moves_tokens(block, attn):
                return None
            values = self._hook(model, grid)
            if values is None:
                return None
            self._width[name] = y.shape[-1]
            return cat([y, values.to(y)], -1)

        return load

    def _around(self, name: str, ask: Ask | None) -> Callable[..., Tensor]:
        """What lies around the attention itself, below whoever merges or tiles."""

        def around(inner: Callable[..., Tensor], x: Tensor, context: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
            width = self._width.get(name, x.shape[-1])
            carried = x[..., width:] if x.shape[-1] > width else None
            if carried is not None:
                x = x[..., :width].contiguous()
                context = context if context is None or context.shape[-1] == width else context[..., :width]
                self._here[name] = carried
            try:
                done = None if ask is None else ask(x, context, *args, **kwargs, carried=carried)
                return inner(x, context, *args, **kwargs) if done is None else done
            finally:
                self._here.pop(name, None)

        return around
