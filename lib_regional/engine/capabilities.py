"""What some hosts can do and others cannot, as Protocols: asked for by name, refused with a message where it is missing."""

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
"""pictures (B, 3, H, W) in -1..1 and R lists of words -> maps (B, R, H, W) in 0..1 of where the words are seen; differentiable."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a model: side in cells of the latents it was trained on, what it predicts, whether it has cross-attention.

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
    """What edits ask of a host beyond `Host`; one that lacks it is refused with a message.

    A host whose `decode` has no gradient says so by an attribute ``differentiable`` that is False."""

    def tokens(self, text: str) -> list[Token]:
        """The pieces of ``text`` as `Host.encode` lays them out, without specials and padding; of a schedule, those of its last text."""

    def decode(self, latent: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) around -1..1, with a gradient where autograd is on and the host's weights allow it."""

    def encode_picture(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, C, h, w), the mean of the posterior."""

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """The model that finds words in pictures: the host's own, by name, or ``clipseg:FOLDER``; None where there is none of that name."""


class InvertingHost(EditingHost, Protocol):
    """What the inversion of a picture asks of a host: predictions outside of sampling.

    It may have ``announce(text, done, total) -> bool``: shows progress before sampling, and returns whether to go on; and
    ``levels() -> Sequence[int]``: the training steps that DDIM goes through in this pass, from the noisiest to the last."""

    alphas_cumprod: Tensor
    """ᾱ of every training step (N,)."""

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """x (B, C, h, w) of unit variance at a training step -> predicted noise (B, C, h, w), with a gradient where autograd is on."""
