"""Networks of transformer blocks with cross-attention layers of their own (Anima, Wan): found by what their layers have.

The tokens are patches of the latent, row by row, on one grid in all blocks, of one frame. So attention couple works as on a UNet. Positions
act on self-attention alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ...engine.calls import AttentionCall, ModelCall, Site
from ...request.layout.windows import Grid
from ..forge.network.families.family import LayerInput, input_of

_END = ".cross_attn"


@dataclass(frozen=True)
class CrossFamily:
    """Names in a family: ``projections`` of queries, keys and values and ``norms`` of the first two in a layer, its output projection
    ``out``, its ``heads`` and their ``width``, and the ``side`` of a patch in the network.

    ``layers``: patterns of module names, of which the first that fits says what a layer runs on. ``each_head``: norms act on each head,
    else on all channels. ``embedding``: the module of the network through which contexts go before the blocks; empty where these read the
    text encoder's output as it is. ``without``: what layers of another family have besides.
    """

    projections: tuple[str, str, str]
    norms: tuple[str, str]
    out: str
    heads: str
    width: str
    side: str
    layers: tuple[tuple[str, LayerInput], ...]
    each_head: bool
    embedding: str = ""
    without: tuple[str, ...] = ()

    def has(self, layer: nn.Module) -> bool:
        """Whether a cross-attention ``layer`` is of this family."""
        parts = (*self.projections, *self.norms, self.out, self.heads, self.width)
        return all(hasattr(layer, part) for part in parts) and not any(hasattr(layer, part) for part in self.without)


_ANIMA: tuple[tuple[str, LayerInput], ...] = (
    ("blocks.*.adaln_modulation*", "rows"),
    ("blocks.*", "cells"),
    ("x_embedder*", "cells"),
    ("final_layer.linear", "cells"),
    ("final_layer.*", "rows"),
    ("t_embedder*", "rows"),
)
_WAN: tuple[tuple[str, LayerInput], ...] = (
    ("blocks.*", "cells"),
    ("head.head", "cells"),
    ("time_*", "rows"),
)
FAMILIES = (
    CrossFamily(  # Anima
        ("q_proj", "k_proj", "v_proj"), ("q_norm", "k_norm"), "output_proj", "n_heads", "head_dim", "patch_spatial", _ANIMA, True
    ),
    CrossFamily(  # Wan; its layers for pictures beside the prompt have keys of their own for these
        ("q", "k", "v"), ("norm_q", "norm_k"), "o", "num_heads", "head_dim", "patch_size", _WAN, False, "text_embedding", ("k_img",)
    ),
)  # fmt: skip


def cross_layers(network: nn.Module) -> list[tuple[Site, Any]]:
    """The cross-attention layers of the blocks of ``network``; empty for networks of other kinds."""
    named = [(name, layer) for name, layer in network.named_modules() if name.endswith(_END)]
    known = all(any(family.has(layer) for family in FAMILIES) for _, layer in named)
    return [(Site(name, "cross"), layer) for name, layer in named] if known else []


class CrossBlocks:
    """The layers of one network, and its grid."""

    def __init__(self, network: nn.Module) -> None:
        self.layers = cross_layers(network)
        self._network: Any = network
        self._family = next((family for family in FAMILIES for _, layer in self.layers[:1] if family.has(layer)), FAMILIES[0])

    def grid(self, latent: Grid) -> Grid:
        """Tokens of a latent, the last patches padded."""
        found = getattr(self._network, self._family.side, 1)
        side = int(found[-1] if isinstance(found, tuple | list) else found)
        return (-(-latent[0] // side), -(-latent[1] // side))

    def call(self, site: Site, attn: Any, grid: Grid, model: ModelCall, x: Tensor, context: Tensor) -> AttentionCall:
        """``attn`` at work on x (B, L, C) and context (B, T, D)."""
        family = self._family
        heads, width = int(getattr(attn, family.heads)), int(getattr(attn, family.width))
        shape = (heads, width) if family.each_head else None
        to_q, to_k, to_v = (getattr(attn, name) for name in family.projections)
        norm_q, norm_k = (_norm(getattr(attn, name), shape) for name in family.norms)
        embed = getattr(self._network, family.embedding) if family.embedding else None
        return AttentionCall(
            *(site, grid, model, x, context, heads, width**-0.5),
            *(lambda tokens: norm_q(to_q(tokens)), to_k, to_v, getattr(attn, family.out)),
            embed=embed,
            norm_k=norm_k,
            names=family.projections[1:],
        )

    def input_of(self, name: str) -> LayerInput:
        """What the layer ``name`` runs on."""
        return input_of(self._family.layers, name)


def _norm(norm: nn.Module, heads: tuple[int, int] | None) -> Callable[[Tensor], Tensor]:
    """Of projected tokens (B, L, C)."""

    def normed(tokens: Tensor) -> Tensor:
        made: Tensor = norm(tokens if heads is None else tokens.unflatten(-1, heads))
        return made if heads is None else made.flatten(-2)

    return normed
