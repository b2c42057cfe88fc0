"""Where a network's attention layers are, by module name: the same in ``ldm``, ``sgm`` and diffusers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ...engine.calls import Site
from ...engine.references import CrossLayer
from ...request.errors import RegionalError

_CONTEXT_LAYERS = (".attn2.to_k", ".attn2.to_v")
"""Layers whose input is the context: their tokens have no position in the picture."""


def sites_of(network: nn.Module, prefix: str = "") -> list[tuple[Site, Any]]:
    """Attention layers by name, not by class: others replace the classes. ``prefix`` comes before the names of a ControlNet's."""
    named = [(name, module) for name, module in network.named_modules() if name.endswith((".attn1", ".attn2"))]
    return [
        (Site(prefix + name, "cross" if name.endswith(".attn2") else "self", bool(prefix)), module)
        for name, module in named
        if hasattr(module, "to_q")
    ]


_PARTS = (("input_blocks.", "down_blocks."), ("output_blocks.", "up_blocks."), ("middle_block.", "mid_block."))
"""Beginnings of names in ``ldm`` and diffusers, in the order in which IP-Adapters number the layers."""


def cross_layers(network: nn.Module) -> list[CrossLayer]:
    """See `capabilities.LayeredHost`; networks of other parts than a UNet's have none."""
    found = [(site.name, layer) for site, layer in sites_of(network) if site.kind == "cross"]
    ordered = [(name, layer.to_k) for part in _PARTS for name, layer in found if name.startswith(part)]
    return [CrossLayer(name, int(keys.out_features), int(keys.in_features)) for name, keys in ordered]


def transformer_of(site: Site) -> str:
    """``input_blocks.1.1.transformer_blocks.0.attn2`` -> ``input_blocks.1.1``, whose input has the picture's rows and columns."""
    return site.name.rsplit(".transformer_blocks.", 1)[0]


def transformer_around(name: str, transformers: Sequence[str]) -> str | None:
    """The spatial transformer that contains the layer ``name``; None for layers whose tokens have no position."""
    if name.endswith(_CONTEXT_LAYERS):
        return None
    return next((found for found in transformers if name.startswith(found + ".")), None)


def layer_of(network: nn.Module, name: str) -> nn.Module:
    """The module ``name``. Raises `RegionalError` where this network has none."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        raise RegionalError(f"This model's UNet has no layer {name}: the method was made for another kind of model.") from None
