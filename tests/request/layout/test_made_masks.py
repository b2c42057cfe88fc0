"""Procedural masks and combinations: what is read, what is refused with which words, and the JSON they become again."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.combined import MAX_DEPTH, MAX_SHAPES, depth, leaves
from lib_regional.request.layout.procedural import KINDS
from lib_regional.request.layout.shapes import read_shape
from lib_regional.request.settings import Settings, json_schema

BOX = {"box": [0.1, 0.2, 0.5, 0.9]}
STRIPES = {"procedural": {"kind": "stripes", "count": 8, "angle": 45}}
GOOD = [
    {"procedural": {"kind": "linear", "from": [0, 0], "to": [0, 1], "stops": [[0, 1], [0.5, 0.25], [1, 0]]}},
    {"procedural": {"kind": "radial"}},
    {"procedural": {"kind": "angular", "to": [0.5, 1]}},
    {"procedural": {"kind": "value_noise", "seed": 4, "cells": 12}},
    {"procedural": {"kind": "perlin_noise", "octaves": 3, "threshold": 0.5, "softness": 0.1}},
    STRIPES,
    {"procedural": {"kind": "checks", "phase": 0.25}},
    {"procedural": {"kind": "text", "text": "Hut\nшляпа", "box": [0, 0, 1, 0.5]}},
    {"combined": {"op": "union", "of": [BOX, STRIPES, {"polygon": [[0, 0], [1, 0], [1, 1]]}]}},
    {"combined": {"op": "difference", "of": [BOX, {"combined": {"op": "grow", "of": [STRIPES], "amount": 0.02}}]}},
    {"combined": {"op": "mirror", "of": [BOX], "axis": "y"}},
    {"combined": {"op": "threshold", "of": [{"mask": "rle:2x1:0*1,255*1"}], "amount": 0.5}},
    {"combined": {"op": "invert", "of": [BOX]}},
]


def settings_with(shape: dict) -> dict:
    return {"enabled": True, "regions": [{**shape, "prompt": "a"}]}


@pytest.mark.parametrize("shape", GOOD, ids=lambda shape: json.dumps(shape)[:50])
def test_a_shape_is_its_json_again_and_fits_the_schema(shape):
    settings = Settings.parse(settings_with(shape))
    again = settings.to_json()
    (kind,) = shape
    assert again["regions"][0][kind] == shape[kind] and Settings.parse(again) == settings
    jsonschema.validate(again, json_schema())


BAD = [
    ({"procedural": {"kind": "spiral"}}, "regions[0].procedural.kind", '"linear"'),
    ({"procedural": []}, "regions[0].procedural", "an object"),
    ({"procedural": {"kind": "linear", "to": [0, 0.5]}}, "regions[0].procedural.to", "another point than from"),
    ({"procedural": {"kind": "linear", "stops": [[0.5, 0], [0.2, 1]]}}, "regions[0].procedural.stops", "in order of their positions"),
    ({"procedural": {"kind": "radial", "from": [0.5, 2]}}, "regions[0].procedural.from", "two numbers from 0 to 1"),
    ({"procedural": {"kind": "stripes", "cells": 4}}, "regions[0].procedural.cells", "one of count, angle, phase, share"),
    ({"procedural": {"kind": "perlin_noise", "octaves": 1.5}}, "regions[0].procedural.octaves", "a whole number"),
    ({"procedural": {"kind": "text", "text": "帽子"}}, "regions[0].procedural.text", "without 子 帽"),
    ({"procedural": {"kind": "text", "text": " \n"}}, "regions[0].procedural.text", "a letter"),
    ({"procedural": {"kind": "text"}}, "regions[0].procedural.text", "given"),
    ({"procedural": {"kind": "text", "text": "a", "box": [0.5, 0, 0.5, 1]}}, "regions[0].procedural.box", "x0 < x1"),
    ({"combined": {"op": "melt", "of": [BOX]}}, "regions[0].combined.op", '"union"'),
    ({"combined": {"op": "union", "of": [BOX]}}, "regions[0].combined.of", "a list of 2 to"),
    ({"combined": {"op": "invert", "of": [BOX, BOX]}}, "regions[0].combined.of", "a list of one shape"),
    ({"combined": {"op": "grow", "of": [BOX]}}, "regions[0].combined.amount", "given"),
    ({"combined": {"op": "blur", "of": [BOX], "amount": 2}}, "regions[0].combined.amount", "0.25 or less"),
    ({"combined": {"op": "invert", "of": [BOX], "amount": 1}}, "regions[0].combined.amount", "left out"),
    ({"combined": {"op": "invert", "of": [{"box": [0, 0, 2, 1]}]}}, "regions[0].combined.of[0].box[2]", "1 or less"),
    ({"combined": {"op": "invert", "of": [{**BOX, "ellipse": [0, 0, 1, 1]}]}}, "regions[0].combined.of[0]", "an object with one of box"),
    ({"combined": {"op": "invert", "of": [{"combined": {"op": "x", "of": []}}]}}, "regions[0].combined.of[0].combined.op", '"union"'),
]


@pytest.mark.parametrize(("shape", "field", "words"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_shape_is_refused_by_its_field(shape, field, words):
    with pytest.raises(SettingsError) as caught:
        Settings.parse(settings_with(shape))
    (problem,) = caught.value.problems
    assert problem.field == field and words in f"{problem.allowed} {problem.message}" and problem.message.startswith("Region 1")


def nested(levels: int) -> dict:
    return BOX if levels == 0 else {"combined": {"op": "invert", "of": [nested(levels - 1)]}}


def test_depth_and_count_are_bounded():
    deepest = read_shape("combined", nested(MAX_DEPTH)["combined"])
    assert depth(deepest) == MAX_DEPTH
    with pytest.raises(SettingsError, match=f"at most {MAX_DEPTH} operations"):
        read_shape("combined", nested(MAX_DEPTH + 1)["combined"])
    with pytest.raises(SettingsError, match=f"at most {MAX_DEPTH} operations"):
        read_shape("combined", nested(900)["combined"])
    half = {"combined": {"op": "union", "of": [BOX] * (MAX_SHAPES // 2)}}
    assert sum(1 for _ in leaves(read_shape("combined", {"op": "union", "of": [half, half]}))) == MAX_SHAPES
    with pytest.raises(SettingsError, match=f"at most {MAX_SHAPES} shapes together"):
        read_shape("combined", {"op": "union", "of": [half, half, BOX]})


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.sampled_from([*KINDS, "union", "invert", "grow"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["kind", "op", "of", "amount", "box", "text", "from", "to", "stops", "combined"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["procedural", "combined"]), anything)
def test_whatever_comes_is_a_shape_or_a_settings_error(kind, value):
    try:
        shape = read_shape(kind, value)
    except SettingsError as error:
        assert all(problem.field.startswith(kind) for problem in error.problems)
    else:
        assert read_shape(kind, shape.to_json()[kind]) == shape and 0 <= shape.bounds.x0 < shape.bounds.x1 <= 1
