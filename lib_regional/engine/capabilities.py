"""Optional capabilities of hosts, as Protocols; a method that needs a missing one is refused with a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .calls import Conditioning
from .ports import Host

if TYPE_CHECKING:
    from torch import Tensor

    from ..tensors.guidance.tokens import Token
    from ..tensors.latents.noise import Prediction

GuidanceModel = Callable[["Tensor", Sequence[Sequence[str]]], "Tensor"]
"""pictures (B, 3, H, W) in -1..1 and R lists of words -> segmentation maps (B, R, H, W) in 0..1 of the words; differentiable."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a model: side in cells of the latents it was trained on, its parametrisation, whether it has cross-attention.

    Without ``cross_attention`` text and image tokens share one attention (Flux). ``flow`` is the velocity of a straight path (Flux), whose
    sigma is the share of noise: ``x = (1 − sigma) · clean + sigma · noise``.
    """

    trained: int = 64
    prediction: Prediction = "epsilon"
    cross_attention: bool = True


def facts_of(host: Host) -> ModelFacts:
    """The ``facts`` of a host's model; those of SD1 where the host states none."""
    facts = getattr(host, "facts", None)
    return facts if isinstance(facts, ModelFacts) else ModelFacts()


class SeedingHost(Host, Protocol):
    """A host with a noise generator of its own (another device, another algorithm); the others draw from PyTorch's CPU generator."""

    def noise(self, shape: Sequence[int], seed: int) -> Tensor:
        """Unit noise of ``shape`` (C, h, w): the initial noise of a picture of this size and ``seed``; no other noise changes by it."""


class EditingHost(Host, Protocol):
    """The host interface of edits, beyond `Host`; a host without it is refused with a message.

    A host whose `decode` has no gradient sets an attribute ``differentiable`` to False."""

    def tokens(self, text: str) -> list[Token]:
        """The tokens of ``text`` with their positions in its context, without specials and padding; of a schedule, its last text's."""

    def decode(self, latent: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) around -1..1, with a gradient where autograd is on and the host's weights allow it."""

    def encode_picture(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, C, h, w), the mean of the posterior."""

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """The model that finds words in pictures: the host's own, by name, or ``clipseg:FOLDER``; None where no model has that name."""


class InvertingHost(EditingHost, Protocol):
    """The host interface of picture inversion: predictions outside of sampling.

    It may have ``announce(text, done, total) -> bool``: shows progress before sampling, and returns whether to go on; and
    ``levels() -> Sequence[int]``: the training steps of DDIM in this pass, from the noisiest to the last."""

    alphas_cumprod: Tensor
    """ᾱ of every training step (N,)."""

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """x (B, C, h, w) of unit variance at a training step -> predicted noise (B, C, h, w), with a gradient where autograd is on."""
