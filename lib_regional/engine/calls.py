"""The arguments of the hooks: rows, steps, and the calls of model, attention, layer, network and denoiser as frozen data."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..request.layout.windows import Grid, Tile, Window

if TYPE_CHECKING:
    from torch import Tensor

    from ..request.prompt.lora_tags import LoraTag
    from ..tensors.lora.deltas import LayerDelta, LayerKind

Role = Literal["cond", "uncond"]


@dataclass(frozen=True)
class Row:
    """One row of the UNet's batch: ``image`` of the batch, its role, and the ``AND`` part of its prompt."""

    image: int
    role: Role
    part: int = 0


RowRoles = tuple[Row, ...]


@dataclass(frozen=True)
class StepInfo:
    """The current step of sampling: step ``index`` of ``total`` (from 0), sigma, hires pass or not, CFG scale.

    ``sigma`` is 0 where no hook reads levels (`Hooks.reads_levels`) and the host would have to wait for its device to know it.
    ``guided`` is False where the host leaves guidance out of this step (its scale is 1, whatever the request).
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
class ModelCall:
    """One call of the UNet, announced before it happens. ``latent`` is (H, W) of its latent in cells.

    ``tags`` has a method's own mark for every row of a call that the method makes (`UNetRow.tag`); it is empty on the host's calls.
    ``turned`` of the rows' contexts (`Conditioning`) then, empty where all are 0. ``tile`` where the host samples in tiles of ``latent``.
    """

    rows: RowRoles
    step: StepInfo
    latent: Grid
    tags: tuple[Hashable, ...] = ()
    tile: Tile | None = None
    turned: tuple[int, ...] = ()


@dataclass(frozen=True)
class Site:
    """One attention layer: its module name and kind. ``controlnet``: it belongs to a ControlNet, not to the UNet."""

    name: str
    kind: Literal["cross", "self"]
    controlnet: bool = False


@dataclass(frozen=True)
class AttentionCall:
    """One attention layer at work, before any projection.

    ``x`` (B, L, C) hidden states with L = h·w of ``grid``, ``context`` (B, T, D). The projections are the host's own modules,
    called as modules, so that hooks of other extensions on them keep acting; ``out`` includes the output projection. ``norm_k``
    acts on what ``to_k`` gives (`keys`). ``embed``: what ``context`` has been through in the network, and other contexts have to before
    ``to_k`` and ``to_v``; None for nothing. ``names`` of the modules in ``to_k`` and ``to_v`` within the layer.
    ``token_attributes`` (B', L', n) are given where the host merged or tiled the tokens; x is (B', L', C) then: see `Hooks`.
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
    token_attributes: Tensor | None = None
    embed: Callable[[Tensor], Tensor] | None = None
    norm_k: Callable[[Tensor], Tensor] | None = None
    names: tuple[str, str] = ("to_k", "to_v")

    def keys(self, context: Tensor) -> Tensor:
        """Keys (B, T, C) of a context (B, T, D)."""
        made = self.to_k(context)
        return made if self.norm_k is None else self.norm_k(made)


TokenPart = Literal["text", "picture", "behind"]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Where the tokens (B, L) of a layer are in a network with joint attention, one of ``parts`` after the other.

    ``texts``: of every row the length of each text, and the LoRAs that act on it; shorter rows are padded. The picture's tokens are
    those of ``grid``; ``behind`` them are as many of other pictures or padding. Calls with the same texts share one object.
    """

    parts: tuple[TokenPart, ...]
    grid: Grid
    texts: Sequence[Sequence[tuple[int, Sequence[LoraTag]]]]
    behind: int = 0

    @property
    def lengths(self) -> dict[TokenPart, int]:
        """Tokens of each part."""
        text = max(sum(length for length, _ in row) for row in self.texts)
        every: dict[TokenPart, int] = {"text": text, "picture": self.grid[0] * self.grid[1], "behind": self.behind}
        return {part: every[part] for part in self.parts}


Place = Grid | Tokens | None
"""Of a layer's tokens: on a grid, in a sequence with texts; None for a layer without."""


@dataclass(frozen=True)
class LayerCall:
    """One linear, convolution or norm layer that has just run: module ``name``, input ``x`` and output ``y``.

    Token layers have x (B, L, C) with L = h·w of ``grid``; spatial ones (B, C, h, w); layers without a spatial axis (time embedding)
    have ``grid`` None. A layer that reads the context (``attn2.to_k``, ``attn2.to_v``) has x (B, T, D) and ``grid`` None too.
    ``token_attributes`` as in `AttentionCall`. ``tokens`` in place of a grid where texts and picture share a sequence.
    """

    name: str
    grid: Grid | None
    model: ModelCall
    x: Tensor
    y: Tensor
    token_attributes: Tensor | None = None
    tokens: Tokens | None = None

    @property
    def place(self) -> Place:
        """Where the layer's tokens are."""
        return self.grid if self.tokens is None else self.tokens


@dataclass(frozen=True)
class Fed:
    """The convolution ``name`` that alone reads a norm's output, changed place by place (an activation, a dropout)."""

    name: str
    layer: LayerKind
    kernel: tuple[int, int]


@dataclass(frozen=True)
class SpatialCall:
    """A group norm, or a convolution with a ``kernel`` wider than a cell, that is about to run: module ``name``, input ``x`` (B, C, h, w).

    ``run`` is the layer itself, on this input or on another one of as many channels; ``weights(y)`` are the weight and bias that it has
    used for an output y. ``pads_zeros``: beyond its input it sees zeros, and not the other side of the picture, say.
    ``feeds``: the convolution behind a norm. What is between them keeps any batch of any size, so the hook may give the norm's output in
    another arrangement of rows and places, which comes to it as the convolution's input.
    """

    name: str
    model: ModelCall
    x: Tensor
    layer: LayerKind
    kernel: tuple[int, int]
    run: Callable[[Tensor], Tensor]
    weights: Callable[[Tensor], LayerDelta]
    pads_zeros: bool = True
    feeds: Fed | None = None


@dataclass(frozen=True)
class Conditioning:
    """One encoded prompt: ``crossattn`` (T, D), and the pooled vector of models that read one.

    ``vector`` (V,) is the pooled text with the sizes (SDXL) or the pooled text alone (Flux); None for models without one. ``turned`` counts
    the last tokens, those of words with a negative weight, whose values in cross-attention have the opposite sign.
    """

    crossattn: Tensor
    vector: Tensor | None = None
    turned: int = 0


ContextSchedule = tuple[tuple[int, Conditioning], ...]
"""``((end_step, conditioning), …)``: each holds for steps below its ``end_step``; the last one holds to the end."""


@dataclass(frozen=True)
class UNetRow:
    """Row ``source`` of the host's call, with ``x`` (C, h, w) for its latent and ``conditioning`` for its context; None keeps them.
    ``window``: the part of the canvas that ``x`` is, None for all of it. ``tag`` comes back in `ModelCall.tags`."""

    source: int
    x: Tensor | None = None
    conditioning: Conditioning | None = None
    tag: Hashable = None
    window: Window | None = None


@dataclass(frozen=True)
class UNetCall:
    """The host is about to run its UNet. ``x`` (B, C, H, W) is the UNet's own input (scaled for the noise level).

    ``run(rows)`` predicts any rows instead, (N, C, h, w), as often as wanted; rows of one ``run`` share one latent size and one
    context length. ``native()`` is the call as the host meant it. Attention and layer hooks act in both. ``tokens`` is the length of
    the host's own contexts; None where it is unknown: rows with a context of their own then run apart from those without.
    """

    model: ModelCall
    x: Tensor
    run: Callable[[Sequence[UNetRow]], Tensor]
    native: Callable[[], Tensor]
    tokens: int | None = None


@dataclass(frozen=True)
class DenoiserCall:
    """One guided prediction of the whole batch: ``x`` (B, C, H, W) = ``alpha`` · clean + ``beta`` · noise.

    ``x`` is the sampler's own tensor: in-place changes of it stay in sampling. ``run()`` gives the denoised
    latent (B, C, H, W) after guidance, of ``x`` with these changes. A hook calls it once: hosts count steps in it. It does not change the
    tensor in place; given back as it is, it means that the prediction stays.
    ``noise`` (B, C, H, W), of unit variance, is the pass's initial noise: given at its first step, by hosts that know it.
    """

    x: Tensor
    step: StepInfo
    alpha: float
    beta: float
    run: Callable[[], Tensor]
    noise: Tensor | None = None


def through_denoised(
    ask: Callable[[], Tensor],
    to_clean: Callable[[Tensor], Tensor],
    from_clean: Callable[[Tensor], Tensor],
    hooked: Callable[[Callable[[], Tensor]], Tensor],
) -> Tensor:
    """The guided prediction that a sampler expects, with a hook around its denoised latent.

    ``ask()`` predicts in the sampler's own space, ``to_clean`` and ``from_clean`` go from there to the denoised latent and back, and
    ``hooked(run)`` is the hook's answer. A hook that only looked gives ``run()``'s very tensor back: then the prediction is the one that
    was asked for, without rounding on the way there and back.
    """
    given: list[tuple[Tensor, Tensor]] = []

    def run() -> Tensor:
        output = ask()
        given.append((to_clean(output), output))
        return given[-1][0]

    made = hooked(run)
    unchanged = [output for clean, output in given if clean is made]
    return unchanged[-1] if unchanged else from_clean(made)


@dataclass(frozen=True)
class TextShare:
    """One text of a row in joint attention: ``context`` (T, D), None for the row's own, its weight map, (h, w) in [0, 1], and the LoRAs
    that act on it. ``label``: see `JointRows`."""

    context: Tensor | None
    weights: Tensor
    loras: Sequence[LoraTag] = ()
    label: int = 0


@dataclass(frozen=True, eq=False)
class JointRows:
    """``texts`` of each row in joint attention; the weights of a row's texts sum to 1 at every token.

    ``labels`` (B, h, w) on the CPU, where regions are isolated: the picture's tokens, and texts asking them, see those of their own label
    and of 0, which see all. None where the picture's own attention is free.
    """

    texts: Sequence[Sequence[TextShare]]
    labels: Tensor | None = None
