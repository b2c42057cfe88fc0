"""What methods and hosts say to each other: Protocols and plain data, nothing else.

A method asks for hooks; a host installs them and hands over facts (which row is which image, which step this is, which grid
an attention site sees). Neither imports the other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from ..request.prompt.lora_tags import LoraTag

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["cond", "uncond"]
Grid = tuple[int, int]
"""Rows and columns ``(h, w)`` of a token grid or a latent."""


@dataclass(frozen=True)
class Row:
    """One row of the UNet's batch: which image of the batch, which role, which ``AND`` part of its prompt."""

    image: int
    role: Role
    part: int = 0


RowRoles = tuple[Row, ...]


@dataclass(frozen=True)
class StepInfo:
    """Where sampling stands: step ``index`` of ``total`` (from 0), the noise level, whether this is the hires pass, the CFG scale.

    ``guided`` is False where the host leaves guidance out of this step (its scale is 1, whatever was asked for).
    """

    index: int
    total: int
    sigma: float = 0.0
    hires: bool = False
    cfg_scale: float = 1.0
    guided: bool = True

    @property
    def progress(self) -> float:
        """Share of the pass that lies behind this step, in ``[0, 1)``."""
        return self.index / max(1, self.total)


@dataclass(frozen=True)
class Window:
    """Which piece of the picture a call sees: that from row ``top`` and column ``left`` of a latent of ``whole`` (H, W) cells."""

    whole: Grid
    top: int
    left: int


@dataclass(frozen=True)
class ModelCall:
    """One call of the UNet, told by the host before it happens. ``latent`` is (H, W) of the latent in cells.

    ``tags`` has a method's own mark for every row of a call that the method makes (`UNetRow.tag`); it is empty on the host's calls.
    ``window`` where the host runs the picture in tiles: ``latent`` is the tile's size then.
    """

    rows: RowRoles
    step: StepInfo
    latent: Grid
    tags: tuple[Hashable, ...] = ()
    window: Window | None = None


@dataclass(frozen=True)
class Site:
    """One attention layer of the UNet, its module name and kind; ``beside``: of a net whose residuals the UNet is given (ControlNet)."""

    name: str
    kind: Literal["cross", "self"]
    beside: bool = False


@dataclass(frozen=True)
class AttentionCall:
    """One attention layer at work, before any projection.

    ``x`` (B, L, C) hidden states with L = h·w of ``grid``, ``context`` (B, T, D). The projections are the host's own modules,
    called as modules, so that whatever other extensions hung on them stays in force; ``out`` includes the output projection.
    ``carried`` (B', L', n) where the host merged or tiled the tokens, x is (B', L', C) then: see `Hooks`.
    """

    site: Site
    grid: Grid
    model: ModelCall
    x: Tensor
    context: Tensor
    heads: int
    scale: float
    to_q: Callable[[Tensor], Tensor]
    to_k: Callable[[Tensor], Tensor]
    to_v: Callable[[Tensor], Tensor]
    out: Callable[[Tensor], Tensor]
    carried: Tensor | None = None


AttentionHook = Callable[[AttentionCall], "Tensor | None"]
"""Returns the layer's output (B, L, C), or None to leave the layer to the host."""


@dataclass(frozen=True)
class LayerCall:
    """One linear, convolution or norm layer of the UNet that has just run: module ``name``, input ``x`` and output ``y``.

    Token layers have x (B, L, C) with L = h·w of ``grid``; spatial ones (B, C, h, w); layers without a place (time embedding) have
    ``grid`` None. A layer that reads the context (``attn2.to_k``, ``attn2.to_v``) has x (B, T, D) and ``grid`` None too. ``own`` is the
    layer itself with its weight and bias, told to `Hooks.spatial` alone. ``carried`` as in `AttentionCall`.
    """

    name: str
    grid: Grid | None
    model: ModelCall
    x: Tensor
    y: Tensor
    own: LayerDelta | None = None
    carried: Tensor | None = None


@dataclass(frozen=True)
class LayerKind:
    """How a layer uses its weight. Numbers that its kind does not have stay at their defaults; pairs are (rows, columns)."""

    kind: Literal["linear", "conv", "group_norm", "layer_norm"]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    eps: float = 1e-5


@dataclass(frozen=True)
class LayerDelta:
    """What one LoRA adds to one layer at strength 1: factors (``down``, maybe ``mid``, ``up``) or a whole ``weight``, and maybe a ``bias``.

    Linear: down (r, in), up (out, r), weight (out, in). Convolution: down (r, in, kh, kw), mid (r, r, kh, kw), up (out, r, 1, 1), weight
    (out, in, kh, kw); with a mid, down is 1×1 and mid has the layer's stride and padding. Norm: weight and bias (C,). ``up`` carries
    the scale alpha/rank.
    """

    layer: LayerKind
    weight: Tensor | None = None
    down: Tensor | None = None
    mid: Tensor | None = None
    up: Tensor | None = None
    bias: Tensor | None = None


NetworkDeltas = Mapping[str, LayerDelta]
"""Deltas of one LoRA by the UNet's module names, as in `LayerCall.name`."""

LayerHook = Callable[[LayerCall], "Tensor | None"]
"""Returns what takes the place of ``y``, or None to leave it."""


Prediction = Literal["epsilon", "v", "flow"]
"""What a network tells: the noise; ``v`` (`tensors.latents.noise.noise_slope`); or, of a straight path, the velocity noise − clean."""


@dataclass(frozen=True)
class ModelFacts:
    """What a host may know of its model: the side of the latents it was trained on, in cells, what it predicts, how it hears texts.

    Without ``cross_attention`` text and picture share one attention (Flux). ``flow`` is the velocity of a straight path (Flux), whose sigma
    is the share of noise: ``x = (1 − sigma) · clean + sigma · noise``.
    """

    trained: int = 64
    prediction: Prediction = "epsilon"
    cross_attention: bool = True


@dataclass(frozen=True)
class UNetRow:
    """One row that a method wants predicted: row ``source`` of the host's call with its timestep and all else the host tells it.

    ``x`` (C, h, w) replaces its latent, ``conditioning`` its text; None keeps them. ``tag`` comes back in `ModelCall.tags`.
    """

    source: int
    x: Tensor | None = None
    conditioning: Conditioning | None = None
    tag: Hashable = None


@dataclass(frozen=True)
class UNetCall:
    """The host is about to run its UNet. ``x`` (B, C, H, W) is the UNet's own input (scaled for the noise level).

    ``run(rows)`` predicts any rows instead, (N, C, h, w), as often as wanted; rows of one ``run`` share one latent size and one
    context length. ``native()`` is the call as the host meant it. Attention and layer hooks act in both. ``tokens`` is the length of
    the host's own contexts; None where the host does not tell, then rows with a text of their own run apart from those without.
    """

    model: ModelCall
    x: Tensor
    run: Callable[[Sequence[UNetRow]], Tensor]
    native: Callable[[], Tensor]
    tokens: int | None = None


UNetHook = Callable[[UNetCall], "Tensor | None"]
"""Returns the UNet's output (B, C, H, W), or None to leave the call to the host."""


@dataclass(frozen=True)
class DenoiserCall:
    """One guided prediction of the whole batch: ``x`` (B, C, H, W) = ``alpha`` · clean + ``beta`` · noise.

    ``x`` is the sampler's own tensor: what is written into it in place is where sampling goes on from. ``run()`` gives the clean
    prediction (B, C, H, W) after guidance; it sees what was written into ``x`` before. A hook calls it once: hosts count steps in it.
    ``noise`` (B, C, H, W), of unit variance, is what the pass set out with: told at its first step, by hosts that know it.
    """

    x: Tensor
    step: StepInfo
    alpha: float
    beta: float
    run: Callable[[], Tensor]
    noise: Tensor | None = None


DenoiserHook = Callable[[DenoiserCall], "Tensor"]
"""Returns the clean prediction (B, C, H, W) that the sampler goes on with."""


VectorHook = Callable[[ModelCall, "Tensor"], "Tensor | None"]
"""``(call, vectors (B, V))`` -> the rows' pooled texts (B, V) in place of the host's own, or None to leave them.

Models with such a vector (SDXL, Flux) read it beside the context, everywhere at once; see `Conditioning.vector`.
"""


@dataclass(frozen=True)
class TextShare:
    """One text of a row in joint attention: ``context`` (T, D), None for the row's own, and where it is heard, (h, w) in [0, 1]."""

    context: Tensor | None
    weights: Tensor


JointHook = Callable[[ModelCall, Grid], "Sequence[Sequence[TextShare]] | None"]
"""For models whose text and picture tokens share one attention (Flux): each row's texts on the picture's token ``grid``.

The weights of a row's texts sum to 1 at every token. None leaves the call to the host.
"""

CarriedHook = Callable[[ModelCall, Grid], "Tensor | None"]
"""What the tokens of a grid carry into self-attention, (B, h·w, n); None is nothing."""

PictureHook = Callable[["Tensor"], "Tensor"]
"""Decoded pictures (B, 3, H, W) in 0..1 -> the pictures that the host goes on with."""


@dataclass(frozen=True)
class Hooks:
    """What a method wants to be called for. A slot that is None or empty costs nothing.

    ``cross_attention`` is asked on models that have it, ``joint`` takes its place on those where text and picture share one attention.
    ``layers``: hooks by module name; ``spatial`` is asked before them, of every group norm and every convolution that sees its neighbours.
    ``carried``: asked where the host merges or tiles tokens on their way into self-attention, which does the same to what they carry.
    ``method`` is its name, for messages. ``renew``: the model's weights changed during sampling (another checkpoint, other LoRAs): encode
    anew, forget projections. A method without it cannot be followed by a host whose weights change.
    ``finish``: told of the latents (B, C, H, W) that sampling ended with; it may return what is then done with the decoded pictures.
    ``told``: asked after sampling for what the infotext shall say of it.
    """

    cross_attention: AttentionHook | None = None
    joint: JointHook | None = None
    vector: VectorHook | None = None
    self_attention: AttentionHook | None = None
    layers: Mapping[str, LayerHook] = field(default_factory=dict)
    spatial: LayerHook | None = None
    carried: CarriedHook | None = None
    unet: UNetHook | None = None
    denoiser: DenoiserHook | None = None
    renew: Callable[[], None] | None = None
    close: Callable[[], None] | None = None
    told: Callable[[], Mapping[str, str]] | None = None
    finish: Callable[[Tensor], PictureHook | None] | None = None
    method: str = ""


@dataclass(frozen=True)
class Conditioning:
    """One encoded text: ``crossattn`` (T, D), and what some models are told beside it.

    ``vector`` (V,) is the pooled text with the sizes (SDXL) or the pooled text alone (Flux); None for models without one.
    """

    crossattn: Tensor
    vector: Tensor | None = None


@dataclass(frozen=True)
class Token:
    """One piece of a tokenised text: its ``position`` in the context, its letters, and the number of the word it is part of."""

    position: int
    text: str
    word: int


GuidanceModel = Callable[["Tensor", Sequence[Sequence[str]]], "Tensor"]
"""pictures (B, 3, H, W) in -1..1 and R lists of words -> maps (B, R, H, W) in 0..1 of where the words are seen; differentiable."""

ContextSchedule = tuple[tuple[int, Conditioning], ...]
"""``((end_step, conditioning), …)``: each holds for steps below its ``end_step``; the last one holds to the end."""


class Host(Protocol):
    """A host adapter: four answers as data, and one context manager. It may have ``facts``, see `facts_of`."""

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
        """What each LoRA adds to the UNet's layers at strength 1 (``te`` and ``unet`` are for the caller, ``dyn`` is for the host).

        Deltas that depend on the layer's weight take the one without any LoRA. Raises `RegionalError` that names the file for one that is
        missing, damaged, refused or made for another model. Nothing of it stays loaded in the host's own list of networks.
        """

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Install hooks on entry, restore what was there before on exit."""


def facts_of(host: Host) -> ModelFacts:
    """What ``host`` tells of its model by an attribute ``facts``; the usual case (SD1) where it tells nothing."""
    facts = getattr(host, "facts", None)
    return facts if isinstance(facts, ModelFacts) else ModelFacts()


class SeedingHost(Host, Protocol):
    """A host that draws noise in a way of its own (another device, another generator); the others draw from PyTorch's CPU generator."""

    def noise(self, shape: Sequence[int], seed: int) -> Tensor:
        """Unit noise of ``shape`` (C, h, w), the first that a picture of this size and ``seed`` is given; no other noise changes by it."""


class EditingHost(Host, Protocol):
    """What edits ask of a host beyond `Host`; one that lacks it is refused with a message.

    A host whose `decode` has no gradient says so by an attribute ``differentiable`` that is False."""

    def tokens(self, text: str) -> list[Token]:
        """The pieces of ``text`` as `Host.encode` lays them out, without marks and padding; of a schedule, those of its last text."""

    def decode(self, latent: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) around -1..1, with a gradient where autograd is on and the host's weights allow it."""

    def encode_picture(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, C, h, w), the mean of the posterior."""

    def guidance_model(self, name: str) -> GuidanceModel | None:
        """The model that finds words in pictures: the host's own, by name, or ``clipseg:FOLDER``; None where there is none of that name."""


class InvertingHost(EditingHost, Protocol):
    """What the inversion of a picture asks of a host: predictions outside of sampling.

    It may have ``announce(text, done, total) -> bool``: shows how far something is before sampling, and says whether to go on; and
    ``levels() -> Sequence[int]``: the training steps that DDIM goes through in this pass, the last is where it leaves the picture."""

    alphas_cumprod: Tensor
    """ᾱ of every training step (N,)."""

    def predict(self, x: Tensor, step: int, conditionings: Sequence[Conditioning]) -> Tensor:
        """x (B, C, h, w) of unit variance at a training step -> predicted noise (B, C, h, w), with a gradient where autograd is on."""
