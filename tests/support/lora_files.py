"""LoRAs of every kind with random numbers, and a naive merge written from the formulas, for tests to compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Parts = dict[str, Tensor]


def _r(*shape: int) -> Tensor:
    return 0.2 * torch.randn(*shape)


def lora(shape: tuple[int, ...], rank: int = 3) -> Parts:
    out, inner, *kernel = shape
    up, down = _r(out, rank, *(1 for _ in kernel)), _r(rank, inner, *kernel)
    return {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(2.0)}


def locon_mid(shape: tuple[int, ...]) -> Parts:
    out, inner, *kernel = shape
    mid = _r(3, 3, *kernel)
    return {"lora_up.weight": _r(out, 3, 1, 1), "lora_down.weight": _r(3, inner, 1, 1), "lora_mid.weight": mid, "alpha": torch.tensor(1.5)}


def dora(shape: tuple[int, ...]) -> Parts:
    return {**lora(shape), "dora_scale": 0.5 + torch.rand(1, shape[1], *(1 for _ in shape[2:]))}


def dora_out(shape: tuple[int, ...]) -> Parts:
    return {**lora(shape), "dora_scale": 0.5 + torch.rand(shape[0], *(1 for _ in shape[1:]))}


def loha(shape: tuple[int, ...]) -> Parts:
    out, inner, *kernel = shape
    wide = inner * int(np.prod(kernel))
    parts = {f"hada_w{n}_{side}": _r(*size) for n in (1, 2) for side, size in (("a", (out, 2)), ("b", (2, wide)))}
    return {**parts, "alpha": torch.tensor(1.0)}


def loha_tucker(shape: tuple[int, ...]) -> Parts:
    out, inner, *kernel = shape
    parts = {f"hada_w{n}_{side}": _r(*size) for n in (1, 2) for side, size in (("a", (2, out)), ("b", (2, inner)))}
    return {**parts, "hada_t1": _r(2, 2, *kernel), "hada_t2": _r(2, 2, *kernel), "alpha": torch.tensor(1.0)}


def lokr(shape: tuple[int, ...]) -> Parts:
    out, inner, *kernel = shape
    return {"lokr_w1": _r(2, 2), "lokr_w2": _r(out // 2, inner // 2, *kernel)}


def lokr_ranked(shape: tuple[int, ...]) -> Parts:
    out, inner, *kernel = shape
    wide = inner // 4 * int(np.prod(kernel))
    low = {"lokr_w1_a": _r(2, 1), "lokr_w1_b": _r(1, 4), "lokr_w2_a": _r(out // 2, 3), "lokr_w2_b": _r(3, wide)}
    return {**low, "alpha": torch.tensor(2.0)}


def full(shape: tuple[int, ...]) -> Parts:
    return {"diff": _r(*shape), "diff_b": _r(shape[0])}


def ia3_in(shape: tuple[int, ...]) -> Parts:
    return {"weight": _r(shape[1]), "on_input": torch.tensor(True)}


def ia3_out(shape: tuple[int, ...]) -> Parts:
    return {"weight": _r(shape[0]), "on_input": torch.tensor(False)}


def glora(shape: tuple[int, ...]) -> Parts:
    out, inner = shape[0], int(np.prod(shape[1:]))
    sizes = {"a1.weight": (2, inner), "a2.weight": (inner, 2), "b1.weight": (2, inner), "b2.weight": (out, 2)}
    return {**{name: _r(*size) for name, size in sizes.items()}, "alpha": torch.tensor(1.0)}


def oft(shape: tuple[int, ...]) -> Parts:
    size = shape[0] // 4
    return {"oft_blocks": _r(4, size, size), "alpha": torch.tensor(0.01)}


def oft_free(shape: tuple[int, ...]) -> Parts:
    return {"oft_blocks": _r(4, shape[0] // 4, shape[0] // 4), "rescale": 1 + _r(shape[0], *(1 for _ in shape[1:]))}


def oft_diag(shape: tuple[int, ...]) -> Parts:
    return {"oft_diag": torch.eye(shape[0] // 4) + _r(4, shape[0] // 4, shape[0] // 4)}


def boft(shape: tuple[int, ...]) -> Parts:
    return {"oft_blocks": _r(2, shape[0] // 4, 4, 4)}


LINEAR: dict[str, Callable[[tuple[int, ...]], Parts]] = {
    "lora": lora,
    "dora": dora,
    "dora by output": dora_out,
    "loha": loha,
    "lokr": lokr,
    "lokr in factors": lokr_ranked,
    "full": full,
    "ia3 on input": ia3_in,
    "ia3 on output": ia3_out,
    "glora": glora,
    "oft": oft,
    "oft without limit": oft_free,
    "oft old": oft_diag,
    "boft": boft,
}
CONV: dict[str, Callable[[tuple[int, ...]], Parts]] = {
    **{name: make for name, make in LINEAR.items() if name != "glora"},
    "locon with mid": locon_mid,
    "loha with core": loha_tucker,
}


def norm(shape: tuple[int, ...]) -> Parts:
    return {"w_norm": _r(*shape), "b_norm": _r(*shape)}


# ------------------------------------------------------------------ the naive merge, in numpy and with loops


def merged(kind: str, parts: Parts, weight: Tensor) -> np.ndarray:
    """W0 + ΔW of one kind at strength 1 as (out, in · kernel) in double precision; element by element where that is short."""
    w0 = weight.double().flatten(1).numpy()
    p = {name: value.double().numpy() for name, value in parts.items()}
    return NAIVE[kind.split(" ")[0]](p, w0, weight)


def _lora(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    rank = p["lora_down.weight"].shape[0]
    up, down = p["lora_up.weight"].reshape(-1, rank), p["lora_down.weight"].reshape(rank, -1)
    return w0 + sum(np.outer(up[:, r], down[r]) for r in range(rank)) * (p["alpha"] / rank)


def _locon(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    up, down, mid = p["lora_up.weight"][:, :, 0, 0], p["lora_down.weight"][:, :, 0, 0], p["lora_mid.weight"]
    delta = np.zeros(weight.shape)
    for a in range(3):
        for b in range(3):
            delta += up[:, a][:, None, None, None] * down[b][None, :, None, None] * mid[a, b]
    return w0 + delta.reshape(w0.shape) * (p["alpha"] / 3)


def _dora(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    new = _lora(p, w0, weight).reshape(weight.shape)
    scale = p["dora_scale"]
    along = 0 if scale.shape[0] == weight.shape[0] and scale.size == weight.shape[0] else 1
    for i in range(weight.shape[along]):
        here = new[i] if along == 0 else new[:, i]
        here *= scale.ravel()[i] / np.sqrt((here**2).sum())
    return new.reshape(w0.shape)


def _loha(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    def one(n: int) -> np.ndarray:
        a, b = p[f"hada_w{n}_a"], p[f"hada_w{n}_b"]
        if f"hada_t{n}" not in p:
            return a @ b
        core = p[f"hada_t{n}"]
        total = np.zeros(weight.shape)
        for i in range(core.shape[0]):
            for j in range(core.shape[1]):
                total += a[i][:, None, None, None] * b[j][None, :, None, None] * core[i, j]
        return total.reshape(w0.shape)

    return w0 + one(1) * one(2) * (p["alpha"] / p["hada_w1_b"].shape[0])


def _lokr(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    ranked = "lokr_w2_a" in p
    w1 = p["lokr_w1_a"] @ p["lokr_w1_b"] if ranked else p["lokr_w1"]
    w2 = p["lokr_w2_a"] @ p["lokr_w2_b"] if ranked else p["lokr_w2"]
    w2 = w2.reshape(w2.shape[0], -1)
    rows, columns = w1.shape
    delta = np.block([[w1[i, j] * w2 for j in range(columns)] for i in range(rows)])
    return w0 + delta * (p["alpha"] / p["lokr_w2_b"].shape[0] if ranked else 1.0)


def _full(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    return w0 + p["diff"].reshape(w0.shape)


def _ia3(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    cube = weight.double().numpy().copy()
    for i, value in enumerate(p["weight"].ravel()):
        if p["on_input"]:
            cube[:, i] *= 1 + value
        else:
            cube[i] *= 1 + value
    return cube.reshape(w0.shape)


def _glora(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    a = p["a2.weight"] @ p["a1.weight"]
    return w0 + (w0 @ a + p["b2.weight"] @ p["b1.weight"]) * (p["alpha"] / p["a1.weight"].shape[0])


def _oft(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    if "oft_diag" in p:
        blocks = p["oft_diag"]
    else:
        skew = np.stack([block - block.T for block in p["oft_blocks"]])
        if "alpha" in p:
            limit, size = p["alpha"] * w0.shape[0], np.sqrt((skew**2).sum())
            skew *= min(1.0, limit / size)
        blocks = np.stack([(np.eye(len(q)) + q) @ np.linalg.inv(np.eye(len(q)) - q) for q in skew])
    size = blocks.shape[-1]
    new = np.concatenate([blocks[k].T @ w0[k * size : (k + 1) * size] for k in range(len(blocks))])
    return new * p["rescale"].reshape(-1, 1) if "rescale" in p else new


def _boft(p: dict, w0: np.ndarray, weight: Tensor) -> np.ndarray:
    """Stage i pairs channels 2^i · b/2 apart: in each run of channels the two halves are interleaved, turned in blocks, put back."""
    new = w0.copy()
    for i, stage in enumerate(p["oft_blocks"]):
        half = 2**i * stage.shape[-1] // 2
        order = [run + side * half + k for run in range(0, len(w0), 2 * half) for k in range(half) for side in (0, 1)]
        dealt = new[order]
        size = stage.shape[-1]
        for d, block in enumerate(stage):
            skew = block - block.T
            turn = (np.eye(size) + skew) @ np.linalg.inv(np.eye(size) - skew)
            dealt[d * size : (d + 1) * size] = turn @ dealt[d * size : (d + 1) * size]
        new[order] = dealt
    return new


NAIVE: dict[str, Callable[[dict, np.ndarray, Tensor], np.ndarray]] = {
    "lora": _lora,
    "locon": _locon,
    "dora": _dora,
    "loha": _loha,
    "lokr": _lokr,
    "full": _full,
    "ia3": _ia3,
    "glora": _glora,
    "oft": _oft,
    "boft": _boft,
}
