"""Positions and padding of texts beside each other in joint attention, as each would have them alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .families.family import JointFamily, Positions

Lengths = Sequence[Sequence[int]]
"""Tokens of every text of every row."""


def numbered(ids: Tensor, family: JointFamily, lengths: Lengths, pixels: int) -> Tensor:
    """Positions (B, L, n) of a call's tokens, with ``pixels`` of its picture, after every text of a row is numbered by itself.

    Attention reads differences of positions, so a text that ends where the row's longest one does is as far from the picture as alone.
    """
    places = family.positions
    assert places is not None
    total, axes = max(map(sum, lengths)), list(places.axes)
    texts = slice(ids.shape[1] - total, None) if family.picture_first else slice(total)
    numbers = _numbers(lengths, total, places).to(ids)
    found = ids.clone()
    found[:, texts, axes] = ids[:, texts, axes][:, :1] + numbers[..., None]
    if places.before_picture:
        picture = slice(pixels) if family.picture_first else slice(total, total + pixels)
        found[:, picture, axes] -= torch.tensor([total - max(row) for row in lengths]).to(ids)[:, None, None]
    return found


def _numbers(lengths: Lengths, total: int, places: Positions) -> Tensor:
    """Numbers (B, T) of the text tokens; 0 for a row's padding."""
    numbers = torch.zeros(len(lengths), total)
    for row, texts in zip(numbers, lengths, strict=True):
        last = max(texts)
        counts = [torch.arange(length) + (last - length if places.before_picture else 0) for length in texts]
        row[: sum(texts)] = torch.cat(counts)
    return numbers


class Renumbered:
    """In place of the positions' embedder for calls of one arrangement; ``used`` is whether the network has asked it in this one.

    By how much every number changes depends on the texts' lengths alone, and is brought to the device once.
    """

    def __init__(self, family: JointFamily, lengths: Lengths, pixels: int) -> None:
        self._family, self._lengths, self._pixels = family, lengths, pixels
        self._shifts: dict[tuple[torch.Size, torch.device, torch.dtype], Tensor] = {}
        self.used = False

    def __call__(self, inner: Callable[..., Tensor], ids: Tensor) -> Tensor:
        """ids (B, L, n) -> what the embedder makes of them."""
        self.used, name = True, (ids.shape, ids.device, ids.dtype)
        if name not in self._shifts:
            self._shifts[name] = numbered(ids, self._family, self._lengths, self._pixels) - ids
        return inner(ids + self._shifts[name])


def is_padding(given: Lengths, lengths: Lengths) -> Tensor:
    """Which tokens (B, T) of texts of ``lengths``, beside each other, are behind the ``given`` ones of their text."""
    found = torch.zeros(len(lengths), max(map(sum, lengths)), dtype=torch.bool)
    for row, before, after in zip(found, given, lengths, strict=True):
        parts = [torch.arange(length) >= own for own, length in zip(before, after, strict=True)]
        row[: sum(after)] = torch.cat(parts)
    return found
