"""What edits ask of Forge beside sampling: the pieces of a prompt, and the autoencoder, which may push the UNet out of memory."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..core.errors import RegionalError
from ..ports import Token
from . import a1111_pictures
from .forge_model import prepare_again

_ENGINES = ("text_processing_engine", "text_processing_engine_l", "text_processing_engine_g")
"""Where an engine keeps what lays its prompts out; SDXL's two share their places."""


def tokens_of(model: Any, text: str) -> list[Token]:
    """See `ports.EditingHost.tokens`. Raises `RegionalError` for models whose prompts are not laid out in chunks (T5).

    reForge and Forge Classic kept the text encoders of AUTOMATIC1111.
    """
    from modules import prompt_parser

    if getattr(model, "cond_stage_model", None) is not None:
        return a1111_pictures.tokens_of(model, text)
    last = prompt_parser.get_learned_conditioning_prompt_schedules([text], 1)[0][-1][1]
    engine = next((found for name in _ENGINES if hasattr(found := getattr(model, name, None), "tokenize_line")), None)
    if engine is None:
        raise RegionalError("Edits need a text encoder whose tokens can be told apart, which this model does not have.")
    chunks, _ = engine.tokenize_line(last)
    marks = {engine.id_start, engine.id_end, engine.id_pad}
    return list(a1111_pictures.numbered(chunks, lambda token: str(engine.tokenizer.convert_ids_to_tokens(token)), marks))


def decode(model: Any, latent: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 3, H, W) in -1..1."""
    pictures: Tensor = model.decode_first_stage(latent)
    prepare_again(model, latent)
    return pictures.to(latent.device).float()


def encode_picture(model: Any, picture: Tensor) -> Tensor:
    """(B, 3, H, W) in -1..1 -> (B, C, h, w)."""
    latents: Tensor = model.encode_first_stage(picture)
    prepare_again(model, latents)
    return latents.to(picture.device).float()
