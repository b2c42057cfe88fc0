"""What edits need of Forge besides sampling: tokens of a prompt, the autoencoder (which may move the UNet out of memory), predictions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from ...engine.calls import Conditioning
from ...request.errors import RegionalError
from ...tensors.guidance.tokens import Token
from ..a1111 import pictures as a1111_pictures
from .model import diffusion_model_of, dtype_of, facts_of_model, prepare_again, training_levels
from .network.gradient import with_gradient

_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
"""Attributes of an engine with its tokenizing text encoder; SDXL's two share their token positions."""


def tokens_of(model: Any, text: str) -> list[Token]:
    """See `capabilities.TokenHost.tokens`. Raises `RegionalError` for models whose prompts are not laid out in chunks (T5).

    reForge and Forge Classic kept the text encoders of AUTOMATIC1111, under the name that Forge Neo has for all of its encoders together.
    """
    from modules import prompt_parser

    engine = next((found for name in _ENGINES if hasattr(found := getattr(model, name, None), "tokenize_line")), None)
    if engine is None and getattr(model, "cond_stage_model", None) is not None:
        return a1111_pictures.tokens_of(model, text)
    last = prompt_parser.get_learned_conditioning_prompt_schedules([text], 1)[0][-1][1]
    if engine is None:
        raise RegionalError("Edits need a text encoder whose tokens can be distinguished, which this model does not have.")
    chunks, _ = engine.tokenize_line(last)
    marks = {engine.id_start, engine.id_end, engine.id_pad}
    return list(a1111_pictures.numbered(chunks, lambda token: str(engine.tokenizer.convert_ids_to_tokens(token)), marks))


def decode(model: Any, latent: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 3, H, W) in -1..1; where a gradient is asked for (`decodes_with_gradient`) in one piece, and not clamped."""
    wanted = latent.requires_grad and torch.is_grad_enabled() and decodes_with_gradient(model)
    pictures: Tensor = _decode_with_gradient(model, latent) if wanted else model.decode_first_stage(latent)
    prepare_again(model, latent)
    return pictures.to(latent.device).float()


def decodes_with_gradient(model: Any) -> bool:
    """Whether the engine's autoencoder is Forge's own, which reForge and Forge Classic do not have."""
    stage = getattr(getattr(model.forge_objects, "vae", None), "first_stage_model", None)
    return hasattr(stage, "process_out") and hasattr(stage, "decode")


def _decode_with_gradient(model: Any, latent: Tensor) -> Tensor:
    """The host's ``decode_first_stage``, without its inference mode."""
    from backend import memory_management

    vae = model.forge_objects.vae
    memory_management.load_model_gpu(vae.patcher)
    stage = vae.first_stage_model
    with with_gradient(stage):
        pictures: Tensor = stage.decode(stage.process_out(latent).to(vae.device, vae.vae_dtype))
    return pictures


def encode_picture(model: Any, picture: Tensor) -> Tensor:
    """(B, 3, H, W) in -1..1 -> (B, C, h, w)."""
    latents: Tensor = model.encode_first_stage(picture)
    prepare_again(model, latents)
    return latents.to(picture.device).float()


def predict(model: Any, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
    """See `capabilities.InvertingHost.predict`: the network alone, without the sampling patches of other extensions.

    Raises `RegionalError` for a network with further inputs (inpainting models).
    """
    unet, dtype = diffusion_model_of(model), dtype_of(model)
    a1111_pictures.check_channels(unet, x)
    context = torch.stack([one.crossattn for one in conditionings])
    vectors = [one.vector for one in conditionings if one.vector is not None]
    pooled = {"y": torch.stack(vectors).to(x.device, dtype)} if vectors else {}
    times = x.new_full((len(x),), float(step), dtype=torch.float32)
    with with_gradient(unet) if torch.is_grad_enabled() else nullcontext():
        output: Tensor = unet(x.to(dtype), times, context=context.to(x.device, dtype), transformer_options={}, **pooled).to(x)
    if facts_of_model(model).prediction != "v":
        return output
    kept = float(training_levels(model)[step])
    noise: Tensor = output * kept**0.5 + x * (1 - kept) ** 0.5
    return noise
