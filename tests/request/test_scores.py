"""Scores as text and data, candidates as settings ask for them."""

from __future__ import annotations

import json

import pytest

from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import to_infotext
from lib_regional.request.scoring.scores import LATEST, lowest, ranked, score_data, score_text, scored
from lib_regional.request.settings import Settings

REGIONS = [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}]


def asked(method="attention_couple", options=(), **scores):
    return Settings.parse({"enabled": True, "method": method, "regions": REGIONS, "options": {**dict(options), "scores": scores}})


def test_text_and_data():
    assert score_text({1: 0.912, 0: 0.949}) == "0.91 (1: 0.95, 2: 0.91)" and score_text({}) == ""
    assert score_data({1: 0.91234}, 2) == {"score": 0.9123, "regions": [None, 0.9123]}
    assert score_data({}, 1) == {"score": None, "regions": [None]}


def test_pictures_are_ranked_by_their_worst_region():
    scores = [{0: 0.9, 1: 0.1}, {0: 0.5, 1: 0.5}, {}, {0: 0.5, 1: 0.6}]
    assert lowest(scores[0]) == 0.1 and ranked(scores) == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("value", "allowed"), [(0, "1 or more"), (101, "100 or less"), (1.5, "a whole number"), ("4", "a whole number from 1 to 100")]
)
def test_wrong_counts_are_named(value, allowed):
    with pytest.raises(SettingsError) as caught:
        asked(candidates=value)
    [problem] = caught.value.problems
    assert problem.field == "options.scores.candidates" and allowed in problem.message


def test_a_wrong_choice_is_named():
    with pytest.raises(SettingsError, match='keep must be "best" or "all", got "first"'):
        asked(keep="first")


@pytest.mark.parametrize(
    ("method", "options", "is_scored"),
    [
        ("attention_couple", {}, True),
        ("repaint", {}, True),
        ("repaint", {"repaint": {"by": "latent_composite"}, "latent_composite": {"after": "nothing"}}, False),
        ("collage", {}, True),
        ("sequential", {}, False),
        ("mrgd", {}, False),
        ("latent_composite", {}, True),
        ("latent_composite", {"latent_composite": {"after": "nothing"}}, False),
        ("latent_composite", {"latent_composite": {"after": "nothing", "alone": 0.9}}, True),
    ],
)
def test_which_methods_have_scores(method, options, is_scored):
    assert scored(asked(method, options)) is is_scored
    assert not scored(asked(method, options, enabled=False))


def test_candidates_without_scores_are_refused():
    for settings in (asked("sequential", candidates=2), asked(enabled=False, candidates=2)):
        with pytest.raises(SettingsError, match="options.scores.candidates must be 1 where regions have no scores"):
            settings.check_method()
    asked("sequential").check_method()


def test_a_pictures_settings_ask_for_that_picture_alone():
    text = to_infotext(asked(candidates=4, keep="all"))["Regional"]
    assert "scores" not in json.loads(text).get("options", {})
    assert json.loads(to_infotext(asked(candidates=4, enabled=False))["Regional"])["options"] == {"scores": {"enabled": False}}


def test_the_first_scored_step_is_the_records():
    from lib_regional.engine.records.score_record import STEPS

    assert min(STEPS) == LATEST
