"""The declaration of a method for settings, panel, axes, cost and docs: one row per method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..fields import Field
from .scene import Scene


@dataclass(frozen=True)
class MethodSpec:
    """One method.

    ``prepare`` is ``module:function`` below ``lib_regional.methods``, loaded when a generation needs it: settings are read without torch.
    ``work`` gives the UNet's GFLOP of one sampling step; ``edges`` names the options that are shares of the steps at which it changes.
    ``serves`` names the region fields that only some methods support. ``edits``: it changes a picture, where others make one.
    ``scored``: its regions act through cross-attention, by which they can be scored. ``finds``: a region's mask may be found while it
    samples (`words.shape`).
    """

    name: str
    label: str
    prepare: str
    work: Callable[[Scene], float]
    options: Mapping[str, Field] = field(default_factory=dict)
    serves: frozenset[str] = frozenset()
    edges: tuple[str, ...] = ()
    edits: bool = False
    scored: bool = False
    finds: bool = False
