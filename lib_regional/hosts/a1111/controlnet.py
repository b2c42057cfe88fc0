"""The networks of the ControlNet extension under AUTOMATIC1111.

A ControlNet is a copy of the UNet's encoder: within one call of the UNet it is called with that call's rows and contexts. Regional
cross-attention has to be applied in both, and what is isolated in one has to be in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from ..installing.sites import sites_of


class Control(NamedTuple):
    """A unit's network; ``texts``: its context is the prompt, and not another one (InstantID's faces)."""

    network: nn.Module
    texts: bool


def controls_of(p: Any) -> list[Control]:
    """Every network with attention that ControlNet has ready for ``p`` (None: unknown), once each; adapters have none."""
    found = [control for params in _params(p) if (control := _control(params)) is not None]
    return list({id(control.network): control for control in found}.values())


def _params(p: Any) -> Iterator[Any]:
    """The parameters in the extension's script for each of its units from ``process`` to the end of the generation."""
    for script in getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ():
        yield from getattr(getattr(script, "latest_network", None), "control_params", None) or ()


def _control(params: Any) -> Control | None:
    network = getattr(getattr(params, "control_model", None), "control_model", None)
    if not isinstance(network, nn.Module) or not sites_of(network):
        return None
    return Control(network, getattr(params, "control_context_override", None) is None)
