"""Attention maps of regions' words against loops over heads, tokens and layers; recording changes no picture."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from isolation_cases import HALVES, called, contexts_of, latent, plan_of, predict
from toy import rows, toy_model

from lib_regional.engine.calls import Row
from lib_regional.engine.hooks import Hooks
from lib_regional.engine.records import attention_record
from lib_regional.engine.records.attention_record import AttentionRecord
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import preparation

TWO = {"regions": [{**HALVES[0], "prompt": "red circle"}, {**HALVES[1], "prompt": "blue"}, {**HALVES[0], "prompt": ""}]}
PLACES = {"red circle": [1, 2], "blue": [1], "big": [3]}


@pytest.fixture(scope="module")
def model():
    return toy_model()


def stretched(cells: list[list[float]], height: int, width: int) -> list[list[float]]:
    """Bilinear, with cell centres at halves and the border's value beyond them."""

    def taps(at: int, length: int, size: int):
        place = min(max((at + 0.5) * size / length - 0.5, 0), size - 1)
        low = math.floor(place)
        return (low, 1 - place + low), (min(low + 1, size - 1), place - low)

    h, w = len(cells), len(cells[0])
    return [
        [sum(cells[i][j] * a * b for i, a in taps(y, height, h) for j, b in taps(x, width, w)) for x in range(width)] for y in range(height)
    ]


def shares(call, x, context, places) -> list[list[float]]:
    """The share that ``places`` get at every cell, one head, cell and token at a time."""
    q, k = call.to_q(x).double(), call.to_k(context).double()
    depth = q.shape[-1] // call.heads
    found = []
    for cell in range(len(q)):
        heads = []
        for head in range(call.heads):
            own = slice(head * depth, (head + 1) * depth)
            scores = [math.exp(score * call.scale) for score in (k[:, own] @ q[cell, own]).tolist()]
            heads.append(sum(scores[place] for place in places) / sum(scores))
        found.append(sum(heads) / len(heads))
    return [found[row * call.grid[1] : (row + 1) * call.grid[1]] for row in range(call.grid[0])]


def mean_of(maps: list[list[list[float]]]) -> torch.Tensor:
    size = max(len(one) for one in maps)
    return torch.tensor([stretched(one, size, size) for one in maps]).mean(0)


def recorded(model, plan, order, steps=(0, 3), **more):
    record = AttentionRecord(lambda text: PLACES.get(text, []))
    made = [predict(model, replace(plan, record=record), order, index=index, **more) for index in steps]
    return record.maps(), made


def naive_couple(model, plan, order, steps, text, image, region):
    """Maps of one region while attention couple acts: what its layers see is taken from a run of the method itself."""
    maps = []

    def listen(call):
        rows_ = [n for n, row in enumerate(call.model.rows) if row == Row(image, "cond")]
        maps.extend(shares(call, call.x[n], model.context(text), PLACES[text]) for n in rows_)

    host = DiffusersHost(model)
    for index in steps:
        hooks = preparation("attention_couple")(plan, host)
        both = replace(hooks, cross_attention=lambda call, hook=hooks.cross_attention: (listen(call), hook(call))[1])
        with torch.no_grad(), host.patched(both):
            called(model, latent(len(order)), order, contexts_of(plan, order), index=index)
    return mean_of(maps)


def test_attention_couples_maps_are_those_of_the_loops(model):
    plan, order = plan_of("attention_couple", TWO, prompts=("main", "other"), negatives=("bad", "bad")), rows(2)
    maps, _ = recorded(model, plan, order)
    assert sorted(maps) == [(0, 0), (0, 1), (1, 0), (1, 1)], "a region without words has no map"
    for (image, region), found in maps.items():
        text = ("red circle", "blue")[region]
        torch.testing.assert_close(found, naive_couple(model, plan, order, (0, 3), text, image, region), atol=1e-5, rtol=1e-4)


def test_rows_of_regions_have_the_maps_of_the_plain_prompt(model):
    plan, order = plan_of("latent_couple", TWO), rows()
    maps, _ = recorded(model, plan, order, steps=(0,))
    for region, text in enumerate(("red circle", "blue")):
        seen = []

        def listen(call, text=text, seen=seen):
            seen.append(shares(call, call.x[0], call.context[0], PLACES[text]))

        with torch.no_grad(), DiffusersHost(model).patched(Hooks(cross_attention=listen)):
            called(model, latent(1), [Row(0, "cond")], [text])
        torch.testing.assert_close(maps[0, region], mean_of(seen), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "multidiffusion", "latent_composite", "mask_conditioning"])
def test_recording_changes_nothing(model, method):
    plan, order = plan_of(method, TWO), rows()
    maps, made = recorded(model, plan, order, sigma=1.0)
    assert all(torch.equal(one, predict(model, plan, order, index=index, sigma=1.0)) for one, index in zip(made, (0, 3), strict=True))
    assert all(float(one.min()) >= 0 and float(one.max()) <= 1 for one in maps.values())


def test_crops_hires_and_fine_sites_are_left_out(model, monkeypatch):
    left = [{"box": [0, 0, 0.5, 1], "feather": 0, "prompt": "red circle"}]
    crop = plan_of("latent_couple", {"regions": left, "options": {"latent_couple": {"mode": "crop", "halo": 0}}}, size=(128, 64))
    assert recorded(model, crop, rows(), x=latent(2, 8, 16))[0] == {}
    plan = plan_of("attention_couple", TWO, hires=(["main"], ["bad"]))
    assert recorded(model, plan, rows(), hires=True)[0] == {}
    monkeypatch.setattr(attention_record, "MOST_TOKENS", 16)
    assert {found.shape for found in recorded(model, plan, rows())[0].values()} == {(4, 4)}


def test_words_beyond_the_context_have_no_map(model):
    plan = plan_of("attention_couple", {"regions": [{**HALVES[0], "prompt": "big"}, {**HALVES[1], "prompt": "none"}]})
    record = AttentionRecord({"big": [500], "none": []}.__getitem__)
    predict(model, replace(plan, record=record))
    assert record.maps() == {}
