"""Operations on masks (H, W) in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from ...request.layout.combined import Combined

_REACH = 4.0
"""Standard deviations at which the Gaussian is cut."""


def combined_mask(shape: Combined, parts: list[Tensor]) -> Tensor:
    """The operation of ``shape`` on the masks of its parts, all (H, W)."""
    if shape.op == "mirror":
        return parts[0].flip(1 if shape.axis == "x" else 0)
    if shape.op in _SEVERAL:
        return reduce(_SEVERAL[shape.op], parts)
    return _ONE[shape.op](parts[0], shape.amount)


def _difference(first: Tensor, second: Tensor) -> Tensor:
    return torch.minimum(first, 1 - second)


def dilated(mask: Tensor, amount: float) -> Tensor:
    """Grey dilation by a disc of ``amount`` × the shorter side: the largest value within that distance.

    The disc is a stack of rows; the maximum over a row of any length is that of two of a power of two (a sparse table).
    """
    radius = amount * min(mask.shape)
    rows, (height, width) = int(radius), mask.shape
    widest = _widest(F.pad(mask, (rows, rows, rows, rows)), 2 * rows + 1)
    found = torch.zeros_like(mask)
    for offset in range(rows + 1):
        reach = int(math.sqrt(radius * radius - offset * offset))
        level = (2 * reach + 1).bit_length() - 1
        first, last = rows - reach, rows + reach + 1 - 2**level
        line = torch.maximum(widest[level][:, first : first + width], widest[level][:, last : last + width])
        for top in {rows - offset, rows + offset}:
            found = torch.maximum(found, line[top : top + height])
    return found


def _widest(padded: Tensor, longest: int) -> list[Tensor]:
    """Level k: at each column the largest of the 2ᵏ values from there on, for windows up to ``longest``."""
    levels = [padded]
    while 2 ** len(levels) <= longest:
        half = levels[-1]
        step = 2 ** (len(levels) - 1)
        levels.append(torch.maximum(half[:, :-step], half[:, step:]))
    return levels


def _shrunk(mask: Tensor, amount: float) -> Tensor:
    """Grey erosion by a disc; beyond the picture's border the mask goes on."""
    return 1 - dilated(1 - mask, amount)


def blurred(mask: Tensor, amount: float) -> Tensor:
    """Gaussian of standard deviation ``amount`` × the shorter side; the picture's border does not fade."""
    sigma = amount * min(mask.shape)
    if sigma < 1e-3:
        return mask
    reach = math.ceil(_REACH * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float32) / sigma) ** 2)
    weights = weights / weights.sum()
    lines = F.conv1d(F.pad(mask[:, None], (reach, reach), mode="replicate"), weights[None, None])[:, 0]
    columns = F.conv1d(F.pad(lines.T[:, None], (reach, reach), mode="replicate"), weights[None, None])[:, 0]
    return columns.T.clamp(0, 1)


_SEVERAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "union": torch.maximum,
    "intersection": torch.minimum,
    "difference": _difference,
}
_ONE: dict[str, Callable[[Tensor, float], Tensor]] = {
    "invert": lambda mask, _: 1 - mask,
    "grow": dilated,
    "shrink": _shrunk,
    "blur": blurred,
    "threshold": lambda mask, amount: (mask >= amount).to(mask.dtype),
}
