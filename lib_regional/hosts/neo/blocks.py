"""Networks of transformer blocks with cross-attention layers of their own (Anima): found by what their layers have.

The tokens are patches of the latent, row by row, on one grid in all blocks; the context is the text encoder's output as it is. So attention
couple works as on a UNet. Queries and keys are normed for each head; positions act on self-attention alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ...engine.calls import AttentionCall, ModelCall, Site
from ...request.layout.windows import Grid

_PARTS = ("q_proj", "k_proj", "v_proj", "q_norm", "k_norm", "output_proj", "n_heads", "head_dim")
_END = ".cross_attn"


def cross_layers(network: nn.Module) -> list[tuple[Site, Any]]:
    """The cross-attention layers of the blocks of ``network``; empty for networks of other kinds."""
    named = ((name, layer) for name, layer in network.named_modules() if name.endswith(_END))
    return [(Site(name, "cross"), layer) for name, layer in named if all(hasattr(layer, part) for part in _PARTS)]


def grid_of(network: Any, latent: Grid) -> Grid:
    """Tokens of a latent, the last patches padded."""
    side = int(getattr(network, "patch_spatial", 1))
    return (-(-latent[0] // side), -(-latent[1] // side))


def block_call(site: Site, attn: Any, grid: Grid, model: ModelCall, x: Tensor, context: Tensor) -> AttentionCall:
    """``attn`` at work on x (B, L, C) and context (B, T, D)."""
    projections = (_heads(attn, attn.q_proj, attn.q_norm), _heads(attn, attn.k_proj, attn.k_norm), _values(attn))
    return AttentionCall(site, grid, model, x, context, attn.n_heads, float(attn.head_dim) ** -0.5, *projections, _out(attn))


def _heads(attn: Any, project: nn.Module, norm: nn.Module | None) -> Callable[[Tensor], Tensor]:
    def projected(tokens: Tensor) -> Tensor:
        made: Tensor = project(tokens)
        if norm is None:
            return made
        normed: Tensor = norm(made.unflatten(-1, (attn.n_heads, attn.head_dim)))
        return normed.flatten(-2)

    return projected


def _values(attn: Any) -> Callable[[Tensor], Tensor]:
    return _heads(attn, attn.v_proj, getattr(attn, "v_norm", None))


def _out(attn: Any) -> Callable[[Tensor], Tensor]:
    def projected(tokens: Tensor) -> Tensor:
        made: Tensor = attn.output_proj(tokens)
        return made

    return projected
