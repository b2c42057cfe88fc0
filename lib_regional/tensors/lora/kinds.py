"""The kinds of LoRA: from a layer's tensors to what is added to its weight.

Each kind is a function of the parts, the layer's shape and its weight W0, and gives ΔW at strength 1. Plain LoRA and LoCon stay in factors,
so that they cost their rank and not the layer. Sources: Hu et al. 2021 (LoRA); the LyCORIS library's formulas (LoCon, LoHa, LoKr,
IA3, OFT, GLoRA, full, norm); Liu et al. 2024 (DoRA, equation 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import torch
from einops import rearrange
from torch import Tensor

from ..precision import full_precision
from .deltas import LayerDelta, LayerKind
from .keys import NetworkError, Parts


@dataclass(frozen=True)
class Target:
    """The layer that a delta is for: how it works, the shape of its weight, its weight without any LoRA, and how many ranks to use."""

    kind: LayerKind
    shape: tuple[int, ...]
    weight: Callable[[], Tensor]
    dyn: int | None = None

    def fit(self, delta: Tensor) -> Tensor:
        """``delta`` in the weight's shape. Raises `NetworkError` if it cannot be."""
        if delta.numel() != prod(self.shape) or delta.shape[0] != self.shape[0]:
            raise _misfit(tuple(delta.shape), self.shape)
        return delta.reshape(self.shape)


def _misfit(found: tuple[int, ...], wanted: tuple[int, ...]) -> NetworkError:
    return NetworkError(f"its shape {_times(found)} is not that of the layer, {_times(wanted)}.")


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "none"


def layer_delta(parts: Parts, target: Target) -> LayerDelta:
    """What ``parts`` add to ``target`` at strength 1, in fp32 where the first part is.

    Raises `NetworkError` for parts that make no LoRA, misfit or have rank 0.
    """
    kind = next((kind for needs, kind in KINDS if all(any(name in parts for name in need.split("|")) for need in needs.split())), None)
    if kind is None:
        raise NetworkError(f"its parts {', '.join(sorted(parts))} make no kind of LoRA that is known here.")
    empty = next((name for name, value in parts.items() if value.numel() == 0), None)
    if empty is not None:
        raise NetworkError(f"it has rank 0 ({empty} is empty).")
    device = next(iter(parts.values())).device
    layer = replace(target, weight=lambda: target.weight().to(device, torch.float32))
    try:
        with full_precision(device):
            return kind({name: value.to(device, torch.float32) for name, value in parts.items()}, layer)
    except (RuntimeError, IndexError) as error:
        raise NetworkError(f"its parts do not fit together or the layer's shape {_times(target.shape)}.") from error


def _scale(parts: Parts, rank: int | None) -> float:
    if "scale" in parts:
        return float(parts["scale"])
    return float(parts["alpha"]) / rank if rank and "alpha" in parts else 1.0


def _dense(parts: Parts, target: Target, delta: Tensor, rank: int | None = None, bias: Tensor | None = None) -> LayerDelta:
    """``delta`` (times alpha/rank, then through DoRA if there is a magnitude) as a whole weight."""
    whole = target.fit(delta + parts["bias"].reshape(delta.shape) if "bias" in parts else delta) * _scale(parts, rank)
    if "dora_scale" in parts or "magnitude" in parts:
        whole = _decomposed(parts, target, whole)
    return LayerDelta(target.kind, weight=whole, bias=bias)


def _decomposed(parts: Parts, target: Target, delta: Tensor) -> Tensor:
    """DoRA: m · (W0 + ΔW) / ‖W0 + ΔW‖ − W0, norms per input channel, or per output channel where the magnitudes are (out, 1, …)."""
    weight = target.weight()
    merged = weight + delta
    size = parts["dora_scale"] if "dora_scale" in parts else parts["magnitude"].reshape(-1, 1)
    by_output = size.shape[0] == target.shape[0] and size.numel() == target.shape[0]
    axis = 0 if by_output else 1
    others = tuple(i for i in range(merged.dim()) if i != axis)
    norm = torch.linalg.vector_norm(merged, dim=others, keepdim=True)
    if size.numel() != norm.numel():
        raise _misfit(tuple(size.shape), tuple(norm.shape))
    change: Tensor = merged * (size.reshape(norm.shape) / norm) - weight
    return change


def _low_rank(parts: Parts, target: Target) -> LayerDelta:
    """LoRA and LoCon: up ∘ (mid ∘) down."""
    down, up, mid = parts["lora_down.weight"], parts["lora_up.weight"], parts.get("lora_mid.weight")
    rank = down.shape[0]
    if mid is None:
        down, up = down[: target.dyn], up[:, : target.dyn]
    if {"dora_scale", "magnitude", "bias"} & set(parts):
        return _dense(parts, target, _merged(down, up, mid), rank)
    down, up, mid = _shaped(down, up, mid, target)
    return LayerDelta(target.kind, down=down, mid=mid, up=up * _scale(parts, rank))


def _merged(down: Tensor, up: Tensor, mid: Tensor | None) -> Tensor:
    flat = up.flatten(1)
    if mid is None:
        return (flat @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])
    return torch.einsum("nmkl,in,mj->ijkl", mid, flat, down.flatten(1))


def _shaped(down: Tensor, up: Tensor, mid: Tensor | None, target: Target) -> tuple[Tensor, Tensor, Tensor | None]:
    """Factors in the layer's own number of dimensions."""
    outputs, inputs, *kernel = target.shape
    rank = down.shape[0]
    wide = mid if mid is not None else down
    expected = (inputs, *kernel) if mid is None else (inputs, *(1 for _ in kernel))
    if wide.flatten(1).shape[1] != prod((rank if mid is not None else inputs, *kernel)) or up.shape[0] != outputs or up[0].numel() != rank:
        raise _misfit((up.shape[0], *wide.shape[1:]), target.shape)
    if kernel and wide.dim() == 4 and list(wide.shape[2:]) != kernel:
        raise _misfit((up.shape[0], *wide.shape[1:]), target.shape)
    return down.reshape(rank, *expected), up.reshape(outputs, rank, *(1 for _ in kernel)), mid


def _full(parts: Parts, target: Target) -> LayerDelta:
    return _dense(parts, target, parts["diff"], bias=parts.get("diff_b"))


def _norm(parts: Parts, target: Target) -> LayerDelta:
    return LayerDelta(target.kind, weight=target.fit(parts["w_norm"]), bias=parts.get("b_norm"))


def _core(core: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Tucker form: core (i, j, k, l), first (i, out), second (j, in) -> (out, in, k, l)."""
    return torch.einsum("ijkl,jr,ip->prkl", core, second, first)


def _hadamard(parts: Parts, target: Target) -> LayerDelta:
    """LoHa: (w1a w1b) ∘ (w2a w2b), element by element."""
    factors = [_product(parts, f"hada_w{n}_a", f"hada_w{n}_b", f"hada_t{n}") for n in (1, 2)]
    return _dense(parts, target, target.fit(factors[0]) * target.fit(factors[1]), parts["hada_w1_b"].shape[0])


def _product(parts: Parts, first: str, second: str, core: str) -> Tensor:
    a, b = parts[first], parts[second]
    return _core(parts[core], a, b) if core in parts else a.flatten(1) @ b.flatten(1)


def _kronecker(parts: Parts, target: Target) -> LayerDelta:
    """LoKr: w1 ⊗ w2, either of which may be a product."""
    w1 = parts["lokr_w1"] if "lokr_w1" in parts else parts["lokr_w1_a"] @ parts["lokr_w1_b"]
    w2 = parts["lokr_w2"] if "lokr_w2" in parts else _product(parts, "lokr_w2_a", "lokr_w2_b", "lokr_t2")
    ranked = next((parts[name] for name in ("lokr_w2_b", "lokr_w1_b") if name in parts), None)
    if w2.dim() == 4:
        w1 = w1[:, :, None, None]
    return _dense(parts, target, torch.kron(w1, w2.contiguous()), None if ranked is None else ranked.shape[0])


def _scaling(parts: Parts, target: Target) -> LayerDelta:
    """IA3: the weight times one number per input or output channel."""
    weight, factor = target.weight(), parts["weight"].flatten()
    on_input = bool(parts["on_input"])
    axis = 1 if on_input else 0
    if factor.numel() != weight.shape[axis]:
        raise _misfit(tuple(parts["weight"].shape), target.shape)
    return _dense(parts, target, weight * factor.reshape([-1 if i == axis else 1 for i in range(weight.dim())]))


def _general(parts: Parts, target: Target) -> LayerDelta:
    """GLoRA: b2 b1 + W0 a2 a1."""
    weight = target.weight().flatten(1)
    a1, a2, b1, b2 = (parts[f"{name}.weight"].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    return _dense(parts, target, b2 @ b1 + weight @ a2 @ a1, a1.shape[0])


def _orthogonal(parts: Parts, target: Target) -> LayerDelta:
    """OFT and BOFT: the weight's output channels turned block by block; the rotation is the Cayley transform of a skew matrix."""
    weight = target.weight()
    blocks = parts["oft_blocks"] if "oft_blocks" in parts else parts["oft_diag"]
    if "oft_blocks" in parts:
        blocks = _cayley(blocks, float(parts["alpha"]) * target.shape[0] if "alpha" in parts else 0.0)
    turned = _butterfly(blocks, weight) if blocks.dim() == 4 else _by_blocks(blocks, weight)
    if "rescale" in parts:
        turned = turned * parts["rescale"].reshape(-1, *(1 for _ in weight.shape[1:]))
    return LayerDelta(target.kind, weight=target.fit(turned - weight))


def _cayley(blocks: Tensor, limit: float) -> Tensor:
    """Blocks (…, n, n) -> rotations; the skew part's norm is at most ``limit`` (0: any)."""
    skew = blocks - blocks.transpose(-1, -2)
    if limit:
        norm = skew.norm()
        skew = skew * ((norm.clamp(max=limit) + 1e-8) / (norm + 1e-8))
    one = torch.eye(blocks.shape[-1], device=blocks.device)
    rotations: Tensor = (one + skew) @ torch.linalg.inv(one - skew)
    return rotations


def _by_blocks(blocks: Tensor, weight: Tensor) -> Tensor:
    count, size = blocks.shape[0], blocks.shape[1]
    if count * size != weight.shape[0]:
        raise _misfit(tuple(blocks.shape), tuple(weight.shape))
    parts = weight.reshape(count, size, -1)
    return torch.einsum("knm,kni->kmi", blocks, parts).reshape(weight.shape)


def _butterfly(blocks: Tensor, weight: Tensor) -> Tensor:
    """BOFT: stages (m, blocks, n, n), each over channels shuffled anew."""
    flat, size = weight.flatten(1), blocks.shape[-1]
    for stage, block in enumerate(blocks):
        step = 2**stage * (size // 2)
        shuffled = rearrange(rearrange(flat, "(n two step) c -> (n step two) c", two=2, step=step), "(blocks n) c -> blocks n c", n=size)
        turned = torch.einsum("bij,bjc->bic", block, shuffled)
        flat = rearrange(rearrange(turned, "blocks n c -> (blocks n) c"), "(n step two) c -> (n two step) c", two=2, step=step)
    return flat.reshape(weight.shape)


KINDS: tuple[tuple[str, Callable[[Parts, Target], LayerDelta]], ...] = (
    ("lora_up.weight lora_down.weight", _low_rank),
    ("hada_w1_a hada_w1_b hada_w2_a hada_w2_b", _hadamard),
    ("lokr_w1|lokr_w1_a lokr_w2|lokr_w2_a", _kronecker),
    ("a1.weight a2.weight b1.weight b2.weight", _general),
    ("oft_blocks|oft_diag", _orthogonal),
    ("weight on_input", _scaling),
    ("diff", _full),
    ("w_norm", _norm),
)
"""The parts that a kind needs (``a|b``: either) -> how its delta is made; the first that fits."""
