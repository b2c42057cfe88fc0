"""The fused regional attention against the formula written out, region by region and token by token."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_regional.tensors.attention.regional import Part, attend, make_recipe, split_heads


def naive(q, contexts, weights, heads):
    """q (L, C), contexts [(K (T, C), V (T, C))], weights (R, L): plain softmax attention of every region over every token."""
    width = q.shape[1] // heads
    out = torch.zeros_like(q)
    for (k, v), weight in zip(contexts, weights, strict=True):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = q[:, part] @ k[:, part].T / math.sqrt(width)
            out[:, part] += weight[:, None] * (torch.softmax(scores, -1) @ v[:, part])
    return out


def fused(q, parts, keys, heads):
    recipe = make_recipe(parts, q.device, q.dtype)
    stacked = [
        (torch.stack([split_heads(keys[i][0][None], heads)[0] for i in b.members]),
         torch.stack([split_heads(keys[i][1][None], heads)[0] for i in b.members]))
        for b in recipe.buckets
    ]  # fmt: skip
    return recipe, attend(recipe, q, stacked, heads)


def random_maps(generator, regions, tokens, sparsity):
    maps = torch.rand(regions, tokens, generator=generator, dtype=torch.float64)
    maps[torch.rand(regions, tokens, generator=generator) < sparsity] = 0
    return maps / maps.sum(0).clamp_min(1e-9)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31), rows=st.integers(1, 4), regions=st.integers(1, 6), tokens=st.integers(1, 40),
    heads=st.sampled_from([1, 2, 4]), sparsity=st.sampled_from([0.0, 0.4, 0.9]),
)  # fmt: skip
def test_equals_the_formula(seed, rows, regions, tokens, heads, sparsity):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    q, parts, keys, expected = draw(rows, tokens, 4 * heads), [], [], []
    for row in range(rows):
        maps = random_maps(generator, regions, tokens, sparsity)
        lengths = [7 * (1 + int(torch.randint(0, 3, (1,), generator=generator))) for _ in range(regions)]
        own = [(draw(length, 4 * heads), draw(length, 4 * heads)) for length in lengths]
        parts += [Part(row, maps[r], lengths[r]) for r in range(regions)]
        keys += own
        expected.append(naive(q[row], own, maps, heads))
    _, got = fused(q, parts, keys, heads)
    torch.testing.assert_close(got, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_disjoint_regions_of_equal_size_are_one_call_over_their_own_tokens():
    maps = torch.zeros(4, 64)
    for r in range(4):
        maps[r, 16 * r : 16 * (r + 1)] = 1
    recipe = make_recipe([Part(0, m, 77) for m in maps])
    assert len(recipe.buckets) == 1
    assert recipe.buckets[0].weights.shape == (4, 16, 1)


def test_overlapping_parts_never_share_a_call_so_that_sums_have_one_order():
    parts = [Part(0, torch.full((8,), 0.25), 77) for _ in range(4)]
    assert [b.members for b in make_recipe(parts).buckets] == [(0,), (1,), (2,), (3,)]


def test_kinds_and_context_lengths_are_kept_apart():
    one = torch.ones(8)
    parts = [Part(0, one, 77, "own"), Part(1, one, 77, "own"), Part(2, one, 77, "region"), Part(3, one, 154, "region")]
    assert sorted(b.members for b in make_recipe(parts).buckets) == [(0, 1), (2,), (3,)]


def test_a_part_without_support_costs_nothing():
    assert make_recipe([Part(0, torch.zeros(8), 77)]).buckets == ()


@pytest.mark.parametrize("lengths", [(10, 11, 12), (10, 20, 40)], ids=["padded", "apart"])
def test_padding_within_a_bucket_changes_nothing(lengths):
    tokens = 64
    generator = torch.Generator().manual_seed(1)
    maps = torch.zeros(3, tokens, dtype=torch.float64)
    start = 0
    for r, length in enumerate(lengths):
        maps[r, start : start + length] = 1
        start = min(start + length, tokens - lengths[-1])
    maps = maps / maps.sum(0).clamp_min(1)
    q = torch.randn(1, tokens, 8, generator=generator, dtype=torch.float64)
    keys = [
        (torch.randn(5, 8, generator=generator, dtype=torch.float64), torch.randn(5, 8, generator=generator, dtype=torch.float64))
        for _ in lengths
    ]
    _, got = fused(q, [Part(0, m, 5) for m in maps], keys, 2)
    torch.testing.assert_close(got[0], naive(q[0], keys, maps, 2))
