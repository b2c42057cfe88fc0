"""Forge: SD1.x, SD2.x, SDXL and Flux, hooked per instance.

``forge_objects`` is reset before every sampling and its ``UnetPatcher`` cloned by every extension, so that clone-and-replace has to be done
anew for each pass, on top of what others did. The modules inside are the same through all of that: what is hooked here is hooked on them,
and on the pass' own denoiser, and taken back when sampling ends. Row roles come with the rows (`forge.rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from ...engine.calls import Conditioning
from ...engine.capabilities import ModelFacts
from ...engine.hooks import Hooks
from ...engine.references import CrossLayer
from ...request.prompt.lora_tags import LoraTag
from ...tensors.guidance.tokens import Token
from ...tensors.lora.deltas import NetworkDeltas
from ..a1111.model import loaded_model
from ..installing.sites import cross_layers
from ..neo.references import references_kept
from ..webui_family.host import WebUIHost
from . import pictures
from .loras import on_texts, unet_deltas
from .model import diffusion_model_of, facts_of_model, training_levels
from .sampling import ForgeSampling


class ForgeHost(WebUIHost):
    """A loaded Forge engine, which kept the prompt parser of AUTOMATIC1111; its engines take the size as that one's models do."""

    name = "forge"

    @property
    def differentiable(self) -> bool:
        """See `capabilities.EditingHost`."""
        return pictures.decodes_with_gradient(self._model)

    @property
    def facts(self) -> ModelFacts:
        """See `capabilities.FactualHost`."""
        return facts_of_model(self._model)

    @contextmanager
    def _on_texts(self, loras: Sequence[LoraTag]) -> Iterator[None]:
        with references_kept(loaded_model()), on_texts(loaded_model(), loras):
            yield

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """See `ports.Host.loras`."""
        return [unet_deltas(loaded_model(), lora) for lora in loras]

    def cross_layers(self) -> list[CrossLayer]:
        """See `capabilities.LayeredHost`."""
        return cross_layers(diffusion_model_of(loaded_model()))

    def tokens(self, text: str) -> list[Token]:
        """See `capabilities.TokenHost.tokens`."""
        return pictures.tokens_of(loaded_model(), text)

    def decode(self, latent: Tensor) -> Tensor:
        """See `capabilities.EditingHost.decode`."""
        return pictures.decode(loaded_model(), latent)

    def encode_picture(self, picture: Tensor) -> Tensor:
        """See `capabilities.EditingHost.encode_picture`."""
        return pictures.encode_picture(loaded_model(), picture)

    @property
    def alphas_cumprod(self) -> Tensor:
        """See `capabilities.InvertingHost`."""
        return training_levels(loaded_model())

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """See `capabilities.InvertingHost.predict`."""
        return pictures.predict(loaded_model(), x, step, conditionings)

    def _sampling_under(self, hooks: Hooks) -> ForgeSampling:
        return ForgeSampling(self._p, hooks)
