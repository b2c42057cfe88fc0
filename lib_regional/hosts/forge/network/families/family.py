"""What Regional has to know of a family of networks with joint attention, as data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import Tensor, nn

from .....engine.calls import TokenPart, Tokens
from .....request.layout.windows import Grid

LayerInput = Literal["joint", "text", "fused", "picture", "cells", "rows", "unreached"]
"""What a layer runs on: the whole sequence; texts, or these with a token for every layer of the text encoder; the picture's tokens and what
is behind them, or without that; something that has no tokens of its own; or what regions' LoRAs have no place in."""


@dataclass(frozen=True)
class Positions:
    """How a network numbers its text tokens: ``embedder`` is the module to which it gives the positions (B, L, n) of all tokens.

    Along ``axes`` every text counts its own tokens. ``before_picture``: the picture's position there follows the text's last token, so
    that each text ends before the picture, whatever its length; else each begins where the row's first token is.
    """

    embedder: str
    axes: tuple[int, ...]
    before_picture: bool = False


@dataclass(frozen=True)
class Padding:
    """Texts and picture are filled up with learned tokens to multiples of ``multiple``.

    ``embedder`` makes text tokens of the context, ``token`` is the parameter (1, D) that the network puts behind them.
    """

    multiple: int
    embedder: str
    token: str

    def missing(self, length: int) -> int:
        """Tokens from ``length`` to the next multiple."""
        return -length % self.multiple


@dataclass(frozen=True)
class Stream:
    """A stack of ``blocks`` that run on one sequence of all tokens, their first argument (B, L, D), one after another.

    ``positions`` names the argument with the embedded positions, whose ``axis`` counts tokens.
    """

    blocks: str
    positions: str
    axis: int


@dataclass(frozen=True)
class JointFamily:
    """How a network with joint attention arranges its tokens, ``[texts | picture | what is behind it]`` on patches of the latent.

    ``blocks`` names its stack of blocks, in whose Python module its attention function is; ``patch`` is the side of a patch in cells.
    ``texts_alone``: stacks of blocks that run on text tokens before these meet the picture, ``picture_alone`` those of its tokens.
    ``references``: whether pictures given beside the prompt stand behind the picture, those that the network gets as an argument or else
    those that the host shares with all its networks. ``layers``: patterns of module names, of which the first that fits says what a layer
    runs on. ``fused``: layers of the text encoder that a text's tokens have beside each other. ``picture_first``: ``[picture | what is
    behind it | texts]``. ``stream``: blocks in which tokens may stand in another order.
    """

    name: str
    blocks: str
    patch: int
    positions: Positions | None = None
    padding: Padding | None = None
    texts_alone: tuple[str, ...] = ()
    picture_alone: tuple[str, ...] = ()
    layers: tuple[tuple[str, LayerInput], ...] = (("*", "unreached"),)
    references: Literal["", "argument", "shared"] = ""
    picture_first: bool = False
    fused: int = 1
    stream: Stream | None = None

    def grid(self, latent: Grid) -> Grid:
        """Picture tokens of a latent, the last patches padded."""
        return (-(-latent[0] // self.patch), -(-latent[1] // self.patch))

    def tokens(self, latent: Grid) -> int:
        """Their number."""
        rows, columns = self.grid(latent)
        return rows * columns

    def length(self, text: int) -> int:
        """Tokens of a text of ``text`` tokens in the network."""
        return text + (self.padding.missing(text) if self.padding is not None else 0)

    def behind(self, latent: Grid, arguments: Mapping[str, Any]) -> int:
        """Tokens behind the picture in a call with these arguments: pictures beside the prompt, padding."""
        beside = sum(self.tokens((latent.shape[-2], latent.shape[-1])) for latent in self._references(arguments))
        return beside + (self.padding.missing(self.tokens(latent)) if self.padding is not None else 0)

    def tokens_of(self, part: LayerInput, grid: Grid, texts: Sequence[Sequence[tuple[int, Any]]], behind: int) -> Tokens | None:
        """Where the tokens of a layer are, for rows of ``texts``: (length in the network, LoRAs) each; None for a layer without tokens."""
        if part == "joint":
            order: tuple[TokenPart, ...] = ("picture", "behind", "text") if self.picture_first else ("text", "picture", "behind")
            return Tokens(order, grid, texts, behind)
        if part == "fused":
            return Tokens(("text",), grid, [[(length * self.fused, loras) for length, loras in row] for row in texts])
        parts: dict[str, tuple[TokenPart, ...]] = {"text": ("text",), "picture": ("picture", "behind"), "cells": ("picture",)}
        return Tokens(parts[part], grid, texts, behind) if part in parts else None

    def _references(self, arguments: Mapping[str, Any]) -> Sequence[Tensor]:
        """Latents of the pictures beside the prompt."""
        given = arguments.get("ref_latents") if self.references else None
        shared = getattr(sys.modules.get("backend.args"), "dynamic_args", None) if self.references == "shared" else None
        return given or getattr(shared, "ref_latents", None) or ()


def input_of(layers: Sequence[tuple[str, LayerInput]], name: str) -> LayerInput:
    """What the layer ``name`` runs on."""
    return next((part for pattern, part in layers if fnmatchcase(name, pattern)), "unreached")


def has(network: nn.Module, *parts: str) -> bool:
    """Whether ``network`` has all of these attributes."""
    return all(hasattr(network, part) for part in parts)


def side_of(network: nn.Module, attribute: str) -> int:
    """The side of a patch that ``network`` states, 2 for networks that do not (Forge's Flux)."""
    stated = getattr(network, attribute, 2)
    return stated if isinstance(stated, int) else 2
