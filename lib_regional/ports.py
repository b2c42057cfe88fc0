"""What methods and hosts say to each other: Protocols and plain data, nothing else.

A method asks for hooks; a host installs them and hands over facts (which row is which image, which step this is, which grid
an attention site sees). Neither imports the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

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
    """Where sampling stands: step ``index`` of ``total`` (from 0), the noise level, and whether this is the hires pass."""

    index: int
    total: int
    sigma: float = 0.0
    hires: bool = False

    @property
    def progress(self) -> float:
        """Share of the pass that lies behind this step, in ``[0, 1)``."""
        return self.index / max(1, self.total)


@dataclass(frozen=True)
class ModelCall:
    """One call of the UNet, told by the host before it happens. ``latent`` is (H, W) of the latent in cells."""

    rows: RowRoles
    step: StepInfo
    latent: Grid


@dataclass(frozen=True)
class Site:
    """One attention layer of the UNet: its module name and kind."""

    name: str
    kind: Literal["cross", "self"]


@dataclass(frozen=True)
class AttentionCall:
    """One attention layer at work, before any projection.

    ``x`` (B, L, C) hidden states with L = h·w of ``grid``, ``context`` (B, T, D). The projections are the host's own modules,
    called as modules, so that whatever other extensions hung on them stays in force; ``out`` includes the output projection.
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


AttentionHook = Callable[[AttentionCall], "Tensor | None"]
"""Returns the layer's output (B, L, C), or None to leave the layer to the host."""


@dataclass(frozen=True)
class Hooks:
    """What a method wants to be called for. A slot that is None costs nothing.

    ``renew``: the model's weights changed during sampling (another checkpoint, other LoRAs): encode anew, forget projections.
    A method without it cannot be followed by a host whose weights change.
    """

    cross_attention: AttentionHook | None = None
    self_attention: AttentionHook | None = None
    renew: Callable[[], None] | None = None
    close: Callable[[], None] | None = None


ContextSchedule = tuple[tuple[int, "Tensor"], ...]
"""``((end_step, context (T, D)), …)``: a context holds for steps below its ``end_step``; the last one holds to the end."""


class Host(Protocol):
    """A host adapter: four answers as data, and one context manager."""

    name: str

    def encode(
        self, texts: Sequence[str], *, steps: int, negative: bool, size: tuple[int, int], hires_steps: int | None = None
    ) -> list[ContextSchedule]:
        """Contexts of prompts in the host's own syntax; ``size`` is (width, height) in pixels.

        ``steps`` of the first pass; with ``hires_steps`` the schedules are those of the hires pass.
        """
        ...

    def patched(self, hooks: Hooks) -> AbstractContextManager[None]:
        """Install hooks on entry, restore what was there before on exit."""
        ...


def context_at(schedule: ContextSchedule, index: int) -> int:
    """Position in ``schedule`` of the context that holds at step ``index``."""
    for position, (end, _) in enumerate(schedule):
        if index < end:
            return position
    return len(schedule) - 1
