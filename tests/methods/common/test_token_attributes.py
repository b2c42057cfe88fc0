"""LoRAs of regions on tokens that were merged or tiled: strengths go with the tokens, against the sum written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib_regional.engine.calls import AttentionCall, LayerCall, ModelCall, Site, StepInfo
from lib_regional.methods.common.lora_factors import ByTag
from lib_regional.methods.common.region_lora import ByPlace, layer_hooks, load_networks, loras_of_regions
from lib_regional.methods.common.token_attributes import side_by_side, strength_attributes
from lib_regional.methods.isolation.layers import Separation
from lib_regional.methods.isolation.spans import spans_of
from lib_regional.request.errors import RegionalError
from lib_regional.request.layout.windows import Tile, Window
from lib_regional.tensors.masks.pyramid import Pyramid
from tests.methods.common.test_region_lora import LATENT, ROWS, Files, plan_of, whole

GRID = (4, 6)
NAME = "a.attn1.to_q"
MODEL = ModelCall(ROWS, StepInfo(0, 10), LATENT)
HALVES = [
    {"box": [0, 0, 0.5, 1], "prompt": "a <lora:one:0.5:0.7>", "feather": 0, "base_share": 0},
    {"box": [0.5, 0, 1, 1], "prompt": "b <lora:two:1:-0.9>", "feather": 0, "base_share": 0},
]


def merges(rows=2, kept=15):
    """(B, L', L): every token goes to one of fewer, which has the mean of its own; for each row others."""
    made = torch.zeros(rows, kept, GRID[0] * GRID[1])
    for row in range(rows):
        drawn = torch.randperm(made.shape[2], generator=torch.Generator().manual_seed(row))
        for place, token in enumerate(drawn.tolist()):
            made[row, place % kept, token] = 1
    return made / made.sum(-1, keepdim=True)


def placements(plan):
    tagged = ModelCall(ROWS, StepInfo(0, 10), LATENT, tags=(("region", 0), ("region", 1)))
    return {"places": (ByPlace(plan, Pyramid(plan.layout)), MODEL), "rows": (ByTag(loras_of_regions(plan)), tagged)}


@pytest.mark.parametrize("kind", ["places", "rows"])
def test_deltas_act_by_what_the_tokens_carry(kind):
    plan, host = plan_of(), Files()
    placement, model = placements(plan)[kind]
    strengths = placement.strengths(model, GRID)
    token_attributes = strength_attributes(placement)(model, GRID)
    assert token_attributes.shape == (2, 24, len(strengths)) and len(strengths) == 2
    for column, map_ in zip(token_attributes.unbind(-1), strengths.values(), strict=True):
        assert torch.equal(column, map_.flatten(1) if map_.dim() > 1 else map_[:, None].expand(-1, 24))
    merge, x = merges(), torch.randn(2, 24, 12)
    x, y = merge @ x, torch.randn(2, 15, 16)
    hook = layer_hooks(load_networks(plan, host), placement)[NAME]
    got = hook(LayerCall(NAME, GRID, model, x, y, token_attributes=torch.cat([merge @ token_attributes, torch.rand(2, 15, 3)], -1)))
    expected = y.clone()
    for (name, _), map_ in strengths.items():
        here = map_.flatten(1) if map_.dim() > 1 else map_[:, None].expand(-1, 24)
        expected += torch.einsum("bkl,bl->bk", merge, here)[..., None] * F.linear(x, whole(host, NAME, name))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(got, y)


def test_tiles_are_rows_of_their_own():
    plan, host = plan_of(), Files()
    placement, model = placements(plan)["places"]
    token_attributes = strength_attributes(placement)(model, GRID)
    x, y = torch.randn(2, 24, 12), torch.randn(2, 24, 16)
    hook = layer_hooks(load_networks(plan, host), placement)[NAME]
    untouched = hook(LayerCall(NAME, GRID, model, x, y))
    tiled = [values.reshape(8, 6, -1) for values in (x, y, token_attributes)]
    got = hook(LayerCall(NAME, GRID, model, *tiled[:2], token_attributes=tiled[2]))
    torch.testing.assert_close(got.reshape(2, 24, 16), untouched)


def test_tokens_that_carry_nothing_are_refused_still():
    """A layer with more tokens than those that brought something along, as where a ControlNet adds some."""
    plan = plan_of()
    placement, model = placements(plan)["places"]
    hook = layer_hooks(load_networks(plan, Files()), placement)[NAME]
    with pytest.raises(RegionalError, match="token merging"):
        hook(LayerCall(NAME, GRID, model, torch.randn(2, 20, 12), torch.randn(2, 20, 16), token_attributes=torch.rand(2, 15, 2)))


# ---------------------------------------------------------------- kept apart


def attention(token_attributes, x, projected):
    parts = [lambda t, w=w: t @ w for w in projected]
    return AttentionCall(Site("a.attn1", "self"), GRID, MODEL, x, x, 2, 0.5, *parts[:3], lambda y: y, token_attributes)


def test_merged_tokens_are_of_the_part_that_most_of_them_is_of():
    plan = plan_of(HALVES)
    apart = Separation(plan, Pyramid(plan.layout), spans_of(plan, "attention", 0.5, 0.0))
    hook = side_by_side(strength_attributes(ByPlace(plan, Pyramid(plan.layout))), apart.token_attributes)
    merge = merges()
    token_attributes = merge @ hook(MODEL, GRID)
    x, projected = torch.randn(2, 15, 16), [torch.randn(16, 16) for _ in range(3)]
    got = apart.self_attention(attention(token_attributes, x, projected))
    left = torch.einsum("bkl,l->bk", merge, (torch.arange(24) % 6 < 3).float())  # share of the left half in each token
    mine = left >= 0.5  # of two equal shares the first has it
    sees = mine[:, :, None] == mine[:, None]
    q, k, v = ((x @ w).unflatten(-1, (2, 8)).transpose(1, 2) for w in projected)
    scores = (q @ k.mT * 0.5).masked_fill(~sees[:, None], float("-inf"))
    torch.testing.assert_close(got, (scores.softmax(-1) @ v).transpose(1, 2).flatten(2), atol=1e-5, rtol=1e-4)
    assert 0 < mine.float().mean() < 1


def test_later_they_carry_no_parts_and_see_each_other():
    plan = plan_of(HALVES)
    apart = Separation(plan, Pyramid(plan.layout), spans_of(plan, "attention", 0.5, 0.0))
    late = ModelCall(ROWS, StepInfo(5, 10), LATENT)
    assert apart.token_attributes(MODEL, GRID).shape[-1] == 3 and apart.token_attributes(late, GRID) is None
    strengths = strength_attributes(ByPlace(plan, Pyramid(plan.layout)))
    assert torch.equal(side_by_side(strengths, apart.token_attributes)(late, GRID), strengths(late, GRID))
    assert side_by_side(None, lambda *_: None)(MODEL, GRID) is None
    one = plan_of([{**half, "prompt": "a <lora:one:0.5>"} for half in HALVES])
    assert Separation(one, Pyramid(one.layout), spans_of(one, "all", 1.0, 0.0)).token_attributes(MODEL, GRID) is None


def test_the_parts_of_a_tile_are_those_of_its_piece_of_the_picture():
    """Hosts that run the picture in tiles: the left one sees the left half alone, which is one part."""
    plan = plan_of(HALVES)
    apart = Separation(plan, Pyramid(plan.layout), spans_of(plan, "attention", 1.0, 0.0))
    left, middle = (ModelCall(ROWS, StepInfo(0, 10), (8, 6), tile=Tile(LATENT, Window(0, column, 8, column + 6))) for column in (0, 3))
    assert apart.token_attributes(left, (8, 6)) is None
    marks = apart.token_attributes(middle, (8, 6))
    assert torch.equal(marks[0].argmax(-1).view(8, 6), torch.tensor([1, 1, 1, 2, 2, 2]).expand(8, 6))
