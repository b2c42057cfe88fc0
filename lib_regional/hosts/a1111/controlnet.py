"""The networks of the ControlNet extension under AUTOMATIC1111.

A ControlNet is a copy of the UNet's encoder with cross-attention of its own: within one call of the UNet it is called with that call's rows
and contexts. Regional cross-attention has to be applied in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from ..installing.sites import sites_of


def controls_of(p: Any) -> list[nn.Module]:
    """Every network with cross-attention to the prompt that ControlNet has ready for ``p`` (None: unknown), once each."""
    found = [network for params in _params(p) if (network := _network(params)) is not None]
    return list({id(network): network for network in found}.values())


def _params(p: Any) -> Iterator[Any]:
    """The parameters in the extension's script for each of its units from ``process`` to the end of the generation."""
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ():
        yield from getattr(getattr(script, "latest_network", None), "control_params", None) or ()


def _network(params: Any) -> nn.Module | None:
    """The unit's network; None for adapters, which read no text, and for those with another context (InstantID's faces)."""
    network = getattr(getattr(params, "control_model", None), "control_model", None)
    if not isinstance(network, nn.Module) or getattr(params, "control_context_override", None) is not None:
        return None
    return network if any(site.kind == "cross" for site, _ in sites_of(network)) else None
