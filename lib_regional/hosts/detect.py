"""Which adapter serves a generation: asked by capability, never by version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.cost import TRAINED
from ..core.errors import RegionalError
from ..ports import Host, facts_of
from .a1111 import A1111Host
from .a1111_model import is_a1111
from .diffusers import DiffusersHost
from .forge import ForgeHost
from .forge_model import is_forge


def _is_diffusers(model: Any) -> bool:
    return all(hasattr(model, name) for name in ("unet", "encode_schedules", "call_listeners"))


_ADAPTERS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Any], Host]], ...] = (
    (_is_diffusers, DiffusersHost),
    (is_forge, ForgeHost),
    (is_a1111, A1111Host),
)


def find_host(model: Any, p: Any = None) -> Host:
    """The adapter for the loaded ``model`` that samples for ``p``. Raises `RegionalError` for a model that none of them can serve."""
    for fits, adapter in _ADAPTERS:
        if fits(model):
            return adapter(model, p)
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
