"""Stacked LoRAs against their whole weights, one by one and place by place."""

import pytest
import torch
import torch.nn.functional as F
from half import every_dtype

from lib_regional.tensors.lora.deltas import LayerDelta, LayerKind
from lib_regional.tensors.lora.low_rank import dense
from lib_regional.tensors.lora.stacked import (
    add_conv,
    add_gathered,
    add_on_rows,
    add_outer,
    factors_of,
    gathered,
    inner_conv,
    inner_tokens,
    is_low_rank,
    on_rows,
    rank_maps,
    stacking_convs_pays,
    stacking_loras_pays,
    token_maps,
)

TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 8e-2}
IN, OUT = 12, 10
LINEAR, CONV = LayerKind("linear"), LayerKind("conv", (2, 1), (1, 1))
RANKS = {"equal ranks": (4, 4, 4), "unequal ranks": (2, 5, 3)}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def linear(rank, seed):
    return LayerDelta(LINEAR, down=drawn(rank, IN, seed=seed) * 0.3, up=drawn(OUT, rank, seed=seed) * 0.3)


def conv(rank, seed, tucker=False):
    up = drawn(OUT, rank, 1, 1, seed=seed) * 0.3
    if tucker:
        return LayerDelta(CONV, down=drawn(rank, IN, 1, 1, seed=seed) * 0.3, mid=drawn(rank, rank, 3, 3, seed=seed) * 0.3, up=up)
    return LayerDelta(CONV, down=drawn(rank, IN, 3, 3, seed=seed) * 0.3, up=up)


def written_out(deltas, strengths, x, y):
    """In fp64: y + Σ s_i (ΔW_i x), with strengths that fit y's places."""
    total = y.double()
    for delta, strength in zip(deltas, strengths, strict=True):
        is_conv = delta.layer.kind == "conv"
        weight = dense(delta, (OUT, IN, 3, 3) if is_conv else (OUT, IN)).double()
        made = F.conv2d(x.double(), weight, None, CONV.stride, CONV.padding) if is_conv else F.linear(x.double(), weight)
        total = total + strength.double() * made
    return total


def check(got, expected, dtype):
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@every_dtype
@pytest.mark.parametrize("ranks", RANKS.values(), ids=RANKS)
def test_tokens(ranks, dtype):
    deltas = [linear(rank, n) for n, rank in enumerate(ranks)]
    x, y, strengths = drawn(2, 20, IN).to(dtype), drawn(2, 20, OUT).to(dtype), drawn(3, 2, 20)
    strengths[0, :, 5:] = 0
    factors = factors_of(deltas, y)
    flat = [one.flatten() for one in strengths]
    maps, before = token_maps(flat, factors.ranks).to(dtype), y.clone()
    expected = written_out(deltas, strengths[..., None], x, y)
    check(add_outer(y, inner_tokens(x, factors.down, maps), factors.up), expected, dtype)
    check(add_gathered(x, y, gathered(factors, flat)), expected, dtype)
    assert torch.equal(y, before)


def test_layers_that_read_the_same_tokens_share_the_first_product():
    layers = [[linear(4, 10 * layer + n) for n in range(2)] for layer in range(3)]
    x, strengths = drawn(2, 20, IN), drawn(2, 40)
    factors = [factors_of(deltas, x) for deltas in layers]
    h = inner_tokens(x, torch.cat([one.down for one in factors]), token_maps(list(strengths), (4, 4)), 3)
    for layer, (deltas, one) in enumerate(zip(layers, factors, strict=True)):
        y = drawn(2, 20, OUT, seed=layer)
        got = add_outer(y, h[..., 8 * layer : 8 * layer + 8], one.up)
        check(got, written_out(deltas, strengths.view(2, 2, 20, 1), x, y), torch.float32)


@every_dtype
def test_disjoint_supports_are_gathered_at_once_and_negative_strengths_stay(dtype):
    deltas, strengths = [linear(4, n) for n in range(3)], torch.zeros(3, 30)
    for n in range(3):
        strengths[n, 10 * n : 10 * n + 9] = -0.5 - n
    x, y = drawn(1, 30, IN).to(dtype), drawn(1, 30, OUT).to(dtype)
    buckets = gathered(factors_of(deltas, y), list(strengths))
    assert len(buckets) == 1
    check(add_gathered(x, y, buckets), written_out(deltas, strengths[:, None, :, None], x, y), dtype)


@every_dtype
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("ranks", RANKS.values(), ids=RANKS)
def test_convolutions_also_of_three_factors(ranks, channels_last, dtype):
    deltas = [conv(rank, n, tucker=n == 1) for n, rank in enumerate(ranks)]
    x, y, strengths = drawn(2, IN, 7, 6).to(dtype), drawn(2, OUT, 4, 6).to(dtype), drawn(3, 2, 4, 6)
    if channels_last:
        x, y = (z.contiguous(memory_format=torch.channels_last) for z in (x, y))
    factors = factors_of(deltas, y)
    maps = rank_maps(list(strengths), factors.ranks).movedim(-1, 1).to(dtype)
    check(add_conv(y, inner_conv(x, factors), maps, factors), written_out(deltas, strengths[:, :, None], x, y), dtype)


@every_dtype
@pytest.mark.parametrize("kind", ["tokens", "vectors", "convolution"])
def test_rows_have_factors_of_their_own(kind, dtype):
    shapes = {"tokens": ((3, 5, IN), (3, 5, OUT)), "vectors": ((3, IN), (3, OUT)), "convolution": ((3, IN, 7, 6), (3, OUT, 4, 6))}
    x, y = (drawn(*shape).to(dtype) for shape in shapes[kind])
    deltas = [(conv if kind == "convolution" else linear)(rank, n) for n, rank in enumerate((2, 5))]
    strengths = torch.tensor([[0.7, 0.0, 0.0], [-0.4, 1.5, 0.0]])
    made = on_rows(factors_of(deltas, y), list(strengths))
    assert made.index.shape == (3, 7)
    got = add_on_rows(x, y, made)
    check(got, written_out(deltas, strengths.view(2, 3, *(1 for _ in y.shape[1:])), x, y), dtype)
    assert torch.equal(got[2], y[2])


def test_what_cannot_be_stacked():
    assert is_low_rank(linear(2, 0)) and is_low_rank(conv(2, 0, tucker=True))
    assert not is_low_rank(LayerDelta(LINEAR, weight=drawn(OUT, IN)))
    assert not is_low_rank(LayerDelta(LINEAR, down=drawn(2, IN), up=drawn(OUT, 2), bias=drawn(OUT)))
    assert not is_low_rank(LayerDelta(LayerKind("conv", groups=2), down=drawn(2, 6, 3, 3), up=drawn(OUT, 2, 1, 1)))


@pytest.mark.parametrize(("device", "regions", "stacked"), [("cuda", 2, True), ("cuda", 4, True), ("cuda", 16, False), ("cpu", 4, False)])
def test_many_loras_on_a_large_grid_are_gathered(device, regions, stacked):
    """Regions side by side, rank 32 each, on 64² tokens of two rows and 320 channels."""
    deltas = [LayerDelta(LINEAR, down=torch.zeros(32, 320), up=torch.zeros(320, 32)) for _ in range(regions)]
    factors = factors_of(deltas, torch.zeros(1))
    assert stacking_loras_pays(factors, 8192, [8192 // regions] * regions, device) == stacked


@pytest.mark.parametrize(("device", "stacked"), [("cuda", True), ("cpu", False)])
def test_convolutions_of_four_regions_are_stacked_on_a_gpu(device, stacked):
    assert stacking_convs_pays([32] * 4, [2048] * 4, 8192, (9 * 320, 320), device) == stacked
