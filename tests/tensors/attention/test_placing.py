"""Scores against sums written out by hand, in every precision."""

from __future__ import annotations

import math

import pytest
import torch

from lib_regional.tensors.attention.placing import owners, placed, region_score, spread, word_attention
from tests.support.half import every_precision, exact

HEADS, TOKENS, WIDTH, CELLS = 2, 7, 4, 6


def naive(q, k, positions, scale):
    """Attention on the ``positions`` per cell, number by number."""
    found = []
    for cell in q:
        total = 0.0
        for head in range(HEADS):
            own = cell[head * WIDTH : (head + 1) * WIDTH]
            weights = [math.exp(sum(a * b for a, b in zip(own, key, strict=True)) * scale) for key in k[head]]
            total += sum(weights[at] for at in positions) / sum(weights)
        found.append(total / HEADS)
    return found


@every_precision
def test_attention_on_words(case):
    q, k = exact(CELLS, HEADS * WIDTH), exact(HEADS, TOKENS, WIDTH, seed=1)
    words = [(1,), (2, 3), (6,)]
    with case.ambient():
        made = word_attention(case.of(q), case.of(k), words, 0.5)
    expected = [naive(q.double().tolist(), k.double().tolist(), at, 0.5) for at in words]
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=1e-6)


def test_spread_is_of_one_cell_and_of_all():
    assert spread(torch.tensor([0.0, 0.3, 0.0, 0.0])) == pytest.approx(0, abs=1e-6)
    assert spread(torch.full((9,), 0.01)) == pytest.approx(1, abs=1e-6)


def test_placed_is_the_root_of_mean_and_peak():
    inside, outside = torch.tensor([0.4, 0.2]), torch.tensor([0.1, 0.1])
    assert placed(inside, outside) == pytest.approx(math.sqrt(0.3 / 0.4 * 0.4 / 0.5))
    assert placed(outside, outside) == pytest.approx(0.5)
    assert placed(torch.zeros(2), torch.zeros(2)) == 0


def test_without_cells_outside_the_weakest_of_its_own_stand_for_them():
    inside = torch.tensor([0.1, 0.9, 0.5, 0.5])
    assert placed(inside, torch.zeros(0)) == pytest.approx(placed(inside, torch.tensor([0.1])))


def test_the_keyword_is_the_word_of_one_place():
    even = torch.full((8,), 0.5)
    one = torch.tensor([0.9, *[0.0] * 7])
    assert region_score([(even, even), (one, torch.zeros(8)), (even, even)]) == pytest.approx(1)
    assert region_score([(even, even), (torch.zeros(8), one), (even, even)]) == pytest.approx(0)


def test_words_that_everybody_asks_for_count_only_where_all_are_such():
    here, nowhere = torch.tensor([0.9, 0.0]), torch.zeros(0)
    other = (torch.tensor([0.2, 0.2]), torch.tensor([0.2, 0.2]))
    assert region_score([(here, nowhere), other]) == pytest.approx(0.5)
    assert region_score([(here, nowhere)]) == pytest.approx(1)


def test_a_quarter_of_the_words_are_keywords():
    even, one = torch.full((4,), 0.5), torch.tensor([0.9, 0.0, 0.0, 0.0])
    words = [(one, torch.zeros(4)), (torch.zeros(4), one), *[(even, even)] * 6]
    assert region_score(words) == pytest.approx(0.5)


def test_a_cell_belongs_to_the_region_that_has_half_of_it():
    shares = torch.tensor([[[0.6, 0.4, 0.2]], [[0.4, 0.4, 0.8]]])
    assert owners(shares).tolist() == [0, -1, 1]


def test_a_small_region_keeps_the_cell_where_it_has_most():
    shares = torch.tensor([[[1.0, 0.9, 0.7]], [[0.0, 0.1, 0.3]], [[0.0, 0.0, 0.0]]])
    assert owners(shares).tolist() == [0, 0, 1]
