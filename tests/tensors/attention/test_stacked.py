"""Stacked, combined and bucketed regional attention against one reference, written out row by row and region by region."""

import math

import pytest
import torch
from half import every_dtype

from lib_regional.tensors.attention.combined import attend_combined, combine
from lib_regional.tensors.attention.regional import Part, attend, make_recipe, split_heads
from lib_regional.tensors.attention.stacked import attend_stacked, stack_parts
from lib_regional.tensors.attention.ways import cheapest_way

HEADS, WIDTH, TOKENS = 2, 8, 24
TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
ROWS = {
    "one row": {1: "ab"},
    "one region": {0: "a"},
    "rows that ask the same": {0: "ab", 1: "ab"},
    "rows that ask others": {0: "ab", 1: "ca"},
    "rows apart, contexts of two lengths": {0: "aL", 2: "bL", 3: "c"},
    "every row": {0: "abc", 1: "L", 2: "a", 3: "bcaL"},
}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def context(name):
    """K and V (heads, T, d) of a context; ``L`` is longer than the others."""
    length = 14 if name == "L" else 7
    return tuple(drawn(HEADS, length, WIDTH // HEADS, seed=100 * ord(name) + n) for n in (0, 1))


def reference(q, own, parts, names, dtype):
    """In fp64, from what is rounded to ``dtype``."""

    def said(row, k, v):
        asked, k, v = (z.to(dtype).double() for z in (split_heads(q[row][None], HEADS)[0], k, v))
        attended = torch.softmax(asked @ k.transpose(1, 2) / math.sqrt(WIDTH // HEADS), -1) @ v
        return attended.transpose(0, 1).flatten(1)

    out = []
    for row in range(len(q)):
        mine = [(part, name) for part, name in zip(parts, names, strict=True) if part.row == row]
        total = said(row, own[0][row], own[1][row]) * (1 - sum((part.weights for part, _ in mine), torch.zeros(TOKENS)))[:, None]
        out.append(total + sum((said(row, *context(name)) * part.weights[:, None] for part, name in mine), torch.zeros(TOKENS, WIDTH)))
    return torch.stack(out)


def case(asked):
    parts, names = [], []
    for row, contexts in asked.items():
        maps = torch.rand(len(contexts), TOKENS, generator=torch.Generator().manual_seed(row))
        maps[:, : TOKENS // 3] *= torch.eye(len(contexts))[:, : len(contexts)].repeat(1, TOKENS)[:, : TOKENS // 3]
        maps = maps / (maps.sum(0) + 0.2)
        parts += [Part(row, weight, context(name)[0].shape[1]) for weight, name in zip(maps, contexts, strict=True)]
        names += contexts
    return parts, names


def pairs_of(members, names, dtype):
    return [tuple(torch.stack([context(names[at])[n] for at in group]).to(dtype) for n in (0, 1)) for group in members]


@every_dtype
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("grad", [False, True], ids=["", "with a gradient"])
def test_all_ways_are_the_formula(name, dtype, grad):
    parts, names = case(ROWS[name])
    q, own = drawn(4, TOKENS, WIDTH), (drawn(4, HEADS, 5, WIDTH // HEADS), drawn(4, HEADS, 5, WIDTH // HEADS, seed=1))
    expected = reference(q, own, parts, names, dtype)
    asked, mine = q.to(dtype).requires_grad_(grad), tuple(z.to(dtype) for z in own)

    groups = stack_parts(parts, names, dtype=dtype)
    members = [stack.members for group in groups for stack in group.stacks]
    stacked = attend_stacked(groups, asked, mine, pairs_of(members, names, dtype), HEADS)

    recipe, base = make_recipe(parts, dtype=dtype), torch.ones(4, TOKENS, 1)
    for part in parts:
        base[part.row] -= part.weights[:, None]
    attended = torch.nn.functional.scaled_dot_product_attention(split_heads(asked, HEADS), *mine).transpose(1, 2).flatten(2)
    buckets = [bucket.members for bucket in recipe.buckets]
    bucketed = attend(recipe, asked, pairs_of(buckets, names, dtype), HEADS, onto=attended * base.to(dtype))
    ways = [stacked, bucketed]
    if len({part.length for part in parts}) == 1:
        combined = combine(parts, base).to("cpu", dtype)
        ways.append(attend_combined(combined, asked, mine, *pairs_of([combined.members], names, dtype), HEADS))
    for got in ways:
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), expected.double(), atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    if grad:
        slope, *others = (torch.autograd.grad(got.float().sum(), asked, retain_graph=True)[0] for got in ways)
        for other in others:
            torch.testing.assert_close(slope, other, atol=10 * TOLERANCE[dtype], rtol=TOLERANCE[dtype])


def test_rows_that_ask_the_same_contexts_need_them_once():
    parts, names = case({0: "ab", 1: "ab"})
    [group] = stack_parts(parts, names)
    assert [stack.joined for stack in group.stacks] == [True] and group.stacks[0].members == (0, 1)
    parts, names = case({0: "ab", 1: "cb"})
    [group] = stack_parts(parts, names)
    assert [stack.joined for stack in group.stacks] == [False] and group.stacks[0].members == (0, 2, 1, 3)


def columns(count, tokens):
    """Regions side by side that share the canvas without overlapping."""
    edges = [round(n * tokens / count) for n in range(count + 1)]
    return [Part(0, ((torch.arange(tokens) >= a) & (torch.arange(tokens) < b)).float(), 77) for a, b in zip(edges, edges[1:], strict=False)]


STRIPS = [torch.arange(64).sub(16 * n + 8).abs().lt(11).float() / 2 for n in range(4)]
OVERLAPPING = [(row[:, None] * column).flatten() for row in STRIPS for column in STRIPS]
CHOICES = {
    "a CPU multiplies no more than it must": (columns(4, 4096), 640, "cpu", "buckets"),
    "few tokens": (columns(16, 64), 640, "cuda", "stacked"),
    "a middling grid": (columns(4, 1024), 640, "cuda", "stacked"),
    "a large grid without overlaps": (columns(16, 16384), 640, "cuda", "buckets"),
    "regions that all overlap": ([Part(0, torch.full((1024,), 0.1), 77) for _ in range(8)], 640, "cuda", "stacked"),
    "many that overlap here and there": ([Part(row, one, 77) for row in (0, 1) for one in OVERLAPPING], 640, "cuda", "combined"),
    "the same on a CPU": ([Part(row, one, 77) for row in (0, 1) for one in OVERLAPPING], 640, "cpu", "buckets"),
    "contexts of two lengths": ([Part(0, one, 77 * (1 + n % 2)) for n, one in enumerate(OVERLAPPING)], 640, "cuda", "buckets"),
    "nothing acts": ([Part(0, torch.zeros(64), 77)], 640, "cuda", "buckets"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_cheapest_way_is_chosen(name):
    """Buckets are made where they may be the cheapest alone."""
    parts, channels, device, way = CHOICES[name]
    found, recipe = cheapest_way(parts, channels, device)
    assert found == way and (recipe is not None or way != "buckets")


def test_a_token_gathers_what_acts_on_it():
    """Each of three parts on its own places, one place shared, one that nothing acts on."""
    maps = torch.tensor([[0.5, 0.5, 0, 0, 0, 0], [0, 0.25, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
    combined = combine([Part(row, one, 7) for row, one in zip((0, 0, 1, 1), maps, strict=True)], torch.zeros(2, 6, 1))
    assert combined.members == (0, 1, 2) and combined.queries.tolist() == [0, 1, 0, 1, 2, 3, 10, 10, 10]
    assert combined.weights[:, 0].tolist() == [[0.5, 0], [0.5, 0.25], [1, 0], [1, 0], [0, 0], [0, 0], *[[0, 0]] * 4, [1, 0], [0, 0]]
    acting = [
        [(int(a), float(w)) for a, w in zip(*row, strict=True) if w] for row in zip(combined.answers, combined.weights[:, 0], strict=True)
    ]
    assert acting == [[(0, 0.5)], [(1, 0.5), (3, 0.25)], [(4, 1)], [(5, 1)], [], [], [], [], [], [], [(6, 1)], []]
