"""Maps, entropy and keyword choice against loops; keywords in self-attention against multiplied weights."""

import math

import torch

from lib_regional.tensors.attention.maps import (
    attended,
    choose_keywords,
    histogram_entropy,
    kssa_bias,
    marked_half,
    normalised,
    probabilities,
    word_maps,
)


def test_probabilities_and_output_are_those_of_attention():
    q, k, v = torch.randn(2, 6, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    p = probabilities(q, k, 2, 0.5)
    heads = [t.view(2, -1, 2, 4).transpose(1, 2) for t in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*heads, scale=0.5).transpose(1, 2).reshape(2, 6, 8)
    assert torch.allclose(p.sum(-1), torch.ones(2, 2, 6)) and torch.allclose(attended(p, v), expected, atol=1e-6)


def naive_entropy(picture):
    values = [float(v) for row in picture for v in row]
    low, high = min(values), max(values)
    counts = {}
    for value in values:
        level = round((value - low) / max(high - low, 1e-12) * 255)
        counts[level] = counts.get(level, 0) + 1
    return -sum(c / len(values) * math.log2(c / len(values)) for c in counts.values())


def test_entropy_against_a_loop():
    maps = torch.rand(4, 6, 7, dtype=torch.float64)
    found = histogram_entropy(maps)
    assert all(abs(float(e) - naive_entropy(m.tolist())) < 1e-5 for e, m in zip(found, maps, strict=True))


def test_a_spot_has_less_entropy_than_a_gradient():
    spot = torch.zeros(8, 8)
    spot[2, 3] = 1
    ramp = torch.linspace(0, 1, 64).view(8, 8)
    entropy = histogram_entropy(torch.stack([spot, ramp]))
    assert entropy[0] < 1 < entropy[1]
    assert torch.equal(normalised(torch.ones(1, 3, 3)), torch.zeros(1, 3, 3))


def test_the_users_keywords_come_first_and_are_never_cut():
    entropy = {"a": 3.0, "red": 1.0, "on": 2.0, "hat": 0.5}
    assert choose_keywords(entropy, 2) == ("hat", "red")
    assert choose_keywords(entropy, 2, ["on"]) == ("on", "hat")
    assert choose_keywords(entropy, 1, ["on", "a"]) == ("on", "a")


def test_word_maps_average_pieces():
    maps = torch.arange(12.0).view(3, 2, 2)
    assert torch.equal(word_maps(maps, {"castle": (0, 2)})["castle"], (maps[0] + maps[2]) / 2)


def test_marks_are_the_better_half():
    assert marked_half(torch.tensor([0.1, 0.9, 0.5, 0.7])).tolist() == [False, True, False, True]


def test_the_bias_multiplies_the_weights_of_marked_keys():
    q, k = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    marks = torch.tensor([[True, False, True, False]])
    weights = torch.exp(q[0] @ k[0].T * 0.3) * torch.where(marks[0], 1.25, 1.0)
    expected = weights / weights.sum(1, keepdim=True)
    assert torch.allclose(probabilities(q, k, 1, 0.3, kssa_bias(marks, 1.25))[0, 0], expected, atol=1e-6)
