"""Pictures as prompts: what a region's reference is once picture and adapter have been read, and the layers it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import Role

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CrossLayer:
    """A cross-attention layer of a network: its module name, and how many numbers its queries and its contexts have."""

    name: str
    inner: int
    context: int


@dataclass(frozen=True, eq=False)
class ImagePrompt:
    """Keys and values of a picture at every cross-attention layer, by module name: (K, V), each (2, T, C).

    Row 0 is for conditional rows, row 1 for unconditional ones, where the picture is one of zeros.
    """

    layers: Mapping[str, tuple[Tensor, Tensor]]

    @property
    def tokens(self) -> int:
        """T."""
        return next((k.shape[1] for k, _ in self.layers.values()), 0)


def prompt_row(role: Role) -> int:
    """The row of `ImagePrompt`'s keys and values for rows of a role."""
    return 0 if role == "cond" else 1
