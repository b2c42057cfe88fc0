"""Convolutions in which the parts of a labelled canvas see zeros beyond themselves, as pictures of their own (see `isolation`).

Where the parts' bounding boxes are of about one size and cover little more than the canvas (columns, rows, a grid), they are brought onto
the batch axis, the layer runs on them as it is, and its results go back: two operators beside the layer, three where boxes are not filled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..lora.deltas import LayerKind
from .isolation_labels import BEYOND, COMMON, Bools, Grid, Ints, Ranges, brought, kinds_of, outputs_of, under_taps
from .isolation_tiles import from_tiles, into_tiles, tiling_of

_MOST_CELLS = 1.25
"""All boxes together may have this many times the canvas's cells."""
_MOST_MOVED = 2**16
"""Boxes of a canvas of more cells than a latent has are not gathered: indices of all cells cost more than what lies at the borders."""


@dataclass(frozen=True)
class Boxes:
    """n boxes of ``size`` (H', W') for ``outputs`` (h, w): where the inputs in each are, and where its results go.

    ``inside`` (B·n, 1, H', W') is 1 where inputs are of the part and 0 elsewhere, None where all are. ``places`` is how many rows and
    columns of equal rectangles the boxes cut the canvas into, see `isolation_tiles`, or the indices where they do not.
    """

    size: Grid
    outputs: Grid
    inside: Tensor | None
    places: Grid | Indices


@dataclass(frozen=True)
class Indices:
    """``seen`` (B, n, 1, H'·W'): the flat inputs in each of n boxes; ``box`` and ``position`` (B, 1, h·w): each output's box of B·n, and
    its place in that box's result.
    """

    seen: Tensor
    box: Tensor
    position: Tensor
    ranges: Ranges


def conv_boxed(x: Tensor, boxes: Boxes, run: Callable[[Tensor], Tensor]) -> Tensor:
    """x (B, in, H, W) -> (B, out, h, w) of the convolution ``run`` within the parts."""
    moved = into_boxes(x, boxes)
    if boxes.inside is not None:
        moved = moved * boxes.inside
    return back_from_boxes(run(moved), boxes)


def into_boxes(x: Tensor, boxes: Boxes) -> Tensor:
    """x (B, C, H, W) -> (B·n, C, H', W')"""
    places = boxes.places
    if isinstance(places, tuple):
        return into_tiles(x, places)
    numbers, device = places.ranges, x.device
    rows, channels = numbers(len(x), device)[:, None, None, None], numbers(x.shape[1], device)[:, None]
    return x.flatten(2)[rows, channels, places.seen].view(-1, x.shape[1], *boxes.size)


def back_from_boxes(done: Tensor, boxes: Boxes) -> Tensor:
    """A convolution's results in boxes (B·n, C, h', w') -> (B, C, h, w)"""
    places = boxes.places
    if isinstance(places, tuple):
        return from_tiles(done, places)
    back = done.flatten(2)[places.box, places.ranges(done.shape[1], done.device)[:, None], places.position]
    return back.view(len(places.box), -1, *boxes.outputs)


def boxes_of(
    layer: LayerKind,
    kernel: Grid,
    inputs: Tensor,
    outputs: Tensor,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    ranges: Ranges | None = None,
) -> Boxes | None:
    """The boxes of a convolution between labels of its input (B, H, W) and its output (B, h, w), both on the CPU.

    None where places of `COMMON` see several parts, where rows have different numbers of parts, boxes cover too much, or there is too much
    to move. ``ranges`` are shared with other boxes where given.
    """
    before, after = inputs.numpy(), outputs.numpy()
    equal = _equal_tiles(layer, kernel, before, after)
    if equal is not None:
        return equal
    if after[0].size > _MOST_MOVED:
        return None
    kinds = [kinds_of(row) for row in after]
    if any(COMMON in row for row in kinds) or bool((before == COMMON).any()) or len({len(row) for row in kinds}) > 1:
        return None
    labels = np.array(kinds)
    starts, ends = _corners(after[:, None] == labels[..., None, None])
    height, width = (ends - starts).max((0, 1)).tolist()
    size = height * layer.stride[0], width * layer.stride[1]
    cells, fits = after[0].size, outputs_of(layer, kernel, size) == (height, width)
    if not fits or height * width * labels.shape[1] > _MOST_CELLS * cells:
        return None
    flat, inside = _inputs(before, labels, starts * np.array(layer.stride), size)
    number, position = _places(after, labels, starts, width)
    if not _all_within(layer, kernel, before, after, flat, inside):
        return None
    grid = (after.shape[1], after.shape[2])
    if inside.all():
        tiling = tiling_of(after)
        if tiling is not None and (tiling[0] * size[0], tiling[1] * size[1]) == before.shape[1:]:
            return Boxes(size, grid, None, tiling)
    masks = None if inside.all() else torch.from_numpy(inside.reshape(-1, 1, *size)).to(device, dtype)
    box = number + np.arange(len(after))[:, None] * labels.shape[1]
    seen, box_at, position_at = brought([flat[:, :, None], box[:, None], position[:, None]], device)
    return Boxes(size, grid, masks, Indices(seen, box_at, position_at, ranges or Ranges()))


def _equal_tiles(layer: LayerKind, kernel: Grid, inputs: Ints, outputs: Ints) -> Boxes | None:
    """Boxes of a canvas (B, H, W) that equal rectangles make up, before the layer and behind it (B, h, w); None of any other."""
    tiling = tiling_of(outputs)
    if tiling is None or tiling_of(inputs) != tiling:
        return None
    height, width = inputs.shape[1] // tiling[0], inputs.shape[2] // tiling[1]
    after = outputs.shape[1] // tiling[0], outputs.shape[2] // tiling[1]
    alike = np.array_equal(inputs[:, ::height, ::width], outputs[:, :: after[0], :: after[1]])
    if not alike or outputs_of(layer, kernel, (height, width)) != after:
        return None
    return Boxes((height, width), (outputs.shape[1], outputs.shape[2]), None, tiling)


def _corners(masks: Bools) -> tuple[Ints, Ints]:
    """masks (B, n, h, w) -> the first row and column of each, and one past the last ones, (B, n, 2)."""
    lines = [masks.any(axis) for axis in (3, 2)]
    starts = np.stack([line.argmax(-1) for line in lines], -1)
    return starts, np.stack([line.shape[-1] - line[..., ::-1].argmax(-1) for line in lines], -1)


def _inputs(inputs: Ints, labels: Ints, starts: Ints, size: Grid) -> tuple[Ints, Bools]:
    """Flat inputs (B, n, H'·W') of boxes at ``starts`` (B, n, 2), those past the canvas moved to its edge, and which are of the part."""
    height, width = inputs.shape[1:]
    rows = (starts[..., 0, None] + np.arange(size[0]))[..., None]
    columns = (starts[..., 1, None] + np.arange(size[1]))[..., None, :]
    shape = (*starts.shape[:2], size[0] * size[1])
    within = ((rows < height) & (columns < width)).reshape(shape)
    flat = (rows.clip(max=height - 1) * width + columns.clip(max=width - 1)).reshape(shape)
    here = inputs.reshape(len(inputs), -1)[np.arange(len(inputs))[:, None, None], flat]
    return flat, within & (here == labels[..., None])


def _places(outputs: Ints, labels: Ints, starts: Ints, width: int) -> tuple[Ints, Ints]:
    """For each output (B, h·w): the number of its part in its row, and its place in the part's box."""
    number = (outputs.reshape(len(outputs), -1, 1) == labels[:, None]).argmax(-1)
    first = starts[np.arange(len(starts))[:, None], number]
    at = np.arange(number.shape[1])
    return number, (at // outputs.shape[2] - first[..., 0]) * width + at % outputs.shape[2] - first[..., 1]


def _all_within(layer: LayerKind, kernel: Grid, inputs: Ints, outputs: Ints, flat: Ints, inside: Bools) -> bool:
    """Whether every input of its own part that an output is made of lies in its part's box."""
    row, part, place = np.nonzero(inside)
    held = np.zeros((len(inputs), inputs[0].size), bool)
    held[row, flat[row, part, place]] = True
    if held.all():
        return True
    left_out = np.where(held.reshape(inputs.shape), BEYOND, inputs)
    grid = (outputs.shape[1], outputs.shape[2])
    return not any((tap == outputs).any() for tap in under_taps(layer, kernel, left_out, grid))
