"""Joint attention in groups of tokens against sums over all tokens, written out from the docstring of `tensors.attention.joint.bias`."""

from __future__ import annotations

import math

import pytest
import torch
from half import every_dtype
from joint_cases import HALVES, ISOLATED, ONE, ROWS, SOFT, Labels, isolated, placed, weighted_sums
from shapes import Launches
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lib_regional.tensors.attention.joint import groups
from lib_regional.tensors.attention.joint.bias import Isolated, Placed
from lib_regional.tensors.attention.joint.calls import Grouped, attend_in_groups
from lib_regional.tensors.attention.joint.groups import JointAttention, grouped, joint_attention
from lib_regional.tensors.attention.joint.texts import TextAttention


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


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("references", [0, 2])
@pytest.mark.parametrize("name", ISOLATED)
@every_dtype
def test_isolated_regions_see_their_own_part_of_the_picture(
    name: str, references: int, pays: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "groups_pay", lambda *_: pays)
    torch.manual_seed(4)
    rows, labels = ISOLATED[name]
    size = max(sum(length for length, _ in texts) for texts in rows) + 4 + references
    q, k, v = torch.randn(3, len(rows), 2, size, 8).to(dtype)
    attention = joint_attention(placed(rows), references, isolation=isolated(labels))
    assert attention is not None
    got = attention(q, k, v)
    tolerance = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}[dtype]
    for row, texts in enumerate(rows):
        for token, expected in weighted_sums(q[row].double(), k[row].double(), v[row].double(), texts, references, labels[row]).items():
            torch.testing.assert_close(got[row, :, token].double(), expected, atol=tolerance, rtol=tolerance)


def test_labels_that_divide_nothing_are_the_plain_attention() -> None:
    assert joint_attention(placed([ONE]), isolation=isolated([([0], [1, 1, 0, 1])])) is None
    assert joint_attention(placed([ONE]), isolation=isolated([([0], [1, 1, 0, 2])])) is not None


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
    assert attended == (3 if pays else 1), "the two texts of one length share a call"
    assert not launches.all["log"] and not launches.all["_to_copy"], launches.all


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("labels", [None, ([0, 1, 2], [1, 1, 2, 0])], ids=["free", "isolated"])
@pytest.mark.parametrize("name", ["soft borders", "a padded row between two alike"])
def test_the_picture_may_stand_before_the_texts(name: str, labels: Labels | None, pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "groups_pay", lambda *_: pays)
    torch.manual_seed(2)
    rows, total = placed(ROWS[name]), 5
    isolation = None if labels is None else isolated([(labels[0][: len(texts)], labels[1]) for texts in rows])
    q, k, v = torch.randn(3, len(rows), 2, total + 4 + 2, 4)
    turned = JointAttention(rows, 2, True, isolation)(*(z.roll(-total, 2) for z in (q, k, v))).roll(total, 2)
    expected = JointAttention(rows, 2, False, isolation)(q, k, v)
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
    assert got.isfinite().all()


def quarters(side: int, length: int, strip: int) -> list[list[Placed]]:
    """Four texts on the quarters of a picture, which fade into each other over ``strip`` columns and rows."""
    fade = ((torch.arange(side) - side / 2 + 0.5) / strip + 0.5).clamp(0, 1) if strip else (torch.arange(side) >= side // 2).float()
    lines = (1 - fade, fade)
    return [[(length, (rows[:, None] * columns).flatten()) for rows in lines for columns in lines]]


@pytest.mark.parametrize(("strip", "calls", "products", "operators"), [(0, 4, 0.75, 5), (8, 5, 0.95, 7)])
def test_what_a_layer_of_flux_costs(strip: int, calls: int, products: float, operators: int) -> None:
    """Four texts of 512 tokens on 64×64 picture tokens, 24 heads of 128: counted on shapes alone, beside one call with a bias."""
    attention, tokens = JointAttention(quarters(64, 512, strip)), 4 * 512 + 64 * 64
    assert attention.shape == (1, tokens)
    q = torch.empty(1, 24, tokens, 128, dtype=torch.float16, device="meta")
    attention(q, q, q)
    [found] = attention.arranged.values()
    assert isinstance(found, Grouped) and len(found.groups) == calls
    assert sum(0 if group.bias is None else group.bias.numel() for group in found.groups) <= 0.16 * tokens**2
    with FlopCounterMode(display=False) as counter:  # in inference mode some PyTorch counts none
        attention(q, q, q)
    plain = 4 * tokens**2 * 24 * 128
    assert counter.get_total_flops() <= products * plain
    with torch.inference_mode(), Launches() as launches:
        attention(q, q, q)
    assert launches.all.total() == found.operators <= operators


@pytest.mark.parametrize(
    ("lengths", "strip", "isolate", "operators"),
    [((512, 512), 0, False, 5), ((512, 512), 8, False, 7), ((512, 480), 0, False, 7), ((512, 512), 0, True, 5), ((512, 512), 8, True, 9)],
    ids=["hard", "soft", "texts of two lengths", "isolated", "isolated and soft"],
)
def test_operators_of_two_regions(lengths: tuple[int, int], strip: int, isolate: bool, operators: int) -> None:
    """In a layer of Flux at 1024², where one call has one; isolated regions multiply half as much, and are asked so whatever it costs."""
    line = ((torch.arange(64) - 31.5) / strip + 0.5).clamp(0, 1) if strip else (torch.arange(64) >= 32).float()
    maps = [one.expand(64, 64).flatten() for one in (1 - line, line)]
    isolation = [Isolated((1, 2), torch.stack(maps).argmax(0) + 1)] if isolate else None
    attention = JointAttention([list(zip(lengths, maps, strict=True))], isolation=isolation)
    q = torch.empty(1, 24, sum(lengths) + 64 * 64, 128, dtype=torch.float16, device="meta")
    attention(q, q, q)
    with torch.inference_mode(), Launches() as launches:
        made = attention(q, q, q).transpose(1, 2).flatten(2)
    assert made.shape == (1, q.shape[2], 24 * 128) and launches.all.total() <= operators, launches.all


def test_small_grids_keep_one_call() -> None:
    attention = JointAttention(quarters(16, 64, 2))
    q = torch.empty(1, 4, 4 * 64 + 256, 64, dtype=torch.float16, device="meta")
    attention(q, q, q)
    assert [type(one) for one in attention.arranged.values()] == [Tensor]
