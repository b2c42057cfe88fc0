"""Shared parts of the adapters of AUTOMATIC1111 and its descendants: the prompt parser and the display of progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from torch import Tensor

from ...engine.calls import ContextSchedule
from ...engine.capabilities import GuidanceModel
from ...engine.hooks import Hooks
from ...request.errors import RegionalError
from ...request.prompt.lora_tags import LoraTag
from ...sources.clipseg import named_clipseg
from ..a1111.model import loaded_model
from . import texts as a1111_texts
from .progress import announce
from .sampling import Sampling


class WebUIHost:
    """A loaded checkpoint, and the processing object ``p`` whose sampling is meant (None: any)."""

    def __init__(self, model: Any, p: Any = None) -> None:
        self._model = model
        self._p = p
        self._sampling: Sampling | None = None
        """The one that passes are announced to."""

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
        """See `ports.Host.encode`; ``hires_steps`` for the hires pass, whose schedules count on after the first pass' ``steps``."""
        counted = a1111_texts.schedule_steps(self._p, steps, hires_steps)
        if hires_steps is not None:
            size = a1111_texts.hires_size(self._p, size)
        with self._on_texts(loras):
            return a1111_texts.encode(loaded_model(), texts, steps=counted, negative=negative, size=size)

    def schedule(self, text: str, *, steps: int, hires_steps: int | None = None) -> list[tuple[int, str]]:
        """See `capabilities.SchedulingHost`."""
        return a1111_texts.schedule(text, a1111_texts.schedule_steps(self._p, steps, hires_steps))

    def _on_texts(self, loras: Sequence[LoraTag]) -> AbstractContextManager[None]:
        """The text encoders with ``loras`` beside the host's own."""
        raise NotImplementedError

    def noise(self, shape: Sequence[int], seed: int) -> Tensor:
        """See `capabilities.SeedingHost`: by the user's ``randn_source`` (GPU, CPU or NV), as for the host's initial noise of a picture.

        ``eta_noise_seed_delta`` is for the noises after it. Raises `RegionalError` for a host without ``modules.rng``.
        """
        try:
            from modules import rng
        except ImportError as error:
            raise RegionalError(
                "Regions cannot have seeds of their own here: this WebUI has no modules.rng (AUTOMATIC1111 has since 1.6), which draws the "
                "noise of a seed."
            ) from error
        drawn: Tensor = rng.randn_local(seed, tuple(shape))
        return drawn

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """See `capabilities.EditingHost.guidance_model`: the host has none of its own."""
        return named_clipseg(name)

    def announce(self, text: str, done: int, total: int) -> bool:
        """See `capabilities.AnnouncingHost`."""
        return announce(text, done, total)

    def levels(self) -> list[int]:
        """See `capabilities.LevelsHost`: the steps of the host's DDIM in img2img, which leaves out the noisiest level."""
        from modules import sd_samplers_common

        steps, kept = sd_samplers_common.setup_img2img_steps(self._p)
        return [int(step) for step in reversed(self._p.sampler.get_timesteps(self._p, steps)[:kept].tolist())]

    @contextmanager
    def patched(self, hooks: Hooks) -> Iterator[None]:
        """Hook the loaded model until exit; see `ports.Host.patched`. Raises `RegionalError` where it cannot serve ``hooks``."""
        sampling = self._sampling_under(hooks)
        with sampling.installed(self._model):
            before, self._sampling = self._sampling, sampling
            try:
                yield
            finally:
                self._sampling = before

    def _sampling_under(self, hooks: Hooks) -> Sampling:
        """One ``p.sample`` under ``hooks``."""
        raise NotImplementedError

    def begin_pass(self, p: Any, noise: Tensor | None = None) -> None:
        """See `capabilities.PassHost`. Forge calls this twice before the hires pass."""
        if self._sampling is not None:
            self._sampling.begin_pass(p.sampler.model_wrap_cfg, noise)
