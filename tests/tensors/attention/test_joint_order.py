"""Joint attention with tokens in an order of its own: the sums over all tokens, with fewer operators."""

from __future__ import annotations

import math

import pytest
import torch
from half import every_dtype
from joint_cases import HALVES, ISOLATED, ONE, ROWS, isolated, placed, weighted_sums
from shapes import Launches
from torch import Tensor

from lib_regional.tensors.attention.joint import groups
from lib_regional.tensors.attention.joint.bias import Isolated
from lib_regional.tensors.attention.joint.calls import Grouped
from lib_regional.tensors.attention.joint.groups import JointAttention, grouped
from lib_regional.tensors.attention.joint.order import InOrder

TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


def in_order(made: InOrder, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Tokens as they stand -> there, attention, back."""
    return made.order.back(made(*(made.order.there(z, 2) for z in (q, k, v))), 2)


@pytest.mark.parametrize("picture_first", [False, True])
@pytest.mark.parametrize(("references", "least"), [(0, math.inf), (2, 0)])
@pytest.mark.parametrize("name", ROWS)
@every_dtype
def test_tokens_in_order_give_the_sums_over_all_tokens(
    name: str, references: int, least: float, picture_first: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    rows = ROWS[name]
    total = max(sum(length for length, _ in texts) for texts in rows)
    q, k, v = torch.randn(3, len(rows), 2, total + 4 + references, 8).to(dtype)
    made = InOrder(grouped(placed(rows), references, "cpu", dtype, least, picture_first), q.shape[2])
    turn = -total if picture_first else 0
    got = in_order(made, *(z.roll(turn, 2) for z in (q, k, v))).roll(-turn, 2)
    assert got.dtype == dtype and bool(got.isfinite().all())
    for row, texts in enumerate(rows):
        for token, expected in weighted_sums(q[row].double(), k[row].double(), v[row].double(), texts, references).items():
            torch.testing.assert_close(got[row, :, token].double(), expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", ISOLATED)
def test_isolated_regions_in_order(name: str) -> None:
    torch.manual_seed(4)
    rows, labels = ISOLATED[name]
    q, k, v = torch.randn(3, len(rows), 2, max(sum(length for length, _ in texts) for texts in rows) + 6, 8)
    made = InOrder(grouped(placed(rows), 2, isolation=isolated(labels)), q.shape[2])
    got = in_order(made, q, k, v)
    for row, texts in enumerate(rows):
        for token, expected in weighted_sums(q[row], k[row], v[row], texts, 2, labels[row]).items():
            torch.testing.assert_close(got[row, :, token], expected)


@pytest.mark.parametrize(
    ("lengths", "strip", "isolate", "operators"),
    [((512, 512), 0, False, 3), ((512, 512), 8, False, 4), ((512, 480), 8, False, 4), ((512, 512), 0, True, 1), ((512, 512), 8, True, 7)],
    ids=["hard", "soft", "texts of two lengths", "isolated", "isolated and soft"],
)
def test_operators_of_two_regions_in_order(lengths: tuple[int, int], strip: int, isolate: bool, operators: int) -> None:
    """In a layer of Flux at 1024²: two calls without a bias, one with it, what joins them; isolated soft borders are gathered."""
    line = ((torch.arange(64) - 31.5) / strip + 0.5).clamp(0, 1) if strip else (torch.arange(64) >= 32).float()
    maps = [one.expand(64, 64).flatten() for one in (1 - line, line)]
    isolation = [Isolated((1, 2), torch.stack(maps).argmax(0) + 1)] if isolate else None
    attention = JointAttention([list(zip(lengths, maps, strict=True))], isolation=isolation)
    q = torch.empty(1, 24, sum(lengths) + 64 * 64, 128, dtype=torch.float16, device="meta")
    assert attention.in_order(q.device) is None, "what is worth it is found in the first call"
    attention(q, q, q)
    made = attention.in_order(q.device)
    assert made is not None and made.shape == attention.shape
    with torch.inference_mode(), Launches() as launches:
        made(q, q, q).transpose(1, 2).flatten(2)
    assert launches.all.total() == made.attend.operators <= operators, launches.all
    assert (isolate and strip) or not launches.all["index_select"], launches.all


def test_a_row_without_regions_beside_one_with_two() -> None:
    """Guided pictures: the negative's row is one call on its own text and the picture, its padding aside."""
    made = InOrder(grouped(placed([HALVES, ONE])), 9)
    assert made.attend.operators == 5, "two and one calls, joined in the row and over the rows"
    assert made.order.tokens.shape == (2, 9)


def test_one_call_with_a_bias_keeps_the_tokens_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "groups_pay", lambda *_: False)
    attention = JointAttention(placed([HALVES]))
    q = torch.randn(1, 2, 9, 4)
    attention(q, q, q)
    assert attention.in_order(q.device) is None
    assert not any(isinstance(found, Grouped) for found in attention.arranged.values())
