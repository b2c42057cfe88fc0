"""The JSON schema accepts exactly what the settings accept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lib_regional.request.errors import SettingsError
from lib_regional.request.settings import VERSION, Settings, json_schema

BOX = [0, 0, 0.5, 1]
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsFpzpQAAAABJRU5ErkJggg=="


def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def schema_accepts(data: object) -> bool:
    return validator().is_valid(data)


def parse_accepts(data: object) -> bool:
    try:
        Settings.parse(data)
    except SettingsError:
        return False
    return True


def region(**fields: object) -> dict[str, object]:
    return {"enabled": True, "regions": [fields]}


EXAMPLES = [
    pytest.param({}, True, id="empty"),
    pytest.param({"enabled": False}, True, id="off"),
    pytest.param({"version": 1}, False, id="no enabled"),
    pytest.param({"enabled": 1}, False, id="enabled as number"),
    pytest.param({"enabled": True, "x": 1}, False, id="unknown key"),
    pytest.param({"enabled": True, "version": 1}, True, id="version"),
    pytest.param({"enabled": True, "version": 1.0}, True, id="version as float"),
    pytest.param({"enabled": True, "version": VERSION + 1}, False, id="newer version"),
    pytest.param({"enabled": True, "version": True}, False, id="version as boolean"),
    pytest.param({"enabled": True, "method": "attention_couple"}, True, id="method"),
    pytest.param({"enabled": True, "method": "magic"}, False, id="unknown method"),
    pytest.param({"enabled": True, "overlap": "over"}, True, id="overlap"),
    pytest.param({"enabled": True, "overlap": "under"}, False, id="unknown overlap"),
    pytest.param({"enabled": True, "text_from": "break"}, True, id="text from the prompt"),
    pytest.param({"enabled": True, "text_from": None}, False, id="text_from null"),
    pytest.param({"enabled": True, "common": "a"}, True, id="common"),
    pytest.param({"enabled": True, "common": None}, False, id="common null"),
    pytest.param({"enabled": True, "base": {}}, True, id="empty base"),
    pytest.param({"enabled": True, "base": {"prompt": None, "negative": "x"}}, True, id="base"),
    pytest.param({"enabled": True, "base": None}, False, id="base null"),
    pytest.param({"enabled": True, "base": {"prompt": 1}}, False, id="base prompt as number"),
    pytest.param({"enabled": True, "base": {"x": ""}}, False, id="unknown key in base"),
    pytest.param({"enabled": True, "options": {"attention_couple": {"cache": True}}}, True, id="option"),
    pytest.param({"enabled": True, "options": {"attention_couple": {}}}, True, id="no options"),
    pytest.param({"enabled": True, "options": {"attention_couple": {"cache": 1}}}, False, id="option as number"),
    pytest.param({"enabled": True, "options": {"attention_couple": {"x": 1}}}, False, id="unknown option"),
    pytest.param({"enabled": True, "options": {"magic": {}}}, False, id="options of no method"),
    pytest.param({"enabled": True, "options": None}, False, id="options null"),
    pytest.param({"enabled": True, "regions": []}, True, id="no regions"),
    pytest.param({"enabled": True, "regions": None}, False, id="regions null"),
    pytest.param({"enabled": True, "regions": [None]}, False, id="region null"),
    pytest.param({"enabled": True, "regions": [{"box": BOX}] * 257}, False, id="too many regions"),
    pytest.param(region(box=BOX), True, id="box"),
    pytest.param(region(ellipse=BOX), True, id="ellipse"),
    pytest.param(region(polygon=[[0, 0], [1, 0], [1, 1]]), True, id="polygon"),
    pytest.param(region(mask="rle:2x1:0,255"), True, id="run-length mask"),
    pytest.param(region(mask=PNG), True, id="png mask"),
    pytest.param(region(), False, id="no shape"),
    pytest.param(region(box=BOX, ellipse=BOX), False, id="two shapes"),
    pytest.param(region(box=None), False, id="box null"),
    pytest.param(region(box=[0, 0, 1]), False, id="three corners"),
    pytest.param(region(box=[0, 0, 1, 1.1]), False, id="outside"),
    pytest.param(region(box=[0, 0, "1", 1]), False, id="corner as text"),
    pytest.param(region(box=[0, 0, True, 1]), False, id="corner as boolean"),
    pytest.param(region(polygon=[[0, 0], [1, 0]]), False, id="two points"),
    pytest.param(region(polygon=[[0, 0], [1, 0], [1]]), False, id="half a point"),
    pytest.param(region(mask="x.png"), False, id="mask as path"),
    pytest.param(region(mask="data:image/jpeg;base64,AAAA"), False, id="jpeg mask"),
    pytest.param(region(mask=3), False, id="mask as number"),
    pytest.param(region(box=BOX, weight=2), True, id="weight"),
    pytest.param(region(box=BOX, weight=-0.1), False, id="negative weight"),
    pytest.param(region(box=BOX, weight=1001), False, id="heavy"),
    pytest.param(region(box=BOX, weight=True), False, id="weight as boolean"),
    pytest.param(region(box=BOX, base_share=1), True, id="base share"),
    pytest.param(region(box=BOX, base_share=1.1), False, id="base share over one"),
    pytest.param(region(box=BOX, feather=0.5), True, id="feather"),
    pytest.param(region(box=BOX, feather=0.6), False, id="wide feather"),
    pytest.param(region(box=BOX, priority=-3), True, id="priority"),
    pytest.param(region(box=BOX, priority=1.0), True, id="priority as float"),
    pytest.param(region(box=BOX, priority=1.5), False, id="priority between"),
    pytest.param(region(box=BOX, steps=[0, 0.5]), True, id="steps"),
    pytest.param(region(box=BOX, steps=[0, 20]), False, id="step numbers"),
    pytest.param(region(box=BOX, steps=[0]), False, id="one step"),
    pytest.param(region(box=BOX, prompt="a", negative="b", name="c", enabled=False), True, id="texts"),
    pytest.param(region(box=BOX, prompt=None), False, id="prompt null"),
    pytest.param(region(box=BOX, name="x" * 201), False, id="long name"),
    pytest.param(region(box=BOX, x=1), False, id="unknown key in a region"),
    pytest.param({"enabled": True, "grid": None}, True, id="grid null"),
    pytest.param({"enabled": True, "grid": {"ratios": "1,1;2,1,1", "direction": "rows"}, "regions": [{"prompt": "a"}]}, True, id="grid"),
    pytest.param({"enabled": True, "grid": {"ratios": " 1 , .5 ; 2.\t"}}, True, id="grid with blanks"),
    pytest.param({"enabled": True, "grid": {"ratios": "1,,1"}}, False, id="malformed ratios"),
    pytest.param({"enabled": True, "grid": {"ratios": ""}}, False, id="empty ratios"),
    pytest.param({"enabled": True, "grid": {}}, False, id="grid without ratios"),
    pytest.param({"enabled": True, "grid": {"ratios": "1", "direction": "up"}}, False, id="direction"),
    pytest.param({"enabled": True, "grid": {"ratios": "1"}, "regions": [{"box": BOX}]}, False, id="grid and shape"),
    pytest.param({"enabled": True, "grid": [1, 1]}, False, id="grid as list"),
]


@pytest.mark.parametrize(("data", "good"), EXAMPLES)
def test_schema_and_parse_agree(data: dict[str, Any], good: bool) -> None:
    assert (schema_accepts(data), parse_accepts(data)) == (good, good)


BEYOND = [
    pytest.param(region(box=[0.5, 0, 0.5, 1]), id="no width"),
    pytest.param(region(polygon=[[0, 0], [0.5, 0.5], [1, 1]]), id="no area"),
    pytest.param(region(box=BOX, steps=[0.9, 0.1]), id="steps backwards"),
    pytest.param(region(mask="data:image/png;base64,AAAA"), id="no picture"),
    pytest.param(region(mask="rle:2x2:0*3"), id="too few pixels"),
    pytest.param({"enabled": True, "grid": {"ratios": "0,1"}}, id="ratio zero"),
    pytest.param(region(box=BOX, prompt="\ud800"), id="lone surrogate"),
]


@pytest.mark.parametrize("data", BEYOND)
def test_what_a_schema_cannot_say(data: dict[str, Any]) -> None:
    assert (schema_accepts(data), parse_accepts(data)) == (True, False)


def test_schema_is_one() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_every_key_is_described() -> None:
    schema = json_schema()
    places = [schema, schema["properties"]["regions"]["items"], schema["properties"]["grid"], schema["properties"]["base"]]
    assert all(key["description"] for place in places for key in place["properties"].values())


def test_defaults_in_the_schema_are_those_of_the_settings() -> None:
    properties = json_schema()["properties"]
    given = {name: key["default"] for name, key in properties.items() if "default" in key}
    assert properties.keys() - given.keys() == {"enabled"}
    assert Settings.parse({**given, "enabled": True}) == Settings(enabled=True)
    fields = properties["regions"]["items"]["properties"]
    defaults = {name: key["default"] for name, key in fields.items() if "default" in key}
    assert Settings.parse(region(box=BOX, **defaults)) == Settings.parse(region(box=BOX))


mutations = st.sampled_from([None, True, -1, 0.5, 2, "", "a", [], {}, [0, 1], {"ratios": "1"}, [{"box": BOX}], [{}]])
paths = st.sampled_from(["version", "enabled", "method", "regions", "grid", "base", "common", "overlap", "text_from", "options", "other"])


@given(st.dictionaries(paths, mutations, max_size=4))
def test_schema_and_parse_agree_on_mutations(data: dict[str, Any]) -> None:
    assert schema_accepts(data) == parse_accepts(data)
