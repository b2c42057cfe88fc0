"""Settings of any content: read and written again, or refused with the field."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.settings import Settings
from tests.request.test_settings import FULL

fractions = st.floats(0, 1)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@st.composite
def corners(draw: st.DrawFn) -> list[float]:
    xs = sorted(draw(st.lists(fractions, min_size=2, max_size=2, unique=True)))
    ys = sorted(draw(st.lists(fractions, min_size=2, max_size=2, unique=True)))
    return [xs[0], ys[0], xs[1], ys[1]]


shapes = st.one_of(
    corners().map(lambda value: {"box": value}),
    corners().map(lambda value: {"ellipse": value}),
    st.just({"polygon": [[0, 0], [1, 0], [0.25, 0.75]]}),
    st.binary(min_size=6, max_size=6).map(lambda pixels: {"mask": "rle:3x2:" + ",".join(map(str, pixels))}),
)
region_fields = st.fixed_dictionaries(
    {},
    optional={
        "prompt": texts,
        "negative": texts,
        "name": texts,
        "weight": st.floats(0, 1000) | st.integers(0, 1000),
        "base_share": fractions,
        "feather": st.floats(0, 0.5),
        "priority": st.integers(-1000, 1000),
        "steps": st.lists(fractions, min_size=2, max_size=2, unique=True).map(sorted),
        "enabled": st.booleans(),
    },
)


@st.composite
def settings_json(draw: st.DrawFn) -> dict[str, Any]:
    grid = draw(st.none() | st.sampled_from([{"ratios": "1,1;2,1"}, {"ratios": "3", "direction": "rows"}]))
    region = region_fields if grid else st.builds(lambda shape, fields: {**shape, **fields}, shapes, region_fields)
    optional = {
        "base": st.fixed_dictionaries({}, optional={"prompt": texts | st.none(), "negative": texts | st.none()}),
        "common": texts,
        "overlap": st.sampled_from(["blend", "over"]),
        "text_from": st.sampled_from(["regions", "break", "lines", "and"]),
        "options": st.sampled_from([{}, {"attention_couple": {}}, {"attention_couple": {"cache": False}}]),
        "version": st.sampled_from([1, 2]),
    }
    rest = draw(st.fixed_dictionaries({"enabled": st.booleans()}, optional=optional))
    return {**rest, "grid": grid, "regions": draw(st.lists(region, max_size=4))}


@given(settings_json())
def test_round_trip(data: dict[str, Any]) -> None:
    settings = Settings.parse(data)
    plain = settings.to_json()
    assert Settings.parse(plain) == settings
    assert Settings.parse(json.dumps(plain)) == settings
    assert Settings.parse(json.dumps(plain, ensure_ascii=False, allow_nan=False)).to_json() == plain


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(FULL) + ["box", "weight", "ratios", "prompt"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(anything)
def test_any_json_is_read_or_refused(data: object) -> None:
    try:
        settings = Settings.parse(data)
    except SettingsError as error:
        assert error.problems and str(error)
    else:
        assert Settings.parse(settings.to_json()) == settings


@given(settings_json(), st.data())
def test_one_wrong_key_is_found(data: dict[str, Any], draw: st.DataObject) -> None:
    key = draw.draw(st.sampled_from(sorted({*data, "wrong"})))
    broken = {**data, key: draw.draw(st.sampled_from([math.nan, 1j, object()]))}
    with pytest.raises(SettingsError) as caught:
        Settings.parse(broken)
    assert key in {problem.field for problem in caught.value.problems}
