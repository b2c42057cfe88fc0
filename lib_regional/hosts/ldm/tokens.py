"""Self-attention whose tokens AUTOMATIC1111 merges (tomesd) or tiles (Hypertile): per-token attributes are merged and tiled with them.

Both take the block's first norm as it is and gather, average or rearrange its tokens, whatever channels they have. So a hook on the norm
appends the attributes (`Hooks.token_attributes`) as channels, and the attention's own forward, below both, removes them before any
projection: it then has the merged or tiled attributes of every token. Only instances are patched; blocks whose tokens are neither merged
nor tiled get no attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, cat, nn

from ...engine.calls import Site
from ...engine.hooks import TokenAttributesHook
from ...engine.patching import patched_forward
from ..installing.installer import Patches
from ..installing.running import Running
from ..installing.sites import transformer_of

_HYPERTILE = "__webui_hypertile_params"
"""The attribute that the host's Hypertile sets on an attention; its ``forward`` is what the wrapper calls with the tiles."""

Ask = Callable[..., Tensor | None]
"""``ask(x, context, **rest, token_attributes)``: the method's self-attention, None to leave it to the host."""


def moves_tokens(block: Any, attn: Any) -> bool:
    """Whether ``attn`` of the transformer's ``block`` runs on merged or tiled tokens."""
    return type(block).__name__ == "ToMeBlock" or bool(getattr(getattr(attn, _HYPERTILE, None), "enabled", False))


def innermost(attn: Any) -> Any:
    """The object whose ``forward`` runs below Hypertile's wrapper: its parameters, or the attention itself where it has none."""
    params = getattr(attn, _HYPERTILE, None)
    return params if callable(getattr(params, "forward", None)) else attn


class AttributedTokens:
    """Per-token attributes in one UNet, from the norm before a self-attention to its layers."""

    def __init__(self, hook: TokenAttributesHook, running: Running) -> None:
        self._hook = hook
        self._running = running
        self._width: dict[str, int] = {}
        self._here: dict[str, Tensor] = {}

    def at(self, layer: str) -> Tensor | None:
        """Attributes (B', L', n) while the self-attention of ``layer`` runs on merged or tiled tokens, else None."""
        return self._here.get(layer.partition(".attn1.")[0] + ".attn1")

    def patches(self, unet: nn.Module, site: Site, attn: Any, ask: Ask | None) -> Patches:
        """The hook's attributes on ``site``'s tokens; ``ask`` is called with them."""
        block = unet.get_submodule(site.name.rpartition(".")[0])
        yield patched_forward(innermost(attn), self._around(site.name, ask))
        yield block.get_submodule("norm1").register_forward_hook(self._load(site, block, attn))

    def _load(self, site: Site, block: Any, attn: Any) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor | None]:
        """A forward hook of the block's first norm: y (B, L, C) -> (B, L, C + n)."""
        name, transformer, running = site.name, transformer_of(site), self._running

        def load(_: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor | None:
            self._width.pop(name, None)
            model, grid = running.now, running.grids.get(transformer)
            if model is None or grid is None or y.shape[:2] != (len(model.rows), grid[0] * grid[1]) or not moves_tokens(block, attn):
                return None
            values = self._hook(model, grid)
            if values is None:
                return None
            self._width[name] = y.shape[-1]
            return cat([y, values.to(y)], -1)

        return load

    def _around(self, name: str, ask: Ask | None) -> Callable[..., Tensor]:
        """Wrapper around the attention's forward, below merging and tiling."""

        def around(inner: Callable[..., Tensor], x: Tensor, context: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
            width = self._width.get(name, x.shape[-1])
            token_attributes = x[..., width:] if x.shape[-1] > width else None
            if token_attributes is not None:
                x = x[..., :width].contiguous()
                context = context if context is None or context.shape[-1] == width else context[..., :width]
                self._here[name] = token_attributes
            try:
                done = None if ask is None else ask(x, context, *args, **kwargs, token_attributes=token_attributes)
                return inner(x, context, *args, **kwargs) if done is None else done
            finally:
                self._here.pop(name, None)

        return around
