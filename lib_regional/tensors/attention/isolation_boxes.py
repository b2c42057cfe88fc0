"""Convolutions in which the parts of a labelled canvas see zeros beyond themselves, as pictures of their own (see `isolation`).

Where the parts' bounding boxes are of about one size and cover little more than the canvas (columns, rows, a grid), they are brought onto
the batch axis, the layer runs on them as it is, and its results go back: two operators beside the layer, three where boxes are not filled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..lora.deltas import LayerKind
from .isolation_labels import COMMON, Grid, Ranges, outputs_of, under_kernel

_MOST_CELLS = 1.25
"""All boxes together may have this many times the canvas's cells."""


@dataclass(frozen=True)
class Boxes:
    """``seen`` (B, n, 1, H'·W'): the flat inputs in each of n boxes of ``size`` (H', W').

    ``inside`` (B·n, 1, H', W') is 1 where they are of the part and 0 elsewhere, None where all are; ``box`` and ``position`` (B, 1, h·w)
    are each output's box of B·n, and its place in that box's result.
    """

    size: Grid
    outputs: Grid
    seen: Tensor
    inside: Tensor | None
    box: Tensor
    position: Tensor
    ranges: Ranges


def conv_boxed(x: Tensor, boxes: Boxes, run: Callable[[Tensor], Tensor]) -> Tensor:
    """x (B, in, H, W) -> (B, out, h, w) of the convolution ``run`` within the parts."""
    brought = into_boxes(x, boxes)
    if boxes.inside is not None:
        brought = brought * boxes.inside
    return back_from_boxes(run(brought), boxes)


def into_boxes(x: Tensor, boxes: Boxes) -> Tensor:
    """x (B, C, H, W) -> (B·n, C, H', W')"""
    numbers, device = boxes.ranges, x.device
    rows, channels = numbers(len(x), device)[:, None, None, None], numbers(x.shape[1], device)[:, None]
    return x.flatten(2)[rows, channels, boxes.seen].view(-1, x.shape[1], *boxes.size)


def back_from_boxes(done: Tensor, boxes: Boxes) -> Tensor:
    """A convolution's results in boxes (B·n, C, h', w') -> (B, C, h, w)"""
    back = done.flatten(2)[boxes.box, boxes.ranges(done.shape[1], done.device)[:, None], boxes.position]
    return back.view(len(boxes.box), -1, *boxes.outputs)


def boxes_of(
    layer: LayerKind,
    kernel: Grid,
    inputs: Tensor,
    outputs: Tensor,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Boxes | None:
    """The boxes of a convolution between labels of its input (B, H, W) and its output (B, h, w), both on the CPU.

    None where places of `COMMON` see several parts, where rows have different numbers of parts, or boxes cover too much.
    """
    kinds = [row.unique() for row in outputs]
    if any(COMMON in row for row in kinds) or bool((inputs == COMMON).any()) or len({len(row) for row in kinds}) > 1:
        return None
    labels = torch.stack(kinds)
    starts, ends = _corners(outputs[:, None] == labels[..., None, None])
    height, width = (ends - starts).flatten(0, 1).amax(0).tolist()
    size = height * layer.stride[0], width * layer.stride[1]
    cells, fits = outputs[0].numel(), outputs_of(layer, kernel, size) == (height, width)
    if not fits or height * width * len(kinds[0]) > _MOST_CELLS * cells:
        return None
    flat, inside = _inputs(inputs, labels, starts * torch.tensor(layer.stride), size)
    number, position = _places(outputs, labels, starts, width)
    if not _all_within(layer, kernel, inputs, outputs, number, flat, inside):
        return None
    masks = None if bool(inside.all()) else inside.view(-1, 1, *size).to(device, dtype)
    box = number + torch.arange(len(outputs))[:, None] * labels.shape[1]
    places = flat[:, :, None].to(device), masks, box[:, None].to(device), position[:, None].to(device)
    return Boxes(size, (outputs.shape[1], outputs.shape[2]), *places, Ranges())


def _corners(masks: Tensor) -> tuple[Tensor, Tensor]:
    """masks (B, n, h, w) -> the first row and column of each, and one past the last ones, (B, n, 2)."""
    lines = [masks.any(axis).int() for axis in (3, 2)]
    starts = torch.stack([line.argmax(-1) for line in lines], -1)
    return starts, torch.stack([line.shape[-1] - line.flip(-1).argmax(-1) for line in lines], -1)


def _inputs(inputs: Tensor, labels: Tensor, starts: Tensor, size: Grid) -> tuple[Tensor, Tensor]:
    """Flat inputs (B, n, H'·W') of boxes at ``starts`` (B, n, 2), those past the canvas moved to its edge, and which are of the part."""
    height, width = inputs.shape[1:]
    rows = (starts[..., 0, None] + torch.arange(size[0]))[..., None]
    columns = (starts[..., 1, None] + torch.arange(size[1]))[..., None, :]
    within = ((rows < height) & (columns < width)).flatten(2)
    flat = (rows.clamp(max=height - 1) * width + columns.clamp(max=width - 1)).flatten(2)
    here = inputs.flatten(1).gather(1, flat.flatten(1)).view(flat.shape)
    return flat, within & (here == labels[..., None])


def _places(outputs: Tensor, labels: Tensor, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """For each output (B, h·w): the number of its part in its row, and its place in the part's box."""
    number = (outputs.flatten(1)[..., None] == labels[:, None]).int().argmax(-1)
    first = starts.gather(1, number[..., None].expand(-1, -1, 2))
    at = torch.arange(number.shape[1])
    return number, (at // outputs.shape[2] - first[..., 0]) * width + at % outputs.shape[2] - first[..., 1]


def _all_within(layer: LayerKind, kernel: Grid, inputs: Tensor, outputs: Tensor, number: Tensor, flat: Tensor, inside: Tensor) -> bool:
    """Whether every input of its own part that an output is made of lies in its box."""
    under, within = under_kernel(layer, kernel, (inputs.shape[1], inputs.shape[2]), (outputs.shape[1], outputs.shape[2]))
    held = torch.zeros(len(inputs), flat.shape[1], inputs[0].numel(), dtype=torch.long).scatter_add_(2, flat, inside.long()) > 0
    own = (inputs.flatten(1)[:, under] == outputs.flatten(1)[..., None]) & within
    rows = torch.arange(len(inputs))[:, None, None]
    return not bool((own & ~held[rows, number[..., None], under]).any())
