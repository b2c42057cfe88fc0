"""Mask sources: the ways to find regions' masks in a picture. A new one is one class with ``masks`` and one row of `SOURCES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from .channels import FoundMask, channel_masks, colour_masks, grey_mask


class MaskSource(Protocol):
    """A way to find masks in a picture."""

    @property
    def label(self) -> str:
        """What the panel's button says."""

    @property
    def help(self) -> str:
        """Its explanation, one sentence."""

    @property
    def single(self) -> bool:
        """Whether it finds one mask, which becomes a further region; the masks of the others replace the regions."""

    def masks(self, picture: Image.Image) -> list[FoundMask]:
        """Masks in order. Raises RegionalError for a picture without one."""


@dataclass(frozen=True)
class Colours:
    """`colour_masks`."""

    label: str = "A colour for each region…"
    help: str = "Every colour becomes a region. Regional Prompter's colours keep their order"
    single: bool = False

    def masks(self, picture: Image.Image) -> list[FoundMask]:
        """One mask per colour."""
        return colour_masks(picture)


@dataclass(frozen=True)
class Channels:
    """`channel_masks`."""

    label: str = "Red, green and blue…"
    help: str = "Each of the three channels becomes a region; greys are kept"
    single: bool = False

    def masks(self, picture: Image.Image) -> list[FoundMask]:
        """One mask per channel that holds something."""
        return channel_masks(picture)


@dataclass(frozen=True)
class Grey:
    """`grey_mask`."""

    label: str = "One region…"
    help: str = "White is inside, greys are kept"
    single: bool = True

    def masks(self, picture: Image.Image) -> list[FoundMask]:
        """One mask: brightness times opacity."""
        return grey_mask(picture)


SOURCES: Mapping[str, MaskSource] = {"colours": Colours(), "channels": Channels(), "grey": Grey()}
"""Name of a mask source -> the source, in the panel's order."""


def listed() -> list[dict[str, object]]:
    """What the panel shows of every source."""
    return [{"name": name, "label": row.label, "help": row.help, "single": row.single} for name, row in SOURCES.items()]
