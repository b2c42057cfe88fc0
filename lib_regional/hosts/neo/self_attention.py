"""Self-attention of transformer blocks with cross-attention of their own (Anima, Wan), in steps in which regions are made by themselves.

Queries and keys have their positions when the layer hands them to the attention function of its Python module: that name is set while the
layer runs, and restored in every case.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from ...engine.calls import AttentionCall, ModelCall, Site
from ...engine.hooks import AttentionHook
from ...engine.patching import Patch, patched, patched_forward
from ...request.layout.windows import Grid
from ..installing.running import Running
from .blocks import CrossBlocks

_END = ".self_attn"
_NAME = "attention_function"


def self_layers(network: nn.Module, blocks: CrossBlocks) -> list[tuple[Site, nn.Module]]:
    """The self-attention layers beside the cross-attention of the blocks; empty where a block has none, or one that calls no attention
    function of its Python module."""
    names = [site.name.rpartition(".")[0] + _END for site, _ in blocks.layers]
    modules = dict(network.named_modules())
    found = [(Site(name, "self"), modules[name]) for name in names if name in modules]
    reached = all(hasattr(_module_of(layer), _NAME) for _, layer in found)
    return found if reached and len(found) == len(names) else []


def reaches_self_attention(network: nn.Module) -> bool:
    """Whether all blocks of ``network`` have self-attention that `SelfBlocks` reaches."""
    return bool(self_layers(network, CrossBlocks(network)))


def _module_of(layer: nn.Module) -> Any:
    """The Python module whose attention function ``layer`` calls."""
    return sys.modules[type(layer).__module__]


class SelfBlocks:
    """``hook`` in place of the attention of the self-attention layers of one network, in calls that isolate."""

    def __init__(self, network: nn.Module, blocks: CrossBlocks, hook: AttentionHook, running: Running) -> None:
        self._layers = self_layers(network, blocks)
        self._blocks, self._hook, self._running = blocks, hook, running

    def patches(self) -> Iterator[AbstractContextManager[Any]]:
        """One of each layer's ``forward``."""
        for site, layer in self._layers:
            yield patched_forward(layer, self._around(site, vars(_module_of(layer))))

    def _around(self, site: Site, names: dict[str, Any]) -> Callable[..., Tensor]:
        def around(inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            model = self._running.isolating
            if model is None:
                return inner(*args, **kwargs)
            with patched(Patch(names, _NAME, self._attention(site, model))):
                return inner(*args, **kwargs)

        return around

    def _attention(self, site: Site, model: ModelCall) -> Callable[..., Tensor]:
        """In place of the host's attention function: q, k, v (B, heads, L, d), or (B, L, heads · d) without ``skip_reshape`` ->
        (B, L, heads · d); (B, heads, L, d) if ``skip_output_reshape`` is asked for."""
        grid = self._blocks.grid(model.latent)

        def attention(inner: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            heads = int(args[0] if args else kwargs["heads"])
            masked = kwargs.get("mask") is not None or any(isinstance(extra, Tensor) for extra in args)
            flat_q, flat_k, flat_v = (z.transpose(1, 2).flatten(2) if z.dim() == 4 else z for z in (q, k, v))
            if masked or flat_q.shape[:2] != (len(model.rows), grid[0] * grid[1]):
                return inner(q, k, v, *args, **kwargs)
            done = self._hook(projected(site, grid, model, flat_q, flat_k, flat_v, heads))
            if done is None:
                return inner(q, k, v, *args, **kwargs)
            return done.unflatten(2, (heads, -1)).transpose(1, 2) if kwargs.get("skip_output_reshape") else done

        return attention


def projected(site: Site, grid: Grid, model: ModelCall, q: Tensor, k: Tensor, v: Tensor, heads: int) -> AttentionCall:
    """A self-attention layer at work behind its projections: q, k, v (B, L, C) are what they gave, ``out`` is before the output's."""
    return AttentionCall(
        *(site, grid, model, q, k, heads, (q.shape[-1] // heads) ** -0.5),
        to_q=lambda tokens: tokens,
        to_k=lambda tokens: tokens,
        to_v=lambda _: v,
        out=lambda answer: answer,
    )
