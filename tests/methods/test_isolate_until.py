"""Regions that are made by themselves in the first steps: in boxes as on pictures of their own, and after that as ever."""

from __future__ import annotations

import logging
from dataclasses import replace
from unittest import mock

import pytest
import torch
from isolation_cases import FULL, HALVES, TWO, assert_same, called, latent, plain, plan_of, predict
from toy import ToyModel, rows, toy_model
from toy_references import reference, referring

from lib_regional.engine.calls import Row
from lib_regional.engine.capabilities import ModelFacts
from lib_regional.hosts.diffusers.adapter import DiffusersHost
from lib_regional.methods import open_session, prepare
from lib_regional.request.settings import Settings
from tests.support.half import Case, every_precision, exact, relative_error

ROW = [Row(0, "cond")]
SIDE = 16
DIAGONAL = [
    {"polygon": [[0, 0], [1, 0], [0, 1]], "prompt": "a", "feather": 0},
    {"polygon": [[1, 0], [1, 1], [0, 1]], "prompt": "b", "feather": 0},
]


@pytest.fixture(scope="module")
def model() -> ToyModel:
    return toy_model()


def isolated(regions, until=1.0, **more):
    return plan_of("attention_couple", {"regions": regions, "options": {"attention_couple": {"isolate_until": until, **more}}})


def sharp(*regions):
    return [{**region, "feather": 0} for region in regions]


def noise(width=SIDE):
    return exact(1, 4, 8, width, seed=3)


def run(model, x, texts, plan=None, **step):
    """The conditional row's prediction (4, h, w)."""
    if plan is None:
        with torch.no_grad():
            return called(model, x, ROW, texts, **step)[0]
    return predict(model, plan, ROW, x, texts, **step)[0]


def test_a_half_is_what_a_picture_of_its_own_would_be(model):
    """The network on the half alone: zeros beyond it, its own norms and attention."""
    x = noise()
    got = run(model, x, ["main"], isolated(sharp(*TWO)))
    for half, text in ((slice(0, 8), "a"), (slice(8, 16), "b")):
        assert_same(got[..., half], run(model, x[..., half], [text]))


@every_precision
def test_and_in_half_precision_as_near_as_that_picture_is(model, case: Case):
    """Its error against double precision is that of the network on the half alone, in the same precision."""
    x, wanted = noise(), toy_model()
    wanted.unet.double()
    with mock.patch.object(ToyModel, "context", lambda self, text: exact(77, 16, seed=sum(map(ord, text))).to(self.unet.dtype)):
        true = run(wanted, x[..., :8].double(), ["a"])
        mine = toy_model()
        mine.unet.to(case.dtype)
        with case.ambient():
            alone = run(mine, case.of(x[..., :8]), ["a"])
            got = run(mine, case.of(x), ["main"], isolated(sharp(*TWO)))[..., :8]
    assert relative_error(got, true) <= 2 * relative_error(alone, true) + 1e-6


def reached(model, regions, until):
    """Mean change far from the border in the first region, by that in the second, when the second one's text changes."""
    plans = [isolated([regions[0], {**regions[1], "prompt": text}], until) for text in ("b", "another")]
    change = (run(model, noise(), ["main"], plans[0]) - run(model, noise(), ["main"], plans[1])).abs().amax(0)
    mine = torch.zeros(8, SIDE, dtype=torch.bool)
    mine[0, :6] = mine[:4, 0] = True
    return float(change[mine].mean() / change[~mine].mean())


def test_nothing_of_a_region_reaches_another(model):
    assert reached(model, sharp(*TWO), 1.0) < 1e-6 < 0.01 < reached(model, sharp(*TWO), 0.0)


@pytest.mark.parametrize("regions", [TWO, DIAGONAL], ids=["soft boxes", "no boxes"])
def test_but_for_cells_that_both_have_a_share_of(model, regions):
    """There both texts act, and each region's part sees them."""
    assert reached(model, regions, 1.0) < 0.7 * reached(model, regions, 0.0)


def test_it_ends_with_its_share_of_the_steps_and_is_the_first_passs_alone(model):
    plan, ever = isolated(TWO, 0.3), isolated(TWO, 0)
    for index, differs in ((0, True), (2, True), (3, False), (9, False)):
        got, without = (run(model, noise(), ["main"], one, index=index) for one in (plan, ever))
        assert (not torch.equal(got, without)) == differs
    both = [replace(one, hires=one.first) for one in (plan, ever)]
    assert torch.equal(*(run(model, noise(), ["main"], one, hires=True) for one in both))


def test_a_region_without_a_text_is_the_bases(model):
    """It sees all, and the regions see it: two halves of which one has no text are no more apart than one and the base."""
    x = noise()
    one = isolated([{**HALVES[0], "prompt": "a", "feather": 0}])
    assert_same(run(model, x, ["main"], isolated(sharp(TWO[0], {**HALVES[1], "prompt": ""}))), run(model, x, ["main"], one))
    nothing = isolated([{**half, "prompt": ""} for half in HALVES])
    assert torch.equal(predict(model, nothing), plain(model, ["main", "bad"], latent(2)))


def test_a_reference_picture_is_as_good_as_a_text(model):
    """While it acts: the half is the network's picture of that half alone, with the picture as its prompt."""
    x, steps = noise(), {"steps": [0, 0.5]}
    plan = referring(model, isolated(sharp(TWO[0], {**HALVES[1], "prompt": "", "reference": reference(**steps)})))
    alone = referring(model, isolated([{**FULL, "prompt": "", "reference": reference(**steps)}], 0))
    alone = replace(alone, references={0: plan.references[1]})
    got, right = run(model, x, ["main"], plan, index=0), run(model, x[..., 8:], ["main"], alone, index=0)
    assert_same(got[..., 8:], right)
    assert not torch.equal(right, run(model, x[..., 8:], ["main"]))
    ended = isolated(sharp(TWO[0], {**HALVES[1], "prompt": ""}))
    with open_session(DiffusersHost(model), plan):  # one generation, over the end of the picture's steps
        called(model, x, ROW, ["main"], index=0)
        behind = called(model, x, ROW, ["main"], index=6)[0]
    assert_same(behind, run(model, x, ["main"], ended, index=6))


def test_the_order_of_the_regions_is_nothing(model):
    third = [{"box": [0, i / 3, 1, (i + 1) / 3], "prompt": text} for i, text in enumerate("abc")]
    turned = [third[2], third[0], third[1]]
    assert_same(run(model, noise(), ["main"], isolated(third)), run(model, noise(), ["main"], isolated(turned)))


def test_two_regions_with_one_text_are_two(model):
    """Two cats are made, and not one across the border."""
    same = sharp({**HALVES[0], "prompt": "a"}, {**HALVES[1], "prompt": "a"})
    x = noise()
    assert_same(run(model, x, ["main"], isolated(same))[..., :8], run(model, x[..., :8], ["a"]))


def test_separate_has_no_say_in_it_and_goes_on_behind_it(model):
    """``separate`` is about LoRAs: with ``nothing`` regions are made by themselves all the same."""
    x = noise()
    got = [run(model, x, ["main"], isolated(TWO, separate=level)) for level in ("nothing", "all")]
    assert torch.equal(*got)
    assert not torch.equal(got[0], run(model, x, ["main"], isolated(TWO, 0)))


def test_a_model_that_cannot_isolate_goes_on_and_says_so(model, caplog):
    host = DiffusersHost(model)
    with (
        mock.patch.object(DiffusersHost, "facts", ModelFacts(cross_attention=True, self_attention=False)),
        caplog.at_level(logging.WARNING, "regional"),
    ):
        hooks = prepare(isolated(TWO), host)
    assert "isolate_until does nothing on this model" in caplog.text and hooks is not None


def test_nothing_stays_behind(model):
    before = {name: dict(vars(module)) for name, module in model.unet.named_modules()}
    with pytest.raises(RuntimeError, match="in the middle"), open_session(DiffusersHost(model), isolated(TWO)):
        called(model, latent(2), rows(), ["main", "bad"])
        raise RuntimeError("in the middle")
    for name, module in model.unet.named_modules():
        now, was = vars(module), before[name]
        assert now.keys() == was.keys() and all(now[key] is was[key] or now[key] == was[key] for key in now if key != "_parameters")


@pytest.mark.parametrize("value", [-0.1, 1.1, "early", None])
def test_other_values_are_named(value):
    with pytest.raises(Exception, match=r"isolate_until"):
        Settings.parse({"enabled": True, "regions": TWO, "options": {"attention_couple": {"isolate_until": value}}})
