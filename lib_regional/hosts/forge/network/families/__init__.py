"""Families of networks in which text and picture share one attention: one file each, and one row here."""

from __future__ import annotations

from torch import nn

from .ernie import ernie
from .family import JointFamily
from .flux import flux
from .krea import krea
from .lumina import lumina
from .qwen import qwen

FAMILIES = (flux, lumina, qwen, krea, ernie)
"""Each gives the `JointFamily` of a network of its kind, by what the network has, and None for others."""


def family_of(network: nn.Module) -> JointFamily | None:
    """The family of ``network``, None for networks without joint attention that Regional knows."""
    return next((found for family in FAMILIES if (found := family(network)) is not None), None)
