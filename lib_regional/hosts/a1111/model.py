"""The checkpoint that AUTOMATIC1111 has loaded: which one it is now, and whether its UNet can be hooked at all."""

from __future__ import annotations

import sys
from typing import Any

from ...engine.capabilities import ModelFacts
from ...request.errors import RegionalError

_CALLBACKS = ("on_cfg_denoiser", "on_cfg_denoised", "remove_callbacks_for_function")


def is_a1111(model: Any) -> bool:
    """Whether ``model`` is an AUTOMATIC1111 checkpoint, in a WebUI that can register and remove denoiser callbacks."""
    if not hasattr(getattr(model, "model", None), "diffusion_model") or hasattr(model, "forge_objects"):
        return False
    try:
        from modules import script_callbacks
    except ImportError:
        return False
    return all(hasattr(script_callbacks, name) for name in _CALLBACKS)


def loaded_model() -> Any:
    """The checkpoint that the host samples with now; refiner and hires pass change it."""
    from modules import shared

    return shared.sd_model


def identity_of(model: Any) -> tuple[Any, ...]:
    """Identity of the weights that contexts and projections depend on; cached ones are valid while it is equal.

    The host often loads another file into the same objects, so the file counts, and so do LoRAs and hypernetworks with their strengths.
    """
    from modules import shared

    checkpoint = getattr(getattr(model, "sd_checkpoint_info", None), "filename", None)
    hypernetworks = tuple(id(network) for network in getattr(shared, "loaded_hypernetworks", ()))
    return (id(model.model.diffusion_model), checkpoint, hypernetworks, _loras())


def _loras() -> tuple[tuple[Any, ...], ...]:
    """Loaded networks of the built-in Lora extension, by the keys that it compares itself; empty without it."""
    loaded = getattr(sys.modules.get("networks"), "loaded_networks", ())
    return tuple(tuple(getattr(n, key, None) for key in ("name", "te_multiplier", "unet_multiplier", "dyn_dim")) for n in loaded)


def facts_of_model(model: Any) -> ModelFacts:
    """Facts of the checkpoint: its kind, the size in its configuration, and whether it predicts noise or velocity.

    Configurations of SD2 (768²) and of editing models (``edit``) name a size that is not the one they were trained on.
    """
    velocity = getattr(model, "parameterization", "eps") == "v"
    if getattr(model, "is_sdxl", False) or getattr(model, "is_sd3", False):
        trained = 128
    elif getattr(model, "is_sd2", False):
        trained = 96 if velocity else 64
    else:
        size = getattr(model, "image_size", None)
        trained = size if isinstance(size, int) and getattr(model, "cond_stage_key", "") != "edit" else 64
    return ModelFacts(trained, "v" if velocity else "epsilon")


def refuse_replaced_unet() -> None:
    """Raise `RegionalError` if the host runs something else in place of the checkpoint's UNet."""
    try:
        from modules import sd_unet
    except ImportError:
        return
    if getattr(sd_unet, "current_unet", None) is not None:
        raise RegionalError(
            'Regional cannot work with a replaced UNet (TensorRT and the like): set "SD Unet" to None in the settings, or disable Regional.'
        )


def interrupt() -> None:
    """Let the host end sampling at its next step."""
    from modules import shared

    shared.state.interrupted = True


def has_ended() -> bool:
    """Whether the user has stopped or skipped this picture; the host ends sampling at its next step."""
    from modules import shared

    return bool(shared.state.interrupted or getattr(shared.state, "skipped", False))
