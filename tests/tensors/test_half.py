"""Formulas of `tensors` in half precision, with and without autocast, at real widths, against the sums written out in double precision."""

from __future__ import annotations

import math
from functools import lru_cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_regional.engine.calls import AttentionCall, ModelCall, Row, Site, StepInfo
from lib_regional.engine.records.attention_record import AttentionRecord
from lib_regional.request.errors import RegionalError
from lib_regional.tensors.attention.isolation import attend_apart, border_of, conv_apart, norm_apart, parts_of
from lib_regional.tensors.attention.joint.bias import joint_bias
from lib_regional.tensors.attention.maps import attended, kssa_bias, marked_half, probabilities
from lib_regional.tensors.attention.regional import Part, attend, make_recipe, split_heads
from lib_regional.tensors.lora.layers import own_weights
from lib_regional.tensors.precision import autocasts, full_precision, single
from tests.support.half import CASES, Case, assert_near, every_precision, exact, runs_here

HALF = torch.float16
LONG = Case(torch.float32, HALF)
"""For numbers that are made in fp32, but of scores so large that fp32 itself is that coarse."""


def heads_of(x: Tensor, heads: int) -> Tensor:
    """(L, C) -> (heads, L, d) in double precision."""
    return x.double().unflatten(-1, (heads, -1)).transpose(0, 1)


def softly(q: Tensor, k: Tensor, heads: int, more: Tensor | float = 0.0) -> Tensor:
    """softmax(q kᵀ/√d + more) of (L, C) and (T, C), (heads, L, T)."""
    a, b = heads_of(q, heads), heads_of(k, heads)
    return (a @ b.transpose(1, 2) / math.sqrt(a.shape[-1]) + more).softmax(-1)


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, more: Tensor | float = 0.0) -> Tensor:
    return (softly(q, k, heads, more) @ heads_of(v, heads)).transpose(0, 1).flatten(1)


# ------------------------------------------------------------------ precision itself


def test_a_recent_pytorch_runs_every_case() -> None:
    """So that nothing is skipped in silence."""
    if tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 6):
        assert all(runs_here(case) for case in CASES)
    assert runs_here(Case(torch.float32)) and runs_here(Case(torch.bfloat16, torch.bfloat16))


@pytest.mark.half
def test_full_precision_ends_autocast_and_gives_it_back() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with full_precision(x.device):
            assert (x @ x).dtype == torch.float32 and not autocasts("cpu")
        assert (x @ x).dtype == torch.bfloat16 and autocasts("cpu")
    assert not autocasts("cpu")
    with full_precision("meta"), full_precision("mps"), full_precision("cuda"):  # kinds without autocast, or not there
        assert (x @ x).dtype == torch.float32
    assert single(x) is x and single(x.double()).dtype == torch.float64 and single(x.half()).dtype == torch.float32


# ------------------------------------------------------------------ attention


@lru_cache
def coupled() -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
    """Queries (2, L, C), contexts' keys and values, weights (3, L) and the weighted sum of their answers."""
    tokens, width, heads = 64, 1280, 8
    q, contexts = exact(2, tokens, width), [exact(2, 77, width, seed=1 + n) for n in range(3)]
    weights = torch.rand(3, tokens, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    weights[1, : tokens // 2] = 0
    weights /= weights.sum(0)
    expected = [sum(w[:, None] * attention(row, k, v, heads) for w, (k, v) in zip(weights, contexts, strict=True)) for row in q]
    return q, contexts, weights, torch.stack(expected)


@every_precision
def test_attention_couple(case: Case) -> None:
    q, contexts, weights, expected = coupled()
    q = case.of(q)
    parts = [Part(row, weight.float(), 77) for row in range(2) for weight in weights]
    recipe = make_recipe(parts, q.device, q.dtype)
    pairs = [
        tuple(split_heads(torch.stack([case.of(contexts[n % 3][side]) for n in bucket.members]), 8) for side in (0, 1))
        for bucket in recipe.buckets
    ]
    with case.ambient():
        assert_near(attend(recipe, q, pairs, 8), expected, case)


GRID = (48, 32)


@lru_cache
def quarters(height: int, width: int) -> Tensor:
    """Labels (1, h, w): three parts and what belongs to nobody."""
    made = torch.zeros(1, height, width, dtype=torch.long)
    made[0, : height // 2, : width // 2], made[0, height // 2 :, width // 4 :], made[0, : height // 3, width // 2 :] = 1, 2, 3
    return made


def in_sight(label: int, of: Tensor) -> Tensor:
    return torch.ones_like(of, dtype=torch.bool) if label == 0 else (of == label) | (of == 0)


@lru_cache
def isolated() -> tuple[Tensor, Tensor]:
    q, k, v = qkv = exact(3, GRID[0] * GRID[1], 160, scale=1.5)
    labels, expected = quarters(*GRID).flatten(), torch.zeros(len(q), 160, dtype=torch.float64)
    for label in range(4):
        here, seen = labels == label, in_sight(label, labels)
        expected[here] = attention(q[here], k[seen], v[seen], 2)
    return qkv[:, None], expected[None]


@every_precision
def test_self_attention_within_parts(case: Case) -> None:
    qkv, expected = isolated()
    with case.ambient():
        assert_near(attend_apart(*case.of(qkv), parts_of(quarters(*GRID)), 2), expected, case)


@lru_cache
def asked() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries and keys with channels that all tokens share: they cancel in the softmax, but their product is beyond fp16."""
    q, k, v = exact(256, 320), exact(77, 320, seed=1), exact(77, 320, seed=2)
    q[:, ::4] = k[:, ::4] = 42.0  # 40 of each head's 160: a product of 70560
    return q, k, v, softly(q, k, 2)


@every_precision
def test_probabilities_and_what_they_attend_to(case: Case) -> None:
    q, k, v, p = asked()
    with case.ambient():
        got = probabilities(case.of(q)[None], case.of(k)[None], 2, 160**-0.5)
        answer = attended(got, case.of(v)[None])
    assert_near(got[0], p, LONG, torch.float32)
    wanted = (p @ heads_of(v, 2)).transpose(0, 1).flatten(1)
    assert_near(answer[0], wanted, LONG if case.computes == torch.float32 else case, case.computes)


@every_precision
def test_keywords_in_self_attention(case: Case) -> None:
    """Marked tokens weigh ``gain`` times as much as keys."""
    q, k, _, _ = asked()
    scores = exact(256, seed=9)
    with case.ambient():
        marks = marked_half(case.of(scores))
        bias = kssa_bias(marks[None, :77], 1.7)
        got = probabilities(case.of(q)[None], case.of(k)[None], 2, 160**-0.5, bias)
    assert marks.sum() == 128 and scores[marks].min() >= scores[~marks].max()
    weighed = softly(q, k, 2) * torch.where(marks[:77], 1.7, 1.0).double()
    assert_near(got[0], weighed / weighed.sum(-1, keepdim=True), LONG, torch.float32)


@every_precision
def test_attention_records(case: Case) -> None:
    q, k, _, p = asked()
    record, words = AttentionRecord(lambda text: [1, 4, 5]), torch.tensor([1, 4, 5])
    model = ModelCall((Row(0, "cond"),), StepInfo(0, 1), (16, 16))
    nothing = lambda x: x  # noqa: E731
    call = AttentionCall(Site("a.attn2", "cross"), (16, 16), model, case.of(q)[None], case.of(k)[None], 2, 160**-0.5, *[nothing] * 4)
    with case.ambient():
        record.add(call, (0, 0), "text", case.of(q), split_heads(case.of(k)[None], 2)[0])
        got = record.maps()[0, 0]
    assert_near(got, p[..., words].sum(-1).mean(0).view(16, 16), LONG, torch.float32)


@lru_cache
def joined() -> tuple[Tensor, Tensor, Tensor]:
    """Two texts in front of a picture: q, k, v (3, L, C), weights (2, P), and the answer."""
    text, pixels, width = 128, 256, 256
    qkv = exact(3, 2 * text + pixels, width, scale=1.5)
    weights = torch.rand(2, pixels, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = (weights / weights.sum(0)).float()
    weights[0, :20], weights[1, :20] = 0, 1
    q, k, v = (heads_of(x, 2) for x in qkv)
    scores = (q @ k.transpose(1, 2) / math.sqrt(128)).exp()
    scores[:, :text, text : 2 * text] = scores[:, text : 2 * text, :text] = 0
    for n in (0, 1):
        scores[:, 2 * text :, n * text : (n + 1) * text] *= weights[n].double()[:, None]
    expected = (scores / scores.sum(-1, keepdim=True)) @ v
    return qkv, weights, expected.transpose(0, 1).flatten(1)


@every_precision
def test_joint_attention(case: Case) -> None:
    qkv, weights, expected = joined()
    q, k, v = (split_heads(case.of(x)[None], 2) for x in qkv)
    with case.ambient():
        bias = joint_bias([[(128, weights[0]), (128, weights[1])]], q.dtype)
        assert bias is not None
        got = F.scaled_dot_product_attention(q, k, v, bias)
    assert_near(got[0].transpose(0, 1).flatten(1), expected, case, case.computes)


# ------------------------------------------------------------------ norms and convolutions


@lru_cache
def normed() -> tuple[Tensor, nn.GroupNorm, Tensor]:
    """128² cells × 320 channels far from zero, and every part's group norm with what it sees cut out."""
    layer = nn.GroupNorm(32, 320, eps=1e-5)
    layer.weight.data, layer.bias.data = 1 + exact(320, scale=0.2), exact(320, seed=1, scale=0.5)
    x = (exact(1, 320, 128, 128) * 3 + 20).bfloat16().float()
    labels, exactly = quarters(128, 128)[0], x[0].double()
    expected = torch.zeros_like(exactly)
    for label in range(4):
        here, seen = labels == label, in_sight(label, labels)
        values = exactly[:, seen].view(32, -1)
        mean, std = values.mean(1), (values.var(1, unbiased=False) + 1e-5).sqrt()
        done = (exactly[:, here].view(32, 10, -1) - mean[:, None, None]) / std[:, None, None]
        expected[:, here] = done.flatten(0, 1) * layer.weight.double()[:, None] + layer.bias.double()[:, None]
    return x, layer, expected[None].detach()


@every_precision
def test_norms_within_parts(case: Case) -> None:
    x, layer, expected = normed()
    x = case.of(x)
    own = own_weights(nn.GroupNorm(32, 320).to(case.dtype), x)
    own = type(own)(own.layer, weight=case.of(layer.weight.detach()), bias=case.of(layer.bias.detach()))
    with case.ambient():
        got = norm_apart(x, own, parts_of(quarters(128, 128)))
    assert_near(got, expected, case)
    assert abs(float(got.float().std()) - float(expected.std())) < 0.01


@every_precision
@pytest.mark.parametrize("more", [{"padding": 1}, {"padding": 1, "stride": 2}], ids=str)
def test_convolutions_within_parts(case: Case, more: dict[str, int]) -> None:
    x, labels = exact(1, 1280, 6, 6), quarters(6, 6)
    layer = nn.Conv2d(1280, 64, 3, **more)
    layer.weight.data, layer.bias.data = exact(64, 1280, 3, 3, seed=1, scale=0.02), exact(64, seed=2)
    naive = lambda seen: F.conv2d(seen.double(), layer.weight.double(), layer.bias.double(), **more).detach()  # noqa: E731
    y = naive(x)
    outputs = quarters(y.shape[2], y.shape[3])
    expected = torch.zeros_like(y)
    for label in range(4):
        expected = torch.where((outputs == label)[:, None], naive(x * in_sight(label, labels)[:, None]), expected)
    own = own_weights(layer.to(case.dtype), x)
    with case.ambient():
        got = conv_apart(case.of(x), case.of(y.float()), own, border_of(own, labels, outputs))
    assert_near(got, expected, case)


# ------------------------------------------------------------------ weights that lie elsewhere


@pytest.mark.half
@pytest.mark.parametrize("dtype", [torch.float32, HALF, torch.bfloat16, torch.float8_e4m3fn], ids=str)
def test_weights_of_any_type_serve_inputs_of_another(dtype: torch.dtype) -> None:
    """As hosts store them (fp8, half) while the layer runs in another type."""
    x, labels = exact(1, 32, 8, 8), quarters(8, 8)
    norm, conv = nn.GroupNorm(4, 32), nn.Conv2d(32, 8, 3, padding=1)
    conv.weight.data = exact(8, 32, 3, 3).clamp(-2, 2).to(torch.float8_e4m3fn).float()
    y = conv(x).detach()
    own = own_weights(conv, x)
    expected = norm_apart(x, own_weights(norm, x), parts_of(labels)), conv_apart(x, y, own, border_of(own, labels, labels))
    norm, conv = norm.to(dtype), conv.to(dtype)
    own = own_weights(conv, x)
    assert torch.equal(norm_apart(x, own_weights(norm, x), parts_of(labels)), expected[0])
    assert torch.equal(conv_apart(x, y, own, border_of(own, labels, labels)), expected[1])


def test_weights_come_to_where_the_layer_runs() -> None:
    found = own_weights(nn.Conv2d(4, 4, 3), torch.empty(1, device="meta"))
    assert found.weight is not None and found.bias is not None and found.weight.is_meta and found.bias.is_meta


def test_weights_that_accelerate_offloaded_are_found() -> None:
    accelerate = pytest.importorskip("accelerate")
    conv, norm = nn.Conv2d(4, 6, 3), nn.GroupNorm(2, 4)
    before = [value.detach().clone() for layer in (conv, norm) for value in (layer.weight, layer.bias)]
    network = nn.Sequential(norm, conv)
    accelerate.cpu_offload(network, execution_device=torch.device("cpu"))
    x = torch.randn(1, 4, 5, 5)
    network(x)
    assert conv.weight.is_meta
    for layer, weight, bias in ((conv, *before[:2]), (norm, *before[2:])):
        found = own_weights(layer, x)
        assert found.weight is not None and found.bias is not None
        assert torch.equal(found.weight, weight) and torch.equal(found.bias, bias)


def test_weights_that_are_nowhere_are_an_error() -> None:
    with pytest.raises(RegionalError, match="weight of a layer .Conv2d. was moved out of memory"):
        own_weights(nn.Conv2d(4, 4, 3, device="meta"), torch.zeros(1))
