"""The choice of the adapter for a generation: by capability, never by version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..engine.capabilities import facts_of
from ..engine.ports import Host
from ..request.cost import TRAINED
from ..request.errors import RegionalError
from .a1111.model import is_a1111
from .forge.model import is_forge


def is_diffusers(model: Any) -> bool:
    """Whether ``model`` offers a diffusers UNet with the attributes that its adapter needs."""
    return all(hasattr(model, name) for name in ("unet", "encode_schedules", "call_listeners"))


@dataclass(frozen=True)
class Adapter:
    """A host in the registry. Its module may import packages that other hosts lack, so it is loaded for a model that ``fits`` it alone."""

    fits: Callable[[Any], bool]
    module: str
    """Name of the module in this folder."""
    kind: str
    """Name of the `Host` class in it."""

    def load(self) -> Callable[[Any, Any], Host]:
        """Import the adapter. Raises `RegionalError` naming the package where one that it needs is missing."""
        try:
            found: Callable[[Any, Any], Host] = getattr(import_module(f".{self.module}", __package__), self.kind)
        except ModuleNotFoundError as error:
            raise RegionalError(f"Regional cannot work with this model: the Python package {error.name} is missing.") from error
        return found


_ADAPTERS = (
    Adapter(is_diffusers, "diffusers.adapter", "DiffusersHost"),
    Adapter(is_forge, "forge.adapter", "ForgeHost"),
    Adapter(is_a1111, "a1111.adapter", "A1111Host"),
)


def find_host(model: Any, p: Any = None) -> Host:
    """The adapter for the loaded ``model`` that samples for ``p``. Raises `RegionalError` for a model that none of them can serve."""
    for adapter in _ADAPTERS:
        if adapter.fits(model):
            return adapter.load()(model, p)
    raise RegionalError(f"Regional cannot work with this model ({type(model).__name__}): it offers no UNet that Regional knows.")


def trained_side() -> int:
    """Side in cells of the latents that the loaded model was trained on; that of SD1 while none is loaded. Loads nothing."""
    try:
        return facts_of(find_host(loaded())).trained
    except RegionalError:
        return TRAINED


def loaded() -> Any:
    """The checkpoint in memory, None while there is none. Loads nothing: hosts whose ``shared.sd_model`` would load one keep it apart."""
    try:
        from modules.sd_models import model_data
    except ImportError:
        from modules import shared

        return getattr(shared, "sd_model", None)
    return model_data.sd_model
