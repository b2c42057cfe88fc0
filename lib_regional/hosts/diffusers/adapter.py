"""diffusers: a ``UNet2DConditionModel``, its text encoders and LoRAs. How the UNet is hooked: `diffusers.network`.

Serves the standalone host and any host whose model offers ``unet``, ``encode_schedules``, ``call_listeners`` and, for methods that
guide the whole prediction, ``denoiser_hooks``; for regions' LoRAs also ``loras``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ...engine.calls import Conditioning, ContextSchedule
from ...engine.capabilities import GuidanceModel, ModelFacts, Noise
from ...engine.hooks import Hooks
from ...engine.references import CrossLayer
from ...request.errors import RegionalError
from ...request.prompt.lora_tags import LoraTag
from ...request.prompt.schedules import prompt_schedule
from ...sources.clipseg import named_clipseg
from ...tensors.guidance.tokens import Token
from ...tensors.latents.noise import seeded_noise
from ...tensors.lora.deltas import NetworkDeltas
from ..installing.sites import cross_layers
from ..webui_family.progress import announce
from .network import UNetInstaller


class DiffusersHost:
    """A diffusers UNet and its text encoders behind the `Host` protocol."""

    name = "diffusers"

    def __init__(self, model: Any, p: Any = None) -> None:
        """``p.model_calls``, where given, maps steps to calls of the model: prompt schedules count calls.

        ``p.seed_noise``, where given, draws the initial noise of a seed; else PyTorch's CPU generator does.
        """
        self._model = model
        self._calls = getattr(p, "model_calls", lambda steps, hires: steps)
        self._seed_noise: Noise = getattr(p, "seed_noise", seeded_noise)

    @property
    def facts(self) -> ModelFacts:
        """See `capabilities.FactualHost`; only models that predict the noise are served."""
        return ModelFacts(int(self._model.unet.config.sample_size or 64))

    def encode(
        self,
        texts: Sequence[str],
        *,
        steps: int,
        negative: bool,
        size: tuple[int, int],
        hires_steps: int | None = None,
        loras: Sequence[LoraTag] = (),
    ) -> list[ContextSchedule]:
        """See `ports.Host.encode`."""
        calls = self._calls(hires_steps or steps, hires_steps is not None)
        with self._store().on_texts(loras) if loras else nullcontext():
            schedules = self._model.encode_schedules(list(texts), calls, negative=negative, size=size)
        return [tuple((end, Conditioning(cond.crossattn, cond.vector)) for end, cond in schedule) for schedule in schedules]

    def schedule(self, text: str, *, steps: int, hires_steps: int | None = None) -> Sequence[tuple[int, str]]:
        """See `capabilities.SchedulingHost`."""
        return prompt_schedule(text, self._calls(hires_steps or steps, hires_steps is not None))

    def noise(self, shape: Sequence[int], seed: int) -> Tensor:
        """See `capabilities.SeedingHost`."""
        return self._seed_noise(tuple(shape), seed)

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """See `ports.Host.loras`."""
        return [self._store().unet_deltas(lora) for lora in loras]

    def _store(self) -> Any:
        store = getattr(self._model, "loras", None)
        if store is None:
            raise RegionalError("this host has no LoRAs for regions.")
        return store

    def cross_layers(self) -> list[CrossLayer]:
        """See `capabilities.LayeredHost`."""
        return cross_layers(self._model.unet)

    def tokens(self, text: str) -> list[Token]:
        """See `capabilities.TokenHost.tokens`."""
        return [Token(*piece) for piece in self._model.token_pieces(text)]

    def decode(self, latent: Tensor) -> Tensor:
        """See `capabilities.EditingHost.decode`."""
        pictures: Tensor = self._model.decode_latents(latent)
        return pictures

    def encode_picture(self, picture: Tensor) -> Tensor:
        """See `capabilities.EditingHost.encode_picture`."""
        latents: Tensor = self._model.encode_images(picture)
        return latents

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """See `capabilities.EditingHost.guidance_model`."""
        models: dict[str, GuidanceModel] = getattr(self._model, "guidance_models", {})
        return models.get(name) or named_clipseg(name)

    @property
    def alphas_cumprod(self) -> Tensor:
        """See `capabilities.InvertingHost`."""
        levels: Tensor = self._model.alphas_cumprod
        return levels

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """See `capabilities.InvertingHost.predict`."""
        contexts = torch.stack([one.crossattn for one in conditionings])
        noise: Tensor = self._model.predict_noise(x, x.new_full((len(x),), float(step)), contexts)
        return noise

    def announce(self, text: str, done: int, total: int) -> bool:
        """See `capabilities.AnnouncingHost`."""
        return announce(text, done, total)

    @contextmanager
    def patched(self, hooks: Hooks) -> Iterator[None]:
        """Install ``hooks`` on the UNet until exit; see `ports.Host.patched`."""
        with closing(UNetInstaller(self._model, hooks)) as installer:
            installer.install(self._model.unet, installer.version())
            yield
