"""Deltas of LoRAs at work: what they add to a layer's output, where.

``y(p) = W x(p) + Σ m(p) · ΔW x(p)`` with m the strength at each place (design, section 2). Linear layers are computed on the tokens in the
support of m alone, convolutions on its bounding box with the halo that the kernel needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import full_precision, single
from .deltas import LayerDelta, LayerKind

Box = tuple[int, int, int, int]
"""top, left, bottom, right in cells; the ends are outside."""


def moved(delta: LayerDelta, like: Tensor) -> LayerDelta:
    """``delta`` on the device and in the precision of ``like``."""
    parts = {name: getattr(delta, name) for name in ("weight", "down", "mid", "up", "bias")}
    return replace(delta, **{name: value.to(like.device, like.dtype) for name, value in parts.items() if value is not None})


def added(delta: LayerDelta, x: Tensor) -> Tensor:
    """ΔW x + Δb over the whole of ``x``, the layer's input: linear (…, in), convolution (B, in, h, w), norm as the layer has it."""
    return _ADDED[delta.layer.kind](delta, x)


def whole(delta: LayerDelta) -> LayerDelta:
    """A convolution's delta with its factors multiplied out."""
    if delta.weight is not None or delta.down is None or delta.up is None:
        return delta
    weight = dense(delta, (delta.up.shape[0], delta.down.shape[1], *_kernel(delta)))
    return LayerDelta(delta.layer, weight=weight, bias=delta.bias)


def dense(delta: LayerDelta, shape: tuple[int, ...]) -> Tensor:
    """ΔW as one tensor of the weight's ``shape``, factors multiplied in fp32; zeros where only the bias changes."""
    if delta.weight is not None:
        return delta.weight.reshape(shape)
    if delta.down is None or delta.up is None:
        return torch.zeros(shape)
    up, down = single(delta.up.flatten(1)), single(delta.down.flatten(1))
    with full_precision(up.device):
        if delta.mid is None:
            return (up @ down).reshape(shape)
        return torch.einsum("nmkl,in,mj->ijkl", single(delta.mid), up, down).reshape(shape)


def _linear(delta: LayerDelta, x: Tensor) -> Tensor:
    if delta.weight is not None:
        return F.linear(x.to(delta.weight.dtype), delta.weight.flatten(1), delta.bias)
    assert delta.down is not None and delta.up is not None
    return F.linear(F.linear(x.to(delta.down.dtype), delta.down), delta.up, delta.bias)


def _conv(delta: LayerDelta, x: Tensor) -> Tensor:
    return _convolved(delta, x, delta.layer.padding)


def _convolved(delta: LayerDelta, x: Tensor, padding: tuple[int, int]) -> Tensor:
    layer = delta.layer
    if delta.weight is not None:
        return F.conv2d(x.to(delta.weight.dtype), delta.weight, delta.bias, layer.stride, padding, layer.dilation, layer.groups)
    assert delta.down is not None and delta.up is not None
    x = x.to(delta.down.dtype)
    if delta.mid is None:
        inner = F.conv2d(x, delta.down, None, layer.stride, padding, layer.dilation)
    else:
        inner = F.conv2d(F.conv2d(x, delta.down), delta.mid, None, layer.stride, padding, layer.dilation)
    return F.conv2d(inner, delta.up, delta.bias)


def _group_norm(delta: LayerDelta, x: Tensor) -> Tensor:
    return _affine(F.group_norm(x, delta.layer.groups, None, None, delta.layer.eps), delta, 1)


def _layer_norm(delta: LayerDelta, x: Tensor) -> Tensor:
    return _affine(F.layer_norm(x, x.shape[-1:], None, None, delta.layer.eps), delta, x.dim() - 1)


def _affine(normed: Tensor, delta: LayerDelta, axis: int) -> Tensor:
    def wide(values: Tensor) -> Tensor:
        return values.reshape([-1 if i == axis else 1 for i in range(normed.dim())])

    done = normed * wide(delta.weight) if delta.weight is not None else torch.zeros_like(normed)
    return done + wide(delta.bias) if delta.bias is not None else done


_ADDED: dict[str, Callable[[LayerDelta, Tensor], Tensor]] = {
    "linear": _linear,
    "conv": _conv,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
}


def add_everywhere(delta: LayerDelta, x: Tensor, y: Tensor, strengths: Tensor, rows: Tensor) -> None:
    """Adds to ``y`` (B, …), in place, the delta on whole ``rows``, ``strengths`` (B,) each; the others are not computed."""
    if len(rows) == len(x):
        y += (added(delta, x) * _beside(strengths, y)).to(y.dtype)
    elif len(rows):
        y.index_add_(0, rows, (added(delta, x[rows]) * _beside(strengths[rows], y)).to(y.dtype))


def _beside(strengths: Tensor, y: Tensor) -> Tensor:
    return strengths.to(y.dtype).reshape(-1, *(1 for _ in y.shape[1:]))


def add_on_tokens(delta: LayerDelta, x: Tensor, y: Tensor, support: Tensor, strengths: Tensor) -> None:
    """Adds to ``y`` (B, L, out), in place and contiguous, the delta on some tokens.

    ``support`` (N,) indexes the flattened (B·L), ``strengths`` (N,) in the precision of ``y``.
    """
    flat, out = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
    if len(support) == len(out):
        out += added(delta, flat) * strengths[:, None]
    else:
        out.index_add_(0, support, (added(delta, flat[support]) * strengths[:, None]).to(y.dtype))


def add_in_box(delta: LayerDelta, x: Tensor, y: Tensor, rows: Tensor, box: Box, strengths: Tensor) -> None:
    """Adds to ``y`` (B, out, h, w), in place, the delta inside ``box`` of some ``rows`` (n,), times ``strengths`` (n, 1, box h, box w).

    ``x`` (B, in, H, W) is cut to what the kernel sees of the box; past the canvas it sees zeros, as the layer does.
    """
    top, left, bottom, right = box
    seen = x if len(rows) == len(x) else x[rows]
    if delta.layer.kind != "conv":
        more = added(delta, seen)[:, :, top:bottom, left:right]
    elif (bottom - top, right - left) == tuple(y.shape[2:]):
        more = added(delta, seen)
    else:
        more = _convolved(delta, _window(delta, seen, box), (0, 0))
    place = y[:, :, top:bottom, left:right]
    if len(rows) == len(x):
        place += more * strengths
    else:
        place.index_add_(0, rows, (more * strengths).to(y.dtype))


def _window(delta: LayerDelta, x: Tensor, box: Box) -> Tensor:
    """The part of ``x`` (n, in, H, W) that the outputs in ``box`` are made of, zeros past its edges."""
    rows = _reach(delta, 0, box[0], box[2])
    columns = _reach(delta, 1, box[1], box[3])
    height, width = x.shape[2:]
    inside = x[:, :, max(0, rows[0]) : min(height, rows[1]), max(0, columns[0]) : min(width, columns[1])]
    pad = (max(0, -columns[0]), max(0, columns[1] - width), max(0, -rows[0]), max(0, rows[1] - height))
    return F.pad(inside, pad) if any(pad) else inside


def _reach(delta: LayerDelta, axis: int, start: int, stop: int) -> tuple[int, int]:
    """Inputs along an axis that the outputs ``start`` to ``stop`` see: first and one past the last, maybe outside of the input."""
    layer = delta.layer
    first = start * layer.stride[axis] - layer.padding[axis]
    last = (stop - 1) * layer.stride[axis] - layer.padding[axis] + layer.dilation[axis] * (_kernel(delta)[axis] - 1)
    return first, last + 1


def _kernel(delta: LayerDelta) -> tuple[int, int]:
    wide = next(part for part in (delta.weight, delta.mid, delta.down) if part is not None)
    return wide.shape[2], wide.shape[3]


LINEAR = LayerKind("linear")
"""What every linear layer is."""
