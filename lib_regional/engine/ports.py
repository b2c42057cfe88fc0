"""The port between methods and hosts: what every host adapter offers. Methods import this, never a host."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ..request.prompt.lora_tags import LoraTag
from ..tensors.lora.deltas import NetworkDeltas
from .calls import ContextSchedule
from .hooks import Hooks


class Host(Protocol):
    """A host adapter. Optional powers are in `engine.capabilities`."""

    name: str

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
        """Contexts of prompts in the host's own syntax, without LoRA tags; ``size`` is (width, height) in pixels.

        ``steps`` of the first pass; with ``hires_steps`` the schedules are those of the hires pass. ``loras`` act on the text encoder for
        these texts alone, each with its ``te``, beside those that act on the whole picture.
        """

    def loras(self, loras: Sequence[LoraTag]) -> list[NetworkDeltas]:
        """The deltas of each LoRA for the UNet's layers at strength 1 (``te`` and ``unet`` are for the caller, ``dyn`` is for the host).

        Deltas that depend on the layer's weight take the one without any LoRA. Raises `RegionalError` that names the file for one that is
        missing, damaged, refused or made for another model. Nothing of it stays loaded in the host's own list of networks.
        """

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Install hooks on entry, restore what was there before on exit."""
