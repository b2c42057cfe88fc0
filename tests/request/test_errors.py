"""Messages, paths and API answers of errors."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import Problem, RegionalError, SettingsError, raise_any, settings_error, shown

MESSAGES = [
    pytest.param(
        Problem("regions[2].weight", -1, "0 or more", 'Region 3 ("red hat")'),
        'Region 3 ("red hat"): weight must be 0 or more, got -1.',
        id="in a region",
    ),
    pytest.param(Problem("overlap", "x", '"blend" or "over"'), 'overlap must be "blend" or "over", got "x".', id="at the top"),
    pytest.param(Problem("regions[0].weight", True, "a number", "Region 1"), "Region 1: weight must be a number, got true.", id="boolean"),
    pytest.param(Problem("a", None, "a text"), "a must be a text, got null.", id="null"),
    pytest.param(Problem("a", float("nan"), "a number"), "a must be a number, got NaN.", id="nan"),
    pytest.param(Problem("a", 1, "b", "There", "it is odd."), "There: it is odd.", id="own sentence"),
]


@pytest.mark.parametrize(("problem", "message"), MESSAGES)
def test_message(problem: Problem, message: str) -> None:
    assert problem.message == message


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 10**6)) == 60
    assert len(json.dumps(Problem("mask", "x" * 10**6, "a mask").to_dict())) < 400


def test_at_puts_a_problem_below_a_path() -> None:
    problem = Problem("weight", -1, "0 or more").at("regions[2]", "Region 3")
    assert (problem.field, problem.where) == ("regions[2].weight", "Region 3")
    assert Problem("", 3, "an object").at("regions[2]").field == "regions[2]"


def test_error_holds_every_problem_and_answers_json() -> None:
    error = SettingsError([Problem("a", float("inf"), "a number"), Problem("b", "x", "a flag")])
    assert str(error) == 'a must be a number, got Infinity.\nb must be a flag, got "x".'
    answer = error.to_dict()
    assert set(answer) == {"error", "detail", "problems"}
    assert json.loads(json.dumps(answer, allow_nan=False))["problems"][1] == {
        "field": "b",
        "value": "x",
        "allowed": "a flag",
        "message": 'b must be a flag, got "x".',
    }


def test_settings_error_is_both_kinds_and_survives_pickling() -> None:
    error = settings_error("a", 1, "2")
    assert isinstance(error, RegionalError) and isinstance(error, ValueError)
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_raise_any_raises_only_for_problems() -> None:
    raise_any([])
    with pytest.raises(SettingsError, match="a must be b"):
        raise_any([Problem("a", 1, "b")])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(json_values)
def test_any_value_can_be_named(value: object) -> None:
    problem = Problem("field", value, "something else")
    assert len(shown(value)) <= 60
    json.dumps(problem.to_dict(), allow_nan=False).encode()
    problem.message.encode()
