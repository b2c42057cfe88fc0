"""The checkpoint that Forge has loaded: whether it is one, which one it is now, and its diffusion model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.capabilities import ModelFacts
from ...engine.hooks import Hooks
from ...request.errors import RegionalError
from ...tensors.latents.noise import Prediction
from ..neo.blocks import cross_layers
from ..neo.self_attention import reaches_self_attention
from .network.families import family_of


def is_forge(model: Any) -> bool:
    """Whether ``model`` is a Forge engine: one that keeps its parts in ``forge_objects``."""
    return hasattr(getattr(getattr(model, "forge_objects", None), "unet", None), "model_options")


def diffusion_model_of(model: Any) -> nn.Module:
    """The network itself. Clones of the ``UnetPatcher`` share it, and memory management moves its weights, not the module."""
    found: nn.Module = model.forge_objects.unet.model.diffusion_model
    return found


def identity_of(model: Any) -> tuple[Any, ...]:
    """Identity of the weights behind contexts and projections: cached ones are valid while it is equal. Forge keeps a hash of its LoRAs."""
    checkpoint = getattr(getattr(model, "sd_checkpoint_info", None), "filename", None)
    return (id(diffusion_model_of(model)), checkpoint, getattr(model, "current_lora_hash", None))


_TRAINED = {"is_sdxl": 128, "is_sd3": 128, "is_sd2": 96, "is_sd1": 64}


def facts_of_model(model: Any) -> ModelFacts:
    """Facts of the engine and its predictor; an engine of unknown kind is one of the newer ones (Flux), trained on 1024² pixels."""
    trained = next((size for kind, size in _TRAINED.items() if getattr(model, kind, False)), 128)
    network = model.forge_objects.unet.model
    kind = kind_of(network.diffusion_model)
    behind = kind == "blocks" and reaches_self_attention(network.diffusion_model)
    return ModelFacts(trained, _prediction(network), kind != "joint", kind == "cross", behind)


_PREDICTIONS: Mapping[str, Prediction] = {"v_prediction": "v", "V_PREDICTION": "v", "const": "flow", "CONST": "flow"}


def _prediction(network: Any) -> Prediction:
    """Forge names it in its predictor; reForge and Forge Classic in the classes that their ``model_sampling`` is made of."""
    found = getattr(getattr(network, "predictor", None), "prediction_type", "")
    names = (found, *(kind.__name__ for kind in type(getattr(network, "model_sampling", None)).__mro__))
    return next((_PREDICTIONS[name] for name in names if name in _PREDICTIONS), "epsilon")


def training_levels(model: Any) -> Tensor:
    """ᾱ of every training step (N,): Forge keeps its sigmas in the predictor, reForge and Forge Classic in ``model_sampling``."""
    network = model.forge_objects.unet.model
    sigmas: Tensor = (getattr(network, "predictor", None) or network.model_sampling).sigmas
    return 1 / (sigmas**2 + 1)


def dtype_of(model: Any) -> torch.dtype:
    """The dtype of the network's computation; its weights may be stored in a narrower one."""
    network = model.forge_objects.unet.model
    found = getattr(network, "computation_dtype", None) or getattr(network, "manual_cast_dtype", None)
    dtype: torch.dtype = found or network.get_dtype()
    return dtype


_SAMPLING = ("backend.sampling.sampling_function", "modules_forge.forge_sampler")
"""Where Forge has ``sampling_prepare``, and where reForge and Forge Classic have it."""


def prepare_again(model: Any, x: Any) -> None:
    """Encoding texts in the middle of sampling may have moved the UNet away: load it again for latents ``x``."""
    for name in _SAMPLING:
        prepare = getattr(sys.modules.get(name), "sampling_prepare", None)
        if prepare is not None:
            prepare(model.forge_objects.unet, x=x)
            return


def kind_of(unet: nn.Module) -> str:
    """``cross`` for UNets with cross-attention, ``blocks`` for transformers with one (Anima), ``joint`` where text and picture share one
    attention (`network.families`), ``""`` for others, which Regional can call as a whole and not look into."""
    if any(name.endswith(".attn2") for name, _ in unet.named_modules()):
        return "cross"
    if family_of(unet) is not None:
        return "joint"
    return "blocks" if cross_layers(unet) else ""


def refuse_unserved(hooks: Hooks, unet: nn.Module) -> None:
    """Raise `RegionalError` for a model that cannot serve what the method asks for."""
    kind, name = kind_of(unet), type(unet).__name__
    if kind == "cross":
        return
    asked = {
        "cross-attention": hooks.cross_attention is not None and kind != "blocks" and (hooks.joint is None or not kind),
        "self-attention": hooks.self_attention is not None,
        "norms and convolutions": hooks.spatial is not None,
        "to change single layers (LoRAs in regions)": bool(hooks.layers) and not kind,
    }
    missing = [what for what, wanted in asked.items() if wanted]
    if not missing:
        return
    method = f'The method "{hooks.method}"' if hooks.method else "This method"
    why = "which models like Flux do not have" if kind == "joint" else "which Regional does not reach in this family of models"
    instead = "" if kind == "joint" else f" {apart_instead()}"
    raise RegionalError(f"{method} cannot work with {name}{in_host()}: it needs {' and '.join(missing)}, {why}.{instead}")


def apart_instead() -> str:
    """What to use where attention cannot be reached: methods that predict every region by itself."""
    return 'Use "latent_couple", "multidiffusion" or "mask_conditioning", without LoRAs in regions.'


def in_host() -> str:
    """`` in WebUI 1.2`` for messages, empty where the host does not state its version."""
    try:
        from modules_forge import forge_version
    except ImportError:
        return ""
    parts = (getattr(forge_version, name, "") for name in ("version", "release"))
    version = " ".join(part for part in parts if isinstance(part, str) and part)
    return f" in Forge {version}" if version else ""
