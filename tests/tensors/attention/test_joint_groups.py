"""Joint attention in groups of tokens against sums over all tokens, written out from the docstring of `tensors.attention.joint.bias`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from half import every_dtype
from shapes import Launches
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lib_regional.tensors.attention.joint import groups
from lib_regional.tensors.attention.joint.bias import Placed
from lib_regional.tensors.attention.joint.groups import JointAttention, attend_in_groups, grouped, joint_attention
from lib_regional.tensors.attention.joint.texts import TextAttention

Texts = list[tuple[int, list[float]]]
HALVES: Texts = [(2, [1.0, 1.0, 0.0, 0.0]), (3, [0.0, 0.0, 1.0, 1.0])]
SOFT: Texts = [(2, [1.0, 0.4, 0.0, 0.0]), (1, [0.0, 0.6, 0.5, 0.0]), (2, [0.0, 0.0, 0.5, 1.0])]
ONE: Texts = [(3, [1.0] * 4)]
ROWS = {
    "hard halves": [HALVES],
    "soft borders": [SOFT],
    "a shorter row": [SOFT, ONE],
    "a padded row between two alike": [HALVES, ONE, HALVES, HALVES],
    "several sets of texts": [[(2, [0.2, 0.2, 0.2, 0.2]), (1, [0.8, 0.8, 0.0, 0.0]), (3, [0.0, 0.0, 0.8, 0.8])], HALVES],
    "soft everywhere": [[(2, [0.2] * 4), (2, [0.8] * 4)], ONE],
    "a token without a text": [[(1, [1.0, 0.0, 0.0, 1.0]), (2, [0.0, 1.0, 0.0, 0.0])]],
}


def placed(rows: Sequence[Texts]) -> list[list[Placed]]:
    return [[(length, torch.tensor(weights)) for length, weights in texts] for texts in rows]


def weighted_sums(q: Tensor, k: Tensor, v: Tensor, texts: Texts, references: int) -> dict[int, Tensor]:
    """q, k, v (heads, L, d) of one row -> Σ w e^(q·k/√d) v ÷ Σ w e^(q·k/√d) for every token that is no padding, (heads, d)."""
    pixels, size = len(texts[0][1]), q.shape[1]
    owners, total = [n for n, (length, _) in enumerate(texts) for _ in range(length)], size - len(texts[0][1]) - references

    def weight(asking: int, asked: int) -> float:
        if asked >= total:
            return 1.0
        if asked >= len(owners):
            return 0.0
        if asking < total:
            return float(owners[asking] == owners[asked])
        shares = texts[owners[asked]][1]
        return shares[asking - total] if asking < total + pixels else sum(shares) / pixels

    found = {}
    for asking in (*range(len(owners)), *range(total, size)):
        scores = (q[:, asking, None] * k).sum(-1) / q.shape[-1] ** 0.5
        parts = scores.exp() * torch.tensor([weight(asking, asked) for asked in range(size)], dtype=scores.dtype)
        found[asking] = (parts[..., None] * v).sum(1) / parts.sum(1, keepdim=True)
    return found


@pytest.mark.parametrize(("references", "least"), [(0, math.inf), (2, math.inf), (2, 0)])
@pytest.mark.parametrize("name", ROWS)
@every_dtype
def test_groups_are_the_sums_over_all_tokens(name: str, references: int, least: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    rows = ROWS[name]
    size = max(sum(length for length, _ in texts) for texts in rows) + 4 + references
    q, k, v = torch.randn(3, len(rows), 2, size, 8).to(dtype)
    got = attend_in_groups(q, k, v, grouped(placed(rows), references, dtype=dtype, least=least))
    tolerance = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}[dtype]
    assert got.dtype == dtype and got.shape == q.shape and bool(got.isfinite().all())
    for row, texts in enumerate(rows):
        for token, expected in weighted_sums(q[row].double(), k[row].double(), v[row].double(), texts, references).items():
            torch.testing.assert_close(got[row, :, token].double(), expected, atol=tolerance, rtol=tolerance)


def test_only_tokens_of_several_texts_have_a_bias() -> None:
    assert all(group.bias is None for group in grouped(placed([HALVES, ONE])))
    *alone, mixed = grouped(placed([SOFT]))
    assert [group.bias for group in alone] == [None] * 3 and mixed.bias is not None
    assert mixed.queries is not None and mixed.queries.tolist() == [6, 7] and mixed.bias.shape == (1, 1, 2, 9)
    assert len(grouped(placed([HALVES] * 3))) == 2, "rows that are alike share their groups"


def test_sets_of_texts_are_asked_by_themselves_where_that_saves_enough() -> None:
    rows = placed(ROWS["several sets of texts"][:1])
    together, apart = grouped(rows)[3:], grouped(rows, least=5)[3:]
    assert [group.sizes(10) for group in together] == [(1, 4, 10)]
    assert sorted(group.sizes(10) for group in apart) == [(1, 2, 7), (1, 2, 9)], "2 · 1 scores saved are too few, 2 · 3 are not"


def test_one_text_everywhere_is_the_plain_attention() -> None:
    assert joint_attention(placed([ONE, ONE])) is None
    assert joint_attention(placed([ONE, HALVES])) is not None


@pytest.mark.parametrize("pays", [True, False])
def test_both_ways_give_the_same_and_are_made_once(pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "groups_pay", lambda *_: pays)
    torch.manual_seed(1)
    q, k, v = torch.randn(3, 1, 2, 9, 4)
    attention = JointAttention(placed([SOFT]))
    assert attention.shape == (1, 9)
    expected = weighted_sums(q[0], k[0], v[0], SOFT, 0)
    got = attention(q, k, v)
    for token, value in expected.items():
        torch.testing.assert_close(got[0, :, token], value)
    with Launches() as launches:
        attention(q, k, v)
    attended = sum(count for name, count in launches.all.items() if "softmax" in name or "attention" in name)
    assert attended == (4 if pays else 1)
    assert not launches.all["log"] and not launches.all["_to_copy"], launches.all


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("name", ["soft borders", "a padded row between two alike"])
def test_the_picture_may_stand_before_the_texts(name: str, pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "groups_pay", lambda *_: pays)
    torch.manual_seed(2)
    rows, total = placed(ROWS[name]), 5
    q, k, v = torch.randn(3, len(rows), 2, total + 4 + 2, 4)
    turned = JointAttention(rows, 2, picture_first=True)(*(z.roll(-total, 2) for z in (q, k, v))).roll(total, 2)
    expected = JointAttention(rows, 2)(q, k, v)
    for row, texts in enumerate(rows):
        used = [*range(sum(length for length, _ in texts)), *range(total, q.shape[2])]
        torch.testing.assert_close(turned[row, :, used], expected[row, :, used])


def test_texts_alone_ask_themselves() -> None:
    torch.manual_seed(3)
    q, k, v = torch.randn(3, 3, 2, 6, 4)
    attention = TextAttention([[2, 4], [2, 4], [3]])
    got = attention(q, k, v)
    assert attention.shape == (3, 6)
    for row, start, stop in ((0, 0, 2), (0, 2, 6), (1, 0, 2), (1, 2, 6), (2, 0, 3)):
        own = (z[row, :, start:stop] for z in (q, k, v))
        torch.testing.assert_close(got[row, :, start:stop], torch.nn.functional.scaled_dot_product_attention(*own))
    assert not got[2, :, 3:].any()


def quarters(side: int, length: int, strip: int) -> list[list[Placed]]:
    """Four texts on the quarters of a picture, which fade into each other over ``strip`` columns and rows."""
    fade = ((torch.arange(side) - side / 2 + 0.5) / strip + 0.5).clamp(0, 1) if strip else (torch.arange(side) >= side // 2).float()
    lines = (1 - fade, fade)
    return [[(length, (rows[:, None] * columns).flatten()) for rows in lines for columns in lines]]


@pytest.mark.parametrize(("strip", "calls", "products"), [(0, 4, 0.75), (8, 5, 0.95)])
def test_what_a_layer_of_flux_costs(strip: int, calls: int, products: float) -> None:
    """Four texts of 512 tokens on 64×64 picture tokens, 24 heads of 128: counted on shapes alone, beside one call with a bias."""
    attention, tokens = JointAttention(quarters(64, 512, strip)), 4 * 512 + 64 * 64
    assert attention.shape == (1, tokens)
    q = torch.empty(1, 24, tokens, 128, dtype=torch.float16, device="meta")
    attention(q, q, q)
    [groups] = attention.arranged.values()
    assert isinstance(groups, tuple) and len(groups) == calls
    assert sum(0 if group.bias is None else group.bias.numel() for group in groups) <= 0.16 * tokens**2
    with FlopCounterMode(display=False) as counter:  # in inference mode some PyTorch counts none
        attention(q, q, q)
    plain = 4 * tokens**2 * 24 * 128
    assert counter.get_total_flops() <= products * plain
    with torch.inference_mode(), Launches() as launches:
        attention(q, q, q)
    assert launches.all.total() <= 5 * calls + 1


def test_small_grids_keep_one_call() -> None:
    attention = JointAttention(quarters(16, 64, 2))
    q = torch.empty(1, 4, 4 * 64 + 256, 64, dtype=torch.float16, device="meta")
    attention(q, q, q)
    assert [type(one) for one in attention.arranged.values()] == [Tensor]
