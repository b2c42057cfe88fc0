"""What edits need of AUTOMATIC1111 besides sampling: tokens of a prompt, the autoencoder, predictions of single latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ...engine.calls import Conditioning
from ...request.errors import RegionalError
from ...tensors.guidance.tokens import Token

_END_OF_WORD = "</w>"


def tokens_of(model: Any, text: str) -> list[Token]:
    """Tokens of ``text`` at their positions by the host's own tokenizer; of a schedule, those of its last text.

    A textual inversion is one word, its name, however many tokens it takes.
    """
    from modules import prompt_parser

    last = prompt_parser.get_learned_conditioning_prompt_schedules([text], 1)[0][-1][1]
    embedder = _embedder(model)
    chunks, _ = embedder.tokenize_line(last)
    return list(numbered(chunks, _letters(embedder), {embedder.id_start, embedder.id_end}))


def _embedder(model: Any) -> Any:
    """The text encoder whose token positions the contexts have; SDXL's two share theirs."""
    conditioner = getattr(model, "conditioner", None)
    found = [model.cond_stage_model] if conditioner is None else list(conditioner.embedders)
    for embedder in found:
        if hasattr(embedder, "tokenize_line"):
            return embedder
    raise RegionalError("Edits need a text encoder whose tokens can be distinguished, which this model does not have.")


def _letters(embedder: Any) -> Callable[[int], str]:
    tokenizer = getattr(embedder, "tokenizer", None)
    if tokenizer is not None:
        return lambda token: str(tokenizer.convert_ids_to_tokens(token))
    from modules import sd_hijack_open_clip

    decoder = sd_hijack_open_clip.tokenizer.decoder
    return lambda token: str(decoder[token])


def numbered(chunks: Sequence[Any], letters: Callable[[int], str], marks: set[int]) -> Iterator[Token]:
    """Tokens of the chunks that ``tokenize_line`` of either WebUI gives, those in ``marks`` (start, end, padding) left out."""
    word = position = 0
    for chunk in chunks:
        inverted = {
            1 + fix.offset + n: fix.embedding.name if n == 0 else "" for fix in chunk.fixes for n in range(int(fix.embedding.vectors))
        }
        last = {1 + fix.offset + int(fix.embedding.vectors) - 1 for fix in chunk.fixes}
        for at, token in enumerate(chunk.tokens):
            if at in inverted:
                yield Token(position + at, inverted[at], word)
                word += at in last
            elif token not in marks:
                piece = letters(token)
                yield Token(position + at, piece.removesuffix(_END_OF_WORD), word)
                word += piece.endswith(_END_OF_WORD)
        position += len(chunk.tokens)


def decode(model: Any, latent: Tensor) -> Tensor:
    """See `capabilities.EditingHost.decode`. The host's own ``decode_first_stage`` has no gradient."""
    stage = model.first_stage_model
    picture: Tensor = stage.decode((latent / model.scale_factor).to(next(stage.parameters()).dtype))
    return picture


@torch.no_grad()
def encode_picture(model: Any, picture: Tensor) -> Tensor:
    """See `capabilities.EditingHost.encode_picture`; ``sgm`` returns a sample of the posterior, which is narrow, not its mean."""
    stage = model.first_stage_model
    found = stage.encode(picture.to(next(stage.parameters())))
    latent: Tensor = (found if isinstance(found, Tensor) else found.mode()).float() * model.scale_factor
    return latent


def predict(model: Any, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
    """See `capabilities.InvertingHost.predict`. Raises `RegionalError` for a UNet with further inputs (inpainting models)."""
    unet = model.model.diffusion_model
    check_channels(unet, x)
    context = torch.stack([one.crossattn for one in conditionings])
    vectors = [one.vector for one in conditionings if one.vector is not None]
    latent = x.to(_network_type(x))
    pooled = {"y": torch.stack(vectors).to(latent)} if vectors else {}
    output: Tensor = unet(latent, x.new_full((len(x),), float(step)), context=context.to(latent), **pooled).to(x)
    if getattr(model, "parameterization", "eps") != "v":
        return output
    kept = float(model.alphas_cumprod[step])
    noise: Tensor = output * kept**0.5 + x * (1 - kept) ** 0.5
    return noise


def _network_type(x: Tensor) -> torch.dtype:
    """The dtype of the UNet's input."""
    from modules import devices

    found: torch.dtype = getattr(devices, "dtype_unet", x.dtype)
    return found


def check_channels(unet: Any, x: Tensor) -> None:
    """Raise `RegionalError` where ``unet`` takes more channels than a latent x (B, C, h, w) has."""
    wanted = int(getattr(unet, "in_channels", x.shape[1]))
    if wanted != x.shape[1]:
        raise RegionalError(f"This model's UNet takes {wanted} channels (an inpainting model?): pictures cannot be inverted with it.")
