"""Candidates through a host's batch count, on parameters and results alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lib_regional.engine.capabilities import ModelFacts
from lib_regional.engine.plan import PassPlan, plan_pass
from lib_regional.request.errors import RegionalError, SettingsError
from lib_regional.request.settings import Settings
from lib_regional.webui import candidates
from lib_regional.webui.recording import PerPicture, Recording

NO_PASS = PassPlan((), 4)
REGIONS = [{"box": [0, 0, 1, 1], "prompt": "a"}]


def asked(**scores):
    return {"enabled": True, "regions": REGIONS, "options": {"scores": scores}}


def processing(**more):
    return SimpleNamespace(**{"n_iter": 2, "batch_size": 1, "prompt": "x", "seed": 5, "do_not_save_grid": False, **more})


def test_the_batch_count_is_raised_and_given_back():
    p = processing()
    before = dict(vars(p))
    candidates.multiply(p, asked(candidates=3))
    assert p.n_iter == 6 and p.do_not_save_grid
    candidates.check(p, Settings.parse(asked(candidates=3)))
    candidates.multiply(p, asked(candidates=3))
    assert p.n_iter == 6  # once more on the same parameters, after an error
    candidates.restore(p)
    assert vars(p) == before


@pytest.mark.parametrize("argument", [None, "", {"enabled": False}, asked(), asked(candidates="x"), asked(candidates=3, enabled=False)])
def test_without_candidates_nothing_changes(argument):
    p = processing()
    before = dict(vars(p))
    candidates.multiply(p, argument)
    assert vars(p) == before


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"n_iter": 30}, "33 or less|3 or less with a batch count of 30: a WebUI makes 100 batches at most, got 4"),
        ({"prompt": ["a", "b"]}, "1 where every picture has a prompt of its own, got 4"),
        ({"seed": [1, 2]}, "1 where every picture has a seed of its own, got 4"),
    ],
)
def test_what_a_host_cannot_make_is_named(more, text):
    p = processing(**more)
    before = dict(vars(p))
    candidates.multiply(p, asked(candidates=4))
    assert vars(p) == before
    with pytest.raises(RegionalError, match=text):
        candidates.check(p, Settings.parse(asked(candidates=4)))


def finished(grid: bool, extra: int = 0):
    names = ["i0", "i1", "i2", "i3"]
    first = ["grid"] if grid else []
    return SimpleNamespace(
        images=[*first, *names, *["map"] * extra],
        infotexts=[*first, *(f"text of {name}" for name in names), *["text of map"] * extra],
        all_prompts=["x"] * 4,
        all_negative_prompts=[""] * 4,
        all_seeds=[5, 6, 7, 8],
        all_subseeds=[0, 0, 0, 0],
        seed=5,
        subseed=0,
        info="text of i0",
        index_of_first_image=int(grid),
    )


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize(("keep", "order"), [("best", [2, 0]), ("all", [2, 0, 1, 3])])
def test_the_best_come_first(grid, keep, order):
    p, result = processing(), finished(grid, extra=1)
    candidates.multiply(p, asked(candidates=2, keep=keep))
    p.all_seeds = result.all_seeds
    assert candidates.chosen(p, result, {0: {0: 0.5}, 1: {0: 0.1}, 2: {0: 0.9, 1: 0.6}}) == order
    assert result.images == [*["grid"] * grid, *(f"i{at}" for at in order), "map"]
    assert result.infotexts == [*["grid"] * grid, *(f"text of i{at}" for at in order), "text of map"]
    assert result.all_seeds == [5 + at for at in order] and result.seed == 7 and result.info == "text of i2"
    assert p.n_iter == 2 and not p.do_not_save_grid


def test_an_interrupted_generation_keeps_what_it_has():
    p, result = processing(n_iter=1), finished(False)
    candidates.multiply(p, asked(candidates=4))
    p.all_seeds = [5, 6, 7, 8]
    result.images, result.infotexts = result.images[:2], result.infotexts[:2]
    assert candidates.chosen(p, result, {0: {0: 0.5}, 1: {0: 0.7}}) == [1]
    assert result.images == ["i1"] and result.all_seeds == [6]


def test_a_text_for_each_picture():
    value = PerPicture(("a", "", "c"))
    assert [value(index=at) for at in range(4)] == ["a", None, "c", None]
    assert value(index=0, use_main_prompt=True) is None and str(value) == "a; c"


class WithoutWords:
    """A host whose text encoder has no tokens that can be found."""

    def tokens(self, text):
        raise RegionalError("no tokens here")


@pytest.mark.parametrize(
    ("host", "text"),
    [
        (SimpleNamespace(name="Double", facts=ModelFacts(cross_attention=False)), "it has no cross-attention"),
        (SimpleNamespace(name="Double"), "Double does not state the tokens of a prompt"),
        (WithoutWords(), r"its tokens cannot be distinguished \(no tokens here\)"),
    ],
    ids=["joint attention", "no tokens", "tokens without words"],
)
def test_masks_from_words_are_refused_where_words_cannot_be_found(host, text):
    settings = Settings.parse({"enabled": True, "regions": [{"words": "hat", "prompt": "red"}]})
    first = plan_pass(settings, ["a hat"], [""], 4)
    with pytest.raises(SettingsError, match=rf'Region 1 \("red"\): words cannot be found with this model: {text}') as refused:
        Recording(settings, None).begin_batch(host, first)
    assert refused.value.problems[0].field == "regions[0].words"


def test_without_words_there_are_no_scores_and_no_candidates(caplog):
    caplog.set_level("INFO")
    assert Recording(Settings.parse(asked()), None).begin_batch(WithoutWords(), NO_PASS) == (None, None, None)
    assert "its words cannot be found (no tokens here)" in caplog.text
    with pytest.raises(RegionalError, match="must be 1 with this model: regions have no scores, since its words cannot be found"):
        Recording(Settings.parse(asked(candidates=2)), None).begin_batch(WithoutWords(), NO_PASS)


def test_without_cross_attention_there_are_none():
    host = SimpleNamespace(facts=ModelFacts(cross_attention=False), tokens=lambda text: [])
    with pytest.raises(RegionalError, match="since it has no cross-attention"):
        Recording(Settings.parse(asked(candidates=2)), None).begin_batch(host, NO_PASS)
