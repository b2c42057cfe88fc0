"""How a network with joint attention arranges its tokens: ``[texts | picture | reference pictures]``, on patches of the latent.

Flux.1, Chroma and Kontext have patches of 2×2 cells and text tokens without positions; Flux.2 has patches of one cell and numbers its text
tokens. A picture given beside the prompt (Kontext, Flux.2) stands behind the picture that is made.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ....request.layout.windows import Grid

_PATCH = 2
"""Cells of a patch's side in networks that do not state it (Forge's Flux)."""


@dataclass(frozen=True)
class JointFamily:
    """``patch``: cells of a patch's side. ``numbered``: axes of the positions along which a text's tokens are numbered from 0."""

    patch: int = _PATCH
    numbered: tuple[int, ...] = ()

    def grid(self, latent: Grid) -> Grid:
        """Picture tokens of a latent, the last patches padded."""
        return (-(-latent[0] // self.patch), -(-latent[1] // self.patch))

    def references(self, arguments: Mapping[str, Any]) -> int:
        """Tokens of the pictures beside the prompt in a call with these arguments."""
        grids = (self.grid((latent.shape[-2], latent.shape[-1])) for latent in reference_latents(arguments))
        return sum(rows * columns for rows, columns in grids)


def joint_family(network: nn.Module) -> JointFamily:
    """The family of ``network``, by what it states of itself."""
    patch, numbered = getattr(network, "patch_size", _PATCH), getattr(network, "txt_ids_dims", ())
    return JointFamily(patch if isinstance(patch, int) else _PATCH, tuple(numbered or ()))


def reference_latents(arguments: Mapping[str, Any]) -> Sequence[Tensor]:
    """Latents of the pictures beside the prompt: the network's own argument, or where it reads them (Forge Neo)."""
    shared = getattr(sys.modules.get("backend.args"), "dynamic_args", None)
    return arguments.get("ref_latents") or getattr(shared, "ref_latents", None) or ()


def numbered_ids(ids: Tensor, axes: Sequence[int], lengths: Sequence[Sequence[int]]) -> Tensor:
    """Positions (B, T, n) of text tokens with every text of a row (its ``lengths``) numbered from 0 along ``axes``."""
    numbers = ids.new_zeros(ids.shape[:2])
    for row, texts in zip(numbers, lengths, strict=True):
        count = torch.cat([torch.arange(length, dtype=ids.dtype) for length in texts]).to(ids.device)
        row[: len(count)] = count
    found = ids.clone()
    found[..., list(axes)] = numbers[..., None]
    return found


POST_INPUT = "post_input"
"""The host's list of patches that may exchange tokens and positions before the first block."""


class Numbered:
    """A ``post_input`` patch for one call: every text of a row begins at position 0, as it would alone."""

    def __init__(self, family: JointFamily, lengths: Sequence[Sequence[int]]) -> None:
        self._family, self._lengths = family, lengths
        self.used = not family.numbered
        """Whether positions are as they should be."""

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """``transformer_options`` with this patch; the given ones are left as they are."""
        if self.used:
            return dict(options)
        patches = options.get("patches", {})
        return {**options, "patches": {**patches, POST_INPUT: [*patches.get(POST_INPUT, ()), self]}}

    def __call__(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """``img``, ``txt``, ``img_ids`` and ``txt_ids`` of the call -> the same with other ``txt_ids`` (B, T, n)."""
        self.used = True
        return {**arguments, "txt_ids": numbered_ids(arguments["txt_ids"], self._family.numbered, self._lengths)}
