"""Masks that grow, shrink and fade inside their own edge, in pixels or cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def grown(mask: Tensor, radius: int) -> Tensor:
    """mask (H, W) -> (H, W): the maximum over the square that reaches ``radius`` to every side."""
    if radius < 1:
        return mask
    found = F.max_pool2d(mask[None, None], (1, 2 * radius + 1), stride=1, padding=(0, radius))
    return F.max_pool2d(found, (2 * radius + 1, 1), stride=1, padding=(radius, 0))[0, 0]


def faded_inside(mask: Tensor, width: int) -> Tensor:
    """mask (H, W) of 0 and 1 -> a ramp about ``width`` wide inside its edges: 0 wherever the mask is 0, 1 deeper inside.

    Where the mask ends at the canvas it does not fade. A mask narrower than the ramp keeps 1 in its middle.
    """
    radius = min(width // 2, _thickness(mask))
    if radius < 1:
        return mask
    core = 1 - grown(1 - mask, radius)
    soft = core[None, None]
    for kernel, pad in (((1, 2 * radius + 1), (radius, radius, 0, 0)), ((2 * radius + 1, 1), (0, 0, radius, radius))):
        soft = F.avg_pool2d(F.pad(soft, pad, mode="replicate"), kernel, stride=1)
    return torch.where(mask > 0, soft[0, 0].clamp(0, 1), 0.0)


def _thickness(mask: Tensor) -> int:
    """The largest radius by which ``mask`` can shrink three times over and still be there; it does not shrink at the canvas."""
    low, high = 0, max(mask.shape)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if bool((1 - grown(1 - mask, middle)).any()) else (low, middle - 1)
    return low // 3


def bounding_box(mask: Tensor, margin: int = 0) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) around what is above 0 in ``mask`` (H, W), with ``margin`` where the canvas has it."""
    rows, columns = torch.nonzero(mask.any(1))[:, 0], torch.nonzero(mask.any(0))[:, 0]
    height, width = mask.shape
    left, right = max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)
    return left, max(0, int(rows[0]) - margin), right, min(height, int(rows[-1]) + 1 + margin)
