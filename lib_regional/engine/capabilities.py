"""Optional powers of a host as Protocols, and how one asks for them: a host without a power is served otherwise, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from ..request.errors import RegionalError
from ..request.prompt.schedules import prompt_schedule
from ..tensors.latents.noise import Prediction, seeded_noise
from .calls import Conditioning
from .ports import Host
from .references import CrossLayer

if TYPE_CHECKING:
    from torch import Tensor

    from ..tensors.guidance.tokens import Token

GuidanceModel = Callable[["Tensor", Sequence[Sequence[str]]], "Tensor"]
"""pictures (B, 3, H, W) in -1..1 and R lists of words -> segmentation maps (B, R, H, W) in 0..1 of the words; differentiable."""

Noise = Callable[[Sequence[int], int], "Tensor"]
"""``(shape, seed)`` -> unit noise, see `SeedingHost.noise`."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a model: side in cells of the latents it was trained on, its parametrisation, whether it has cross-attention, and whether
    its self-attention can be hooked before its projections, or behind them (Anima, Wan).

    Without ``cross_attention`` text and image tokens share one attention (Flux). ``flow`` is the velocity of a straight path (Flux), whose
    sigma is the share of noise: ``x = (1 − sigma) · clean + sigma · noise``.
    """

    trained: int = 64
    prediction: Prediction = "epsilon"
    cross_attention: bool = True
    self_attention: bool = True
    projected_self_attention: bool = False


# ---------------------------------------------------------------- the powers


class FactualHost(Protocol):
    """A host that knows its model; the others are taken for SD1."""

    @property
    def facts(self) -> ModelFacts:
        """Facts of the loaded model."""


@runtime_checkable
class SeedingHost(Protocol):
    """A host with a noise generator of its own (another device, another algorithm); the others draw from PyTorch's CPU generator."""

    def noise(self, shape: Sequence[int], seed: int) -> Tensor:
        """Unit noise of ``shape`` (C, h, w): the initial noise of a picture of this size and ``seed``; no other noise changes by it."""


@runtime_checkable
class PassHost(Protocol):
    """A host that patches each sampling pass by itself."""

    def begin_pass(self, p: Any, noise: Tensor | None = None) -> None:
        """The sampler of the next pass (first or hires) of ``p`` is made and about to run; faults show in the pass.

        ``noise`` (B, C, H, W), of unit variance, is the initial noise of the pass, None where the WebUI does not pass it.
        """


@runtime_checkable
class TokenHost(Protocol):
    """A host whose tokens have words and positions."""

    def tokens(self, text: str) -> list[Token]:
        """The tokens of ``text`` with their positions in its context, without specials and padding; of a schedule, its last text's."""


@runtime_checkable
class SchedulingHost(Protocol):
    """A host that states which text a prompt is at each step; those of the others follow AUTOMATIC1111's grammar, a call for each step."""

    def schedule(self, text: str, *, steps: int, hires_steps: int | None = None) -> Sequence[tuple[int, str]]:
        """``((end step, text), …)`` with the end steps of `ports.Host.encode`."""


@runtime_checkable
class AnnouncingHost(Protocol):
    """A host that shows progress before sampling."""

    def announce(self, text: str, done: int, total: int) -> bool:
        """Show ``text`` and how much is done; returns whether to go on."""


@runtime_checkable
class LevelsHost(Protocol):
    """A host that states the levels of its DDIM; those of the others are spaced evenly."""

    def levels(self) -> Sequence[int]:
        """Training steps of DDIM in this pass, from the noisiest to the last."""


@runtime_checkable
class LayeredHost(Protocol):
    """A host that names the cross-attention layers of the network that samples."""

    def cross_layers(self) -> Sequence[CrossLayer]:
        """In the order in which IP-Adapters number them: on the way down, on the way up, in the middle. Empty where there are none."""


class EditingHost(Host, TokenHost, Protocol):
    """The host interface of edits, beyond `Host`; a host without it is refused with a message.

    A host whose `decode` has no gradient sets an attribute ``differentiable`` to False: see `decodes_with_gradient`."""

    def decode(self, latent: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) around -1..1, with a gradient where autograd is on and the host's weights allow it."""

    def encode_picture(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, C, h, w), the mean of the posterior."""

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """The model that finds words in pictures: the host's own, by name, or ``clipseg:FOLDER``; None where no model has that name."""


class InvertingHost(EditingHost, Protocol):
    """The host interface of picture inversion: predictions outside of sampling."""

    alphas_cumprod: Tensor
    """ᾱ of every training step (N,)."""

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """x (B, C, h, w) of unit variance at a training step -> predicted noise (B, C, h, w), with a gradient where autograd is on."""


# ---------------------------------------------------------------- asking for them


def facts_of(host: Host) -> ModelFacts:
    """Facts of a host's model (`FactualHost`); those of SD1 where the host states none."""
    facts = getattr(host, "facts", None)
    return facts if isinstance(facts, ModelFacts) else ModelFacts()


def noise_of(host: Host) -> Noise:
    """How ``host`` draws noise: its own way (`SeedingHost`), or PyTorch's CPU generator where it has none."""
    return host.noise if isinstance(host, SeedingHost) else seeded_noise


def pass_begins(host: Host, p: Any, noise: Tensor | None) -> None:
    """Say that a sampling pass of ``p`` begins, to a host that patches each one (`PassHost`)."""
    if isinstance(host, PassHost):
        host.begin_pass(p, noise)


def announced(host: Host, text: str, done: int, total: int) -> bool:
    """Show progress where the host can (`AnnouncingHost`); returns whether to go on."""
    return host.announce(text, done, total) if isinstance(host, AnnouncingHost) else True


def editing(host: Host) -> EditingHost:
    """``host`` for edits. Raises `RegionalError` that names what it lacks."""
    missing = _missing(host, ("tokens", "decode", "guidance_model"))
    if missing:
        raise RegionalError(f"Edits do not work with this host ({host.name}): it offers no {', '.join(missing)}.")
    return cast(EditingHost, host)


def encoder_of(host: Host) -> Callable[[Tensor], Tensor]:
    """`EditingHost.encode_picture` of ``host``. Raises `RegionalError` on a host that cannot encode pictures."""
    if _missing(host, ("encode_picture",)):
        raise RegionalError(f"A collage needs a host with img2img; this one ({host.name}) cannot turn pictures into latents.")
    return cast(EditingHost, host).encode_picture


def inverting(host: Host) -> InvertingHost:
    """``host`` for the inversion of pictures. Raises `RegionalError` where it cannot."""
    if _missing(host, ("predict", "alphas_cumprod")):
        raise RegionalError(f"This host ({host.name}) cannot invert pictures yet: switch inversion off, or edit a generated picture.")
    return cast(InvertingHost, host)


def schedule_of(host: Host, text: str, steps: int, hires_steps: int | None = None) -> Sequence[tuple[int, str]]:
    """`SchedulingHost.schedule` of ``host``."""
    if isinstance(host, SchedulingHost):
        return host.schedule(text, steps=steps, hires_steps=hires_steps)
    return prompt_schedule(text, steps, hires_steps)


def cross_layers_of(host: Host) -> Sequence[CrossLayer]:
    """`LayeredHost.cross_layers` of ``host``. Raises `RegionalError` where there are none."""
    found = host.cross_layers() if isinstance(host, LayeredHost) else ()
    if not found:
        raise RegionalError(
            f"Reference pictures act through cross-attention, which this model on this host ({host.name}) does not have: use SD1.5 or SDXL."
        )
    return found


def decodes_with_gradient(host: EditingHost) -> bool:
    """Whether `EditingHost.decode` has a gradient: it has, unless the host's ``differentiable`` is False."""
    return bool(getattr(host, "differentiable", True))


def _missing(host: Host, names: Iterable[str]) -> list[str]:
    """Asked of the instance: what a loaded model lacks, a host of the same class may have with another one."""
    return [name for name in names if not hasattr(host, name)]
