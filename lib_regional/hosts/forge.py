"""Forge: SD1.x, SD2.x, SDXL and Flux, hooked per instance.

``forge_objects`` is reset before every sampling and its ``UnetPatcher`` cloned by every extension, so that clone-and-replace has to be done
anew for each pass, on top of what others did. The modules inside are the same through all of that: what is hooked here is hooked on them,
and on the pass' own denoiser, and taken back when sampling ends. Row roles come with the rows (`forge_rows`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import Tensor

from ..core.networks import LoraTag
from ..ports import Conditioning, ContextSchedule, GuidanceModel, Hooks, ModelFacts, NetworkDeltas, Token
from ..sources.clipseg import named_clipseg
from . import a1111_texts, forge_loras, forge_pictures
from .forge_model import facts_of_model, loaded_model, training_levels
from .forge_sampling import Sampling
from .progress import announce


class ForgeHost:
    """A loaded Forge engine, and the processing object ``p`` whose sampling is meant."""

    name = "forge"
    differentiable = False

    def __init__(self, model: Any, p: Any = None) -> None:
        self._model = model
        self._p = p
        self._sampling: Sampling | None = None

    @property
    def facts(self) -> ModelFacts:
        """See `ports.facts_of`."""
        return facts_of_model(self._model)

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
        """See `ports.Host.encode`. Forge kept the prompt parser of AUTOMATIC1111, and its engines take the size as that one's models do."""
        counted = a1111_texts.schedule_steps(self._p, steps, hires_steps)
        if hires_steps is not None:
            size = a1111_texts.hires_size(self._p, size)
        with forge_loras.on_texts(loaded_model(), loras):
            return a1111_texts.encode(loaded_model(), texts, steps=counted, negative=negative, size=size)

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """See `ports.Host.loras`."""
        return [forge_loras.unet_deltas(loaded_model(), lora) for lora in loras]

    def tokens(self, text: str) -> list[Token]:
        """See `ports.EditingHost.tokens`."""
        return forge_pictures.tokens_of(loaded_model(), text)

    def decode(self, latent: Tensor) -> Tensor:
        """See `ports.EditingHost.decode`; Forge's weights are inference tensors, so there is no gradient."""
        return forge_pictures.decode(loaded_model(), latent)

    def encode_picture(self, picture: Tensor) -> Tensor:
        """See `ports.EditingHost.encode_picture`."""
        return forge_pictures.encode_picture(loaded_model(), picture)

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """See `ports.EditingHost.guidance_model`: the host has none of its own."""
        return named_clipseg(name)

    @property
    def alphas_cumprod(self) -> Tensor:
        """See `ports.InvertingHost`."""
        return training_levels(loaded_model())

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """See `ports.InvertingHost.predict`."""
        return forge_pictures.predict(loaded_model(), x, step, conditionings)

    def announce(self, text: str, done: int, total: int) -> bool:
        """See `ports.InvertingHost`."""
        return announce(text, done, total)

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Hook the loaded model until exit; see `ports.Host.patched`. Raises `RegionalError` where it cannot serve ``hooks``."""
        return self._patched(Sampling(self._p, hooks))

    def begin_pass(self, p: Any, noise: Any = None) -> None:
        """The sampler of the next pass of ``p`` is made and about to run; Forge says so twice before the hires pass. Raises nothing."""
        if self._sampling is not None:
            self._sampling.begin_pass(p.sampler.model_wrap_cfg)

    @contextmanager
    def _patched(self, sampling: Sampling) -> Iterator[None]:
        with sampling.listening(self._model):
            before, self._sampling = self._sampling, sampling
            try:
                yield
            finally:
                self._sampling = before
