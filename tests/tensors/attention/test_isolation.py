"""Layers within the parts of a labelled canvas against the layer on what each part sees, cut out as a picture of its own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from half import every_dtype
from torch import nn

from lib_regional.tensors.attention.isolation import attend_apart, border_of, conv_apart, divided, norm_apart, parts_of
from lib_regional.tensors.attention.isolation_boxes import boxes_of, conv_boxed
from lib_regional.tensors.attention.isolation_mask import (
    attend_batched,
    attend_masked,
    attention_mask,
    batched_of,
    batching_may_pay,
    cheapest_isolation,
)
from lib_regional.tensors.attention.isolation_norm import norm_gathered
from lib_regional.tensors.lora.layers import own_weights, spatial_layers


def labels_of(batch: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Common ground (0) and three ragged parts; the last row of the batch has other ones."""
    made = torch.randint(0, 4, (batch, height, width), generator=torch.Generator().manual_seed(seed))
    made[:-1] = made[0]
    return made


def in_sight(label: int, of: torch.Tensor) -> torch.Tensor:
    """The places labelled ``of`` that a place with ``label`` sees: all from common ground, else its own part and common ground."""
    return torch.ones_like(of, dtype=torch.bool) if label == 0 else torch.isin(of, torch.tensor([0, label]))


def test_attention_is_that_of_the_parts_tokens() -> None:
    torch.manual_seed(0)
    shaped, heads = labels_of(3, 4, 5), 2
    labels = shaped.flatten(1)
    q, k, v = torch.randn(3, 3, 20, 8)
    got = attend_apart(q, k, v, parts_of(shaped), heads, 0.4)
    for row in range(3):
        for token in range(20):
            seen = [other for other in range(20) if in_sight(int(labels[row, token]), labels[row])[other]]
            for head in range(heads):
                part = slice(4 * head, 4 * head + 4)
                weights = torch.softmax(torch.stack([0.4 * q[row, token, part] @ k[row, other, part] for other in seen]), 0)
                expected = sum(w * v[row, other, part] for w, other in zip(weights, seen, strict=True))
                torch.testing.assert_close(got[row, token, part], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("reach", [1, 2, 9])
def test_places_on_both_sides_of_a_border_see_each_other(reach: int) -> None:
    """Each within ``reach`` of the other's part, not of just any part."""
    torch.manual_seed(3)
    stripes = torch.tensor([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]).expand(4, 12)
    corner = stripes.clone()
    corner[:2, :3], corner[3, 5:7] = 4, 0
    shaped = torch.stack([stripes, stripes, corner])
    q, k, v = torch.randn(3, 3, 48, 4)
    got = attend_apart(q, k, v, parts_of(shaped, reach=reach), 1, 0.7)

    def reaches(row: int, place: int, label: int) -> bool:
        y, x = divmod(place, 12)
        return bool((shaped[row, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] == label).any())

    for row in range(3):
        labels = shaped[row].flatten().tolist()
        for token in range(48):
            mine, seen = labels[token], []
            for other, theirs in enumerate(labels):
                meet = reaches(row, token, theirs) and reaches(row, other, mine)
                if mine == theirs or 0 in (mine, theirs) or meet:
                    seen.append(other)
            expected = torch.softmax(0.7 * q[row, token] @ k[row, seen].T, -1) @ v[row, seen]
            torch.testing.assert_close(got[row, token], expected, atol=1e-5, rtol=1e-4)


def test_norms_have_numbers_of_each_part() -> None:
    torch.manual_seed(1)
    layer = nn.GroupNorm(2, 6, eps=1e-3)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x, labels = torch.randn(2, 6, 4, 5) * 3 + 1, labels_of(2, 4, 5)
    got = norm_apart(x, own_weights(layer, x), parts_of(labels))
    for row in range(2):
        for label in labels[row].unique():
            here = labels[row] == label
            seen = in_sight(int(label), labels[row])
            expected = torch.zeros_like(x[row])
            expected[:, seen] = layer(x[row][:, seen][None])[0]
            torch.testing.assert_close(got[row][:, here], expected[:, here], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm_apart(x, own_weights(layer, x), parts_of(torch.zeros_like(labels))), layer(x), atol=1e-5, rtol=1e-4)


STRIPES = torch.tensor([1, 1, 2, 2, 3, 3]).expand(1, 4, 6)
CANVASES = {
    "equal rectangles": torch.cat([STRIPES, STRIPES.flip(-1)]),
    "parts of one size": torch.cat([STRIPES, STRIPES[..., [0, 2, 4, 1, 3, 5]]]),
    "with common ground": torch.cat([STRIPES * (STRIPES != 2), STRIPES.flip(-1) * (STRIPES != 2)]),
    "parts of several sizes": torch.tensor([1, 1, 1, 2, 0, 3]).expand(2, 4, 6),
    "too many sizes, or rows that differ": labels_of(2, 4, 6),
}


@pytest.mark.parametrize("name", CANVASES)
@every_dtype
@pytest.mark.parametrize("given", [False, True], ids=["", "the layer itself runs"])
def test_norms_of_every_way(name: str, dtype: torch.dtype, given: bool) -> None:
    torch.manual_seed(4)
    layer, labels = nn.GroupNorm(2, 8, eps=1e-3), CANVASES[name]
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = (torch.randn(2, 8, 4, 6) * 3 + 1 + labels[:, None]).to(dtype)
    expected = torch.zeros(x.shape)
    for row in range(2):
        for label in labels[row].unique():
            seen, here = in_sight(int(label), labels[row]), labels[row] == label
            alone = torch.zeros(x.shape[1:])
            alone[:, seen] = layer(x[row].float()[:, seen][None])[0]
            expected[row] = torch.where(here, alone, expected[row])
    made = layer.to(dtype)
    parts = parts_of(labels)
    assert (parts.gather is None) == name.startswith("too many")
    assert (parts.gather is not None and parts.gather.tiling is not None) == (name == "equal rectangles")
    runs = parts.gather is not None and given
    got = norm_gathered(x, parts.gather, made) if runs else norm_apart(x, own_weights(made, x), parts)
    assert got.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 6e-2}[dtype]
    torch.testing.assert_close(got.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reach", [0, 1])
@every_dtype
def test_one_masked_call_is_the_groups_one_by_one(reach: int, dtype: torch.dtype) -> None:
    torch.manual_seed(5)
    for labels in (labels_of(2, 4, 6), STRIPES.expand(2, -1, -1)):
        q, k, v = torch.randn(3, 2, 24, 8).to(dtype)
        mask = attention_mask(labels, reach, q.device, dtype)
        assert mask.shape == (1 if torch.equal(labels[0], labels[1]) else 2, 1, 24, 24)
        expected = attend_apart(q.float(), k.float(), v.float(), parts_of(labels, reach=reach), 2, 0.4)
        got = attend_masked(q, k, v, mask, 2, 0.4)
        tolerance = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 6e-2}[dtype]
        assert got.dtype == dtype
        torch.testing.assert_close(got.float(), expected, atol=tolerance, rtol=tolerance)


UNEQUAL = torch.tensor([[1, 1, 2, 2, 2, 3], [1, 1, 2, 2, 2, 3], [1, 1, 2, 2, 2, 3], [1, 1, 1, 2, 3, 3]])
OTHER = UNEQUAL.flip(1).clone()


@pytest.mark.parametrize("reach", [0, 1, 9])
@every_dtype
def test_all_parts_on_the_batch_axis_are_the_groups_one_by_one(reach: int, dtype: torch.dtype) -> None:
    torch.manual_seed(6)
    halves = (torch.arange(6) // 3 + 1).expand(4, 6)
    for labels in (torch.stack([UNEQUAL, OTHER]), torch.stack([halves, halves])):
        q, k, v = torch.randn(3, 2, 24, 8).to(dtype)
        batched = batched_of(labels, reach, q.device, dtype)
        assert batched is not None and batched.parts == 2 * int(labels.max())
        expected = attend_apart(q.float(), k.float(), v.float(), parts_of(labels, reach=reach), 2, 0.4)
        got = attend_batched(q, k, v, batched, 2, 0.4)
        tolerance = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 6e-2}[dtype]
        assert got.dtype == dtype
        torch.testing.assert_close(got.float(), expected, atol=tolerance, rtol=tolerance)
        if int(labels.max()) == 2:
            assert (batched.mask is None) == (reach != 1) and (reach != 0 or batched.sizes == (12, 12))


def test_parts_are_not_put_on_the_batch_axis_where_common_places_see_all_or_rows_differ() -> None:
    halves, like = torch.tensor([[1, 1, 2, 2]]), (torch.device("cpu"), torch.float32)
    assert batched_of(halves[None], 0, *like) is not None
    assert batched_of(torch.tensor([[[0, 1, 2, 2]]]), 0, *like) is None
    assert batched_of(torch.stack([halves, torch.tensor([[1, 2, 3, 3]])]), 0, *like) is None


@pytest.mark.parametrize(
    ("side", "channels", "device", "way"), [(16, 1280, "cuda", "masked"), (64, 320, "cuda", "batched"), (64, 320, "cpu", "groups")]
)
def test_the_cheapest_way_to_isolate_attention(side: int, channels: int, device: str, way: str) -> None:
    halves = (torch.arange(side) * 2 // side + 1).expand(2, side, side)
    batched = batched_of(halves, side // 8, torch.device("cpu"), torch.float16) if device == "cuda" else None
    assert cheapest_isolation(parts_of(halves, reach=side // 8), batched, 2, side * side, channels, device, 2) == way


@pytest.mark.parametrize(("side", "channels", "pays_from"), [(8, 1280, 99), (16, 1280, 99), (32, 640, 4), (64, 320, 2)])
@pytest.mark.parametrize("count", [2, 4, 16])
def test_parts_are_put_on_the_batch_axis_only_where_that_can_pay(side: int, channels: int, pays_from: int, count: int) -> None:
    """What is left out would not have been chosen: the bound is below the cost itself."""
    grid = {2: (1, 2), 4: (2, 2), 16: (4, 4)}[count]
    rows, columns = (torch.arange(side) * lines // side for lines in grid)
    labels = (rows[:, None] * grid[1] + columns + 1).expand(2, side, side).contiguous()
    pays = batching_may_pay(labels, channels, "cuda", 2)
    assert len(labels.unique()) == count and pays == (count >= pays_from)
    assert not batching_may_pay(labels, channels, "cpu", 4)
    batched = batched_of(labels, side // 8, torch.device("cpu"), torch.float16)
    way = cheapest_isolation(parts_of(labels, reach=side // 8), batched, 2, side * side, channels, "cuda", 2)
    assert way != "batched" or pays


def test_large_masks_are_not_made() -> None:
    halves = (torch.arange(128) // 64 + 1).expand(2, 128, 128)
    assert batched_of(halves, 16, torch.device("cpu"), torch.float16) is None
    groups = parts_of(halves[:, :, ::2], reach=16)
    assert cheapest_isolation(groups, None, 2, 16384, 640, "cuda", 2) == "groups"


@pytest.mark.parametrize("more", [{"padding": 1}, {"padding": 1, "stride": 2}, {"padding": 2, "dilation": 2}, {"padding": (0, 1)}], ids=str)
def test_convolutions_see_zeros_beyond_their_part(more: dict) -> None:
    torch.manual_seed(2)
    layer = nn.Conv2d(3, 4, 3, **more)
    x, inputs = torch.randn(2, 3, 6, 7), labels_of(2, 6, 7)
    y = layer(x)
    outputs = labels_of(2, y.shape[2], y.shape[3], 5)
    before = y.clone()
    got = conv_apart(x, y, own_weights(layer, x), border_of(own_weights(layer, x), inputs, outputs))
    expected = torch.zeros_like(y)
    for label in range(4):
        alone = F.conv2d(x * in_sight(label, inputs)[:, None], layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation)
        expected = torch.where((outputs == label)[:, None], alone, expected)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(y, before)


def columns(*widths: int, height: int = 6) -> torch.Tensor:
    """Labels 1, 2, … from left to right, (1, h, Σ widths)."""
    return torch.arange(1, len(widths) + 1).repeat_interleave(torch.tensor(widths)).expand(1, height, -1)


QUARTERS = columns(4, 4, height=8) + 2 * columns(4, 4, height=8).mT - 2
BOXED = {
    "halves": (columns(4, 4), columns(2, 2, height=3), True),
    "quarters": (QUARTERS, QUARTERS[:, ::2, ::2], True),
    "columns of several widths": (columns(5, 6, 5), columns(2, 3, 3, height=3), True),
    "rows that differ": (torch.cat([columns(6, 6), columns(6, 6).flip(-1)]), torch.cat([columns(3, 3, height=3)] * 2), False),
    "a ragged border": (torch.cat([columns(4, 4), columns(5, 3)], 1), None, False),
    "one much larger": (columns(2, 10), None, False),
    "common ground": (columns(4, 4) - 1, None, False),
}
"""Name -> labels, those of an output of half the size, and whether they are boxed there. With labels of its own size: see the test."""


@pytest.mark.parametrize("name", BOXED)
@pytest.mark.parametrize("more", [{}, {"stride": 2}, {"padding": 2, "dilation": 2}, {"groups": 3}], ids=str)
def test_convolutions_of_boxes(name: str, more: dict) -> None:
    """The layer on each part alone; None where the parts are no boxes of about one size."""
    torch.manual_seed(2)
    layer = nn.Conv2d(3, 6, 3, **{"padding": 1, **more})
    labels, halved, boxed = BOXED[name]
    outputs = labels if "stride" not in more else halved
    if outputs is None:
        return
    x, own = torch.randn(len(labels), 3, *labels.shape[1:]), own_weights(layer, torch.zeros(1))
    boxes = boxes_of(own.layer, (3, 3), labels, outputs)
    wanted = boxed if "stride" in more else name not in ("one much larger", "common ground")
    assert (boxes is not None) == wanted
    if boxes is None:
        return
    assert (boxes.inside is None) == (name in ("halves", "quarters", "rows that differ"))
    assert isinstance(boxes.places, tuple) == (boxes.inside is None)
    expected = conv_apart(x, layer(x), own, border_of(own, labels, outputs))
    torch.testing.assert_close(conv_boxed(x, boxes, layer), expected, atol=1e-5, rtol=1e-4)


def test_boxes_hold_for_every_layer_that_keeps_the_size() -> None:
    layer, wide = own_weights(nn.Conv2d(3, 6, 3, padding=1), torch.zeros(1)).layer, own_weights(nn.Conv2d(3, 6, 3), torch.zeros(1)).layer
    assert boxes_of(layer, (3, 3), columns(4, 4), columns(4, 4)) is not None
    assert boxes_of(wide, (3, 3), columns(4, 4), columns(3, 3, height=4)) is None


def test_norms_lose_no_digits_far_from_zero() -> None:
    """Variances come from differences of moments: a large mean must not eat them."""
    torch.manual_seed(3)
    layer, labels = nn.GroupNorm(1, 4), labels_of(1, 8, 8)
    x = torch.randn(1, 4, 8, 8) + 1000
    exact = norm_apart(x.double() - 1000, own_weights(layer, x), parts_of(labels))
    torch.testing.assert_close(norm_apart(x, own_weights(layer, x), parts_of(labels)).double(), exact.double(), atol=2e-3, rtol=0)


def test_only_two_parts_in_one_row_divide_it() -> None:
    rows = torch.tensor([[[0, 1, 1]], [[0, 2, 2]], [[1, 1, 1]], [[0, 0, 0]]])
    assert not divided(rows)
    assert divided(torch.cat([rows, torch.tensor([[[0, 1, 2]]])]))


def test_a_convolution_of_one_part_is_left_alone() -> None:
    layer, zeros = nn.Conv2d(3, 4, 3, padding=1), torch.zeros(2, 5, 5, dtype=torch.long)
    x = torch.randn(2, 3, 5, 5)
    y = layer(x)
    assert conv_apart(x, y, own_weights(layer, x), border_of(own_weights(layer, x), zeros, zeros)) is y


def test_spatial_layers_are_norms_and_wide_convolutions() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    assert [name for name, _ in spatial_layers(network)] == ["0", "2"]
