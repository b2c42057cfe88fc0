"""Joint attention with placed texts against loops that follow the docstring word by word."""

import math

import pytest
import torch
import torch.nn.functional as F

from lib_regional.tensors.attention.joint.bias import joint_bias, side_by_side

ROWS = [
    pytest.param([[(2, [0.3, 1.0, 0.0]), (3, [0.7, 0.0, 1.0])]], id="two texts"),
    pytest.param([[(2, [1.0, 1.0, 1.0])], [(1, [0.5, 0.5, 0.5]), (3, [0.5, 0.5, 0.5])]], id="a shorter row"),
    pytest.param([[(1, [0.2, 0.0, 1.0]), (2, [0.3, 1.0, 0.0]), (1, [0.5, 0.0, 0.0])]], id="three texts"),
]


def slow_bias(texts, total, pixels):
    owners = [n for n, (length, _) in enumerate(texts) for _ in range(length)] + [None] * (total - sum(length for length, _ in texts))
    bias = [[0.0] * (total + pixels) for _ in range(total + pixels)]
    for i in range(total + pixels):
        for j in range(total):
            if i < total:
                bias[i][j] = 0.0 if owners[i] == owners[j] else -math.inf
            else:
                weight = 0.0 if owners[j] is None else texts[owners[j]][1][i - total]
                bias[i][j] = math.log(weight) if weight > 0 else -math.inf
    return torch.tensor(bias)


@pytest.mark.parametrize("rows", ROWS)
def test_bias_is_what_its_docstring_says(rows):
    total = max(sum(length for length, _ in texts) for texts in rows)
    found = joint_bias([[(length, torch.tensor(weights)) for length, weights in texts] for texts in rows])
    assert found.shape == (len(rows), 1, total + 3, total + 3)
    for row, texts in enumerate(rows):
        torch.testing.assert_close(found[row, 0], slow_bias(texts, total, 3))


def test_one_text_everywhere_needs_no_bias():
    assert joint_bias([[(4, torch.ones(6))], [(4, torch.ones(6))]]) is None
    assert joint_bias([[(4, torch.ones(6))], [(3, torch.ones(6))]]) is not None


def test_copies_of_a_text_count_as_one():
    """The attention of a picture token to n copies whose weights sum to 1 is that to the text itself; so it is for the texts."""
    torch.manual_seed(0)
    text, picture = torch.randn(1, 1, 3, 4), torch.randn(1, 1, 5, 4)
    weights = torch.rand(5)
    bias = joint_bias([[(3, weights), (3, 1 - weights)]])
    tokens = torch.cat([text, text, picture], -2)
    found = F.scaled_dot_product_attention(tokens, tokens, tokens, bias)
    whole = torch.cat([text, picture], -2)
    plain = F.scaled_dot_product_attention(whole, whole, whole)
    torch.testing.assert_close(found[:, :, :3], plain[:, :, :3])
    torch.testing.assert_close(found[:, :, 6:], plain[:, :, 3:])


def test_rows_stand_side_by_side_and_padded():
    a, b, c = torch.randn(2, 4), torch.randn(1, 4), torch.randn(1, 4)
    found = side_by_side([[a, b], [c]])
    assert torch.equal(found[0], torch.cat([a, b])) and torch.equal(found[1, :1], c) and not found[1, 1:].any()


def test_padding_makes_no_nan():
    bias = joint_bias([[(1, torch.tensor([0.0, 1.0])), (1, torch.tensor([1.0, 0.0]))], [(1, torch.ones(2))]])
    tokens = torch.randn(2, 1, 4, 4)
    assert F.scaled_dot_product_attention(tokens, tokens, tokens, bias).isfinite().all()
