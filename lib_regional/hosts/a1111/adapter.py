"""AUTOMATIC1111: a checkpoint of ``ldm`` or ``sgm``, its texts and LoRAs, and what edits need besides sampling.

How its sampling is hooked: `a1111.sampling` (the host's callbacks) and `a1111.network` (the UNet).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from torch import Tensor

from ...engine.calls import Conditioning
from ...engine.capabilities import ModelFacts
from ...engine.hooks import Hooks
from ...engine.references import CrossLayer
from ...request.prompt.lora_tags import LoraTag
from ...tensors.guidance.tokens import Token
from ...tensors.lora.deltas import NetworkDeltas
from ..installing.sites import cross_layers
from ..webui_family.host import WebUIHost
from . import loras as a1111_loras
from . import pictures as a1111_pictures
from .model import facts_of_model, loaded_model
from .sampling import A1111Sampling


class A1111Host(WebUIHost):
    """A loaded checkpoint of ``ldm`` or ``sgm``, and the processing object ``p`` whose sampling is hooked (None: any)."""

    name = "a1111"

    @property
    def facts(self) -> ModelFacts:
        """See `capabilities.FactualHost`."""
        return facts_of_model(self._model)

    def _on_texts(self, loras: Sequence[LoraTag]) -> AbstractContextManager[None]:
        return a1111_loras.on_texts(loras)

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """See `ports.Host.loras`."""
        return [a1111_loras.unet_deltas(loaded_model(), lora) for lora in loras]

    def cross_layers(self) -> list[CrossLayer]:
        """See `capabilities.LayeredHost`."""
        return cross_layers(loaded_model().model.diffusion_model)

    def tokens(self, text: str) -> list[Token]:
        """See `capabilities.TokenHost.tokens`."""
        return a1111_pictures.tokens_of(loaded_model(), text)

    def decode(self, latent: Tensor) -> Tensor:
        """See `capabilities.EditingHost.decode`."""
        return a1111_pictures.decode(loaded_model(), latent)

    def encode_picture(self, picture: Tensor) -> Tensor:
        """See `capabilities.EditingHost.encode_picture`."""
        return a1111_pictures.encode_picture(loaded_model(), picture)

    @property
    def alphas_cumprod(self) -> Tensor:
        """See `capabilities.InvertingHost`."""
        levels: Tensor = loaded_model().alphas_cumprod
        return levels

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """See `capabilities.InvertingHost.predict`."""
        return a1111_pictures.predict(loaded_model(), x, step, conditionings)

    def _sampling_under(self, hooks: Hooks) -> A1111Sampling:
        return A1111Sampling(self._p, hooks)
