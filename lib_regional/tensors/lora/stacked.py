"""All LoRAs of a layer at once: ``y += ((x Dᵀ) ⊙ M) Uᵀ``, with D all downs stacked, U all ups, and M the LoRAs' strengths at each place.

That is three operators however many LoRAs there are, but every LoRA is computed everywhere. *Gathered*: tokens by the LoRA that acts on
them, for many LoRAs on large grids; *rows*: each row of the batch with factors of its own, for LoRAs on whole rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..attention.regional import Part, make_recipe
from ..device_costs import seconds
from ..precision import full_precision, in_type, single
from .deltas import LayerDelta, LayerKind


@dataclass(frozen=True)
class Factors:
    """LoRAs of one layer: ``down`` (Σr, in) or (Σr, in, kh, kw), ``up`` (Σr, out), and their ``ranks``."""

    layer: LayerKind
    down: Tensor
    up: Tensor
    ranks: tuple[int, ...]


def is_low_rank(delta: LayerDelta) -> bool:
    """Whether ``delta`` can be stacked: two factors (or three) of a linear layer or of a convolution, and nothing else."""
    return delta.down is not None and delta.up is not None and delta.bias is None and delta.layer.groups == 1


def factors_of(deltas: Sequence[LayerDelta], like: Tensor) -> Factors:
    """``deltas`` of one layer (`is_low_rank`) stacked, on the device and in the precision of ``like``."""
    downs, ups = [_down(delta) for delta in deltas], [delta.up.flatten(1) for delta in deltas if delta.up is not None]
    return Factors(deltas[0].layer, joined(downs, like), joined(ups, like, 1).mT, tuple(len(one) for one in downs))


def factors_of_layers(layers: Mapping[str, Sequence[LayerDelta]], like: Tensor) -> dict[str, Factors]:
    """`factors_of` many layers; those of like layers lie one after the other in one block, in the order given, and are made in one go."""
    downs = _in_blocks({name: [_down(delta) for delta in deltas] for name, deltas in layers.items()}, like)
    ups = _in_blocks({name: [d.up.flatten(1).mT for d in deltas if d.up is not None] for name, deltas in layers.items()}, like)
    return {name: Factors(deltas[0].layer, downs[name], ups[name], tuple(map(rank_of, deltas))) for name, deltas in layers.items()}


def _in_blocks(layers: Mapping[str, Sequence[Tensor]], like: Tensor) -> dict[str, Tensor]:
    """The tensors of each layer one after the other along their first axis; those of one shape beyond it in one block."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, parts in layers.items():
        groups.setdefault(tuple(parts[0].shape[1:]), []).append(name)
    found: dict[str, Tensor] = {}
    for names in groups.values():
        block = joined([part for name in names for part in layers[name]], like)
        found.update(zip(names, block.split([sum(map(len, layers[name])) for name in names]), strict=True))
    return found


def one_after_the_other(parts: Sequence[Tensor]) -> Tensor:
    """Matrices of one shape joined: a view where they lie so in one block already."""
    first, step = parts[0], parts[0].numel()
    starts = [first.storage_offset() + n * step for n in range(len(parts))]
    together = all(one.is_contiguous() and one.untyped_storage()._cdata == first.untyped_storage()._cdata for one in parts)
    if together and [one.storage_offset() for one in parts] == starts:
        return first.as_strided((len(parts) * len(first), *first.shape[1:]), first.stride())
    return torch.cat(list(parts))


def rank_of(delta: LayerDelta) -> int:
    """Of a low-rank delta; 0 for others."""
    wide = delta.mid if delta.mid is not None else delta.down
    return 0 if wide is None else len(wide)


def joined(parts: Sequence[Tensor], like: Tensor, axis: int = 0) -> Tensor:
    """``parts`` one after the other along ``axis``, on the device and in the precision of ``like``: joined first, then copied once."""
    if len({part.device for part in parts}) > 1:
        parts = [part.to(like.device) for part in parts]
    whole = parts[0] if len(parts) == 1 else torch.cat(list(parts), axis)
    return whole if (whole.device, whole.dtype) == (like.device, like.dtype) else whole.to(like.device, like.dtype)


def _down(delta: LayerDelta) -> Tensor:
    """The first factor, with the middle one of three multiplied in: (r, in, kh, kw)."""
    assert delta.down is not None
    if delta.mid is None:
        return delta.down if delta.layer.kind == "conv" else delta.down.flatten(1)
    with full_precision(delta.down.device):
        return torch.einsum("nmkl,mj->njkl", single(delta.mid), single(delta.down.flatten(1)))


def rank_maps(strengths: Sequence[Tensor], ranks: Sequence[int]) -> Tensor:
    """Strengths (…) of every LoRA -> (…, n), where n is their number, or that of all their ranks if those differ."""
    stacked = torch.stack(list(strengths), -1)
    return stacked if len(set(ranks)) == 1 else stacked.repeat_interleave(torch.tensor(list(ranks)), -1)


def token_maps(strengths: Sequence[Tensor], ranks: Sequence[int]) -> Tensor:
    """Strengths (N,) of every LoRA -> (N, 1, n, 1), as `inner_tokens` takes them."""
    return rank_maps(strengths, ranks)[:, None, :, None]


def inner_tokens(x: Tensor, down: Tensor, maps: Tensor, members: int = 1) -> Tensor:
    """x (…, in), ``down`` of ``members`` layers one after the other, maps (N, 1, n, 1) over all tokens N -> (…, members · Σr)."""
    tokens, _, count, _ = maps.shape
    h = F.linear(in_type(x, down.dtype), down)
    return (h.view(tokens, members, count, -1) * maps).view(h.shape)


def add_outer(y: Tensor, h: Tensor, up: Tensor) -> Tensor:
    """y (…, out) + h (…, Σr) up -> as y, a new tensor."""
    rows, right = y, in_type(h, up.dtype)
    if y.dim() != 3:
        rows, right = y.reshape(1, -1, y.shape[-1]), right.reshape(1, -1, h.shape[-1])
    done = _sum_of_products(rows, right, up.expand(rows.shape[0], -1, -1))
    return done if rows is y else done.view(y.shape)


def _sum_of_products(y: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """y (B, n, m) + left (B, n, k) right (B, k, m), in y's own type: autocast would round one that the host keeps in fp32."""
    if y.dtype != torch.float32:
        return torch.baddbmm(y, left, right)
    with full_precision(y.device):
        return torch.baddbmm(y, left, right)


def inner_conv(x: Tensor, factors: Factors) -> Tensor:
    """x (B, in, H, W) -> (B, Σr, h, w)"""
    layer = factors.layer
    return F.conv2d(in_type(x, factors.down.dtype), factors.down, None, layer.stride, layer.padding, layer.dilation)


def add_conv(y: Tensor, h: Tensor, maps: Tensor, factors: Factors) -> Tensor:
    """y (B, out, h, w) + the LoRAs' inner values h (B, Σr, h, w) at strengths maps (B, n, h, w) -> (B, out, h, w), a new tensor."""
    rows, count, *cells = maps.shape
    weighted = (h.view(rows, count, -1, *cells) * maps[:, :, None]).reshape(rows, h.shape[1], -1)
    up = factors.up.mT.expand(len(y), -1, -1)
    return _sum_of_products(y.flatten(2), up, in_type(weighted, up.dtype)).view(y.shape)


@dataclass(frozen=True)
class OnRows:
    """LoRAs on whole rows of a batch: ``index`` (B, R): the ranks that each row uses; ``scale`` (B, R): their strengths, 0 for padding."""

    factors: Factors
    index: Tensor
    scale: Tensor


def on_rows(factors: Factors, strengths: Sequence[Tensor]) -> OnRows:
    """Each LoRA's strength by row (B,) -> what every row needs, and no more."""
    table = torch.stack(list(strengths), -1).repeat_interleave(torch.tensor(factors.ranks), -1)  # (B, Σr)
    chosen = [torch.nonzero(row)[:, 0] for row in table]
    most = max(len(here) for here in chosen)
    index, scale = torch.zeros(len(table), most, dtype=torch.long), torch.zeros(len(table), most)
    for row, here in enumerate(chosen):
        index[row, : len(here)], scale[row, : len(here)] = here, table[row, here]
    return OnRows(factors, index.to(factors.down.device), scale.to(factors.down.device, factors.down.dtype))


def add_on_rows(x: Tensor, y: Tensor, rows: OnRows) -> Tensor:
    """y + every row's own deltas of x: x (B, …, in), y (B, …, out), or both spatial -> as y, a new tensor.

    Rows' factors are gathered for the call: kept, they would take the LoRAs' memory once more for every arrangement of rows.
    """
    down, up, layer = rows.factors.down[rows.index], rows.factors.up[rows.index], rows.factors.layer
    x = in_type(x, down.dtype)
    if layer.kind == "conv":
        grouped = F.conv2d(x.flatten(0, 1)[None], down.flatten(0, 1), None, layer.stride, layer.padding, layer.dilation, len(x))
        h = grouped.view(len(x), down.shape[1], -1) * rows.scale[..., None]
        return _sum_of_products(y.flatten(2), up.mT, in_type(h, y.dtype)).view(y.shape)
    h = torch.bmm(x.reshape(len(x), -1, x.shape[-1]), down.mT) * rows.scale[:, None]
    return _sum_of_products(y.reshape(len(y), -1, y.shape[-1]), in_type(h, up.dtype), up).view(y.shape)


@dataclass(frozen=True)
class Gathered:
    """LoRAs that share no token: ``places`` (n·S,) among all N tokens, strengths ``weights`` (n, S, 1), ``down`` (n, in, r), ``up``
    (n, r, out)."""

    places: Tensor
    weights: Tensor
    down: Tensor
    up: Tensor


def gathered(factors: Factors, strengths: Sequence[Tensor]) -> tuple[Gathered, ...]:
    """Strengths (N,) of each LoRA at every token -> what is computed in one go each."""
    like = factors.down
    parts = [Part(0, one, rank) for one, rank in zip(strengths, factors.ranks, strict=True)]
    # strengths may be negative: supports are those of their sizes
    recipe = make_recipe([Part(0, part.weights.abs(), part.length) for part in parts])
    downs, ups = like.split(list(factors.ranks)), factors.up.split(list(factors.ranks))
    found = []
    for bucket in recipe.buckets:
        count, size = bucket.weights.shape[:2]
        places = torch.arange(size).repeat(count) if bucket.places is None else bucket.places
        signed = torch.stack([parts[at].weights[here] for at, here in zip(bucket.members, places.view(count, size), strict=True)])
        weights = torch.where(bucket.weights[..., 0] != 0, signed, 0.0)[..., None].to(like.device, like.dtype)
        down, up = torch.stack([downs[at].T for at in bucket.members]), torch.stack([ups[at] for at in bucket.members])
        found.append(Gathered(places.to(like.device), weights, down.contiguous(), up))
    return tuple(found)


def add_gathered(x: Tensor, y: Tensor, buckets: Sequence[Gathered]) -> Tensor:
    """x (…, in), y (…, out) -> y with the LoRAs on their tokens, a new tensor."""
    tokens, done = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    for bucket in buckets:
        here = tokens[bucket.places].view(*bucket.weights.shape[:2], -1)
        more = torch.bmm(torch.bmm(in_type(here, bucket.down.dtype), bucket.down) * bucket.weights, bucket.up)
        done = done.index_add(0, bucket.places, in_type(more.flatten(0, 1), done.dtype))
    return done.view(y.shape)


def stacking_loras_pays(factors: Factors, tokens: int, supports: Sequence[int], device: str, size: int = 2) -> bool:
    """Whether computing every LoRA on all ``tokens`` is cheaper on ``device`` than on those of its own support, gathered.

    ``size`` is that of a number in bytes.
    """
    inner, outer = factors.down.shape[1], factors.up.shape[1]
    work = sum(n * rank for n, rank in zip(supports, factors.ranks, strict=True))
    all_ranks = sum(factors.ranks)
    stacked = seconds(device, 3, 2 * tokens * all_ranks * (inner + outer), 4 * tokens * all_ranks * size)
    calls = 5 * (1 if sum(supports) <= tokens else len(supports))
    moved = sum(supports) * (2 * inner + 3 * outer) * size + 4 * work * size
    return stacked <= seconds(device, calls, 2 * work * (inner + outer), moved)


def stacking_on_rows_pays(factors: Factors, strengths: Sequence[Sequence[float]], tokens: int, device: str, size: int = 2) -> bool:
    """Whether all LoRAs on all rows of so many ``tokens`` are cheaper on ``device`` than each row's own; strengths by LoRA and row."""
    rows, widths = len(strengths[0]), factors.down[0].numel() + factors.up.shape[1]
    own = max(sum(rank for rank, one in zip(factors.ranks, strengths, strict=True) if one[row]) for row in range(rows))
    stacked = seconds(device, 3, 2 * rows * tokens * sum(factors.ranks) * widths, 0)
    return stacked <= seconds(device, 5, 2 * rows * tokens * own * widths, 2 * rows * own * widths * size)


def stacking_convs_pays(
    ranks: Sequence[int], supports: Sequence[int], cells: int, widths: tuple[int, int], device: str, size: int = 2
) -> bool:
    """Whether the LoRAs of a convolution are cheaper on ``device`` all together on all ``cells`` than one by one on their ``supports``.

    ``widths``: inputs under the kernel, and outputs; ``size`` is that of a number in bytes.
    """
    work = sum(n * rank for n, rank in zip(supports, ranks, strict=True))
    stacked = seconds(device, 3, 2 * cells * sum(ranks) * sum(widths), 4 * cells * sum(ranks) * size)
    return stacked <= seconds(device, 6 * len(ranks), 2 * work * sum(widths), 4 * sum(supports) * widths[1] * size)
