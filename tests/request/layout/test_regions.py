"""Regions and layouts check themselves."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.regions import Layout, Region, RegionSettings
from lib_regional.request.layout.shapes import Box
from lib_regional.request.settings import Settings

HALF = Box(0, 0, 0.5, 1)

BAD_FIELDS = [
    pytest.param({"weight": -1}, "weight must be 0 or more, got -1.", id="negative weight"),
    pytest.param({"weight": math.nan}, "weight must be a number from 0 to 1000, got NaN.", id="nan weight"),
    pytest.param({"weight": math.inf}, "weight must be 1000 or less", id="infinite weight"),
    pytest.param({"weight": True}, "weight must be a number", id="boolean weight"),
    pytest.param({"weight": "1"}, 'weight must be a number from 0 to 1000, got "1".', id="weight as text"),
    pytest.param({"base_share": 1.1}, "base_share must be 1 or less", id="base share"),
    pytest.param({"feather": 0.6}, "feather must be 0.5 or less", id="feather"),
    pytest.param({"priority": 1.5}, "priority must be a whole number, got 1.5.", id="priority between"),
    pytest.param({"priority": 5000}, "priority must be 1000 or less", id="priority too high"),
    pytest.param({"steps": (0.5, 0.5)}, "the first below the second", id="no steps"),
    pytest.param({"steps": (0.8, 0.2)}, "the first below the second", id="steps backwards"),
    pytest.param({"steps": (0, 20)}, "two numbers from 0 to 1", id="step numbers"),
    pytest.param({"steps": 0.5}, "two numbers from 0 to 1", id="one step"),
    pytest.param({"prompt": None}, "prompt must be a text, got null.", id="no prompt"),
    pytest.param({"prompt": "\ud800"}, "broken characters", id="lone surrogate"),
    pytest.param({"name": "x" * 201}, "name must be at most 200 characters", id="long name"),
    pytest.param({"cfg_scale": -1}, "cfg_scale must be 0 or more, got -1.", id="negative scale"),
    pytest.param({"cfg_scale": "7"}, 'cfg_scale must be a number from 0 to 100 or null, got "7".', id="scale as text"),
    pytest.param({"seed": 1.5}, "seed must be a whole number, got 1.5.", id="seed between"),
    pytest.param({"seed": 2**32}, "seed must be 4294967295 or less, got 4294967296.", id="large seed"),
    pytest.param({"seed": True}, "seed must be a whole number from 0 to 4294967295 or null, got true.", id="seed as boolean"),
    pytest.param({"enabled": 1}, "enabled must be true or false, got 1.", id="enabled as number"),
]


@pytest.mark.parametrize(("fields", "text"), BAD_FIELDS)
def test_bad_fields(fields: dict[str, object], text: str) -> None:
    for build in (Region, RegionSettings):
        with pytest.raises(SettingsError) as caught:
            build(shape=HALF, **fields)  # type: ignore[arg-type]
        assert text in str(caught.value)


def test_all_problems_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Region(HALF, weight=-1, feather=2)
    assert [problem.field for problem in caught.value.problems] == ["weight", "feather"]


def test_integers_become_floats() -> None:
    region = Region(HALF, weight=2, steps=(0, 1))
    assert (type(region.weight), region.steps) == (float, (0.0, 1.0))


@pytest.mark.parametrize(("steps", "count"), [((0.8, 1), 4), ((0.3, 0.45), 4), ((0.99, 1), 20), ((0.1, 0.9), 1)])
def test_a_range_in_which_no_step_begins_never_acts(steps: tuple[float, float], count: int) -> None:
    assert Region(HALF, steps=steps).never_acts(count)


@pytest.mark.parametrize(("steps", "count"), [((0, 1), 1), ((0, 0.01), 4), ((0.75, 1), 4), ((0.8, 1), 20), ((0.3, 0.5), 8)])
def test_a_range_in_which_a_step_begins_acts(steps: tuple[float, float], count: int) -> None:
    assert not Region(HALF, steps=steps).never_acts(count)


def test_a_region_needs_a_shape_and_its_settings_do_not() -> None:
    assert RegionSettings().shape is None
    with pytest.raises(TypeError):
        Region()  # type: ignore[call-arg]
    for shape in (None, [0, 0, 1, 1]):
        with pytest.raises(SettingsError, match="shape must be one of Box, Ellipse"):
            Region(shape)  # type: ignore[arg-type]


LABELS = [
    pytest.param({"name": "red hat", "prompt": "a hat"}, 'Region 3 ("red hat")', id="name"),
    pytest.param({"prompt": "a   cat"}, 'Region 3 ("a cat")', id="prompt"),
    pytest.param({"prompt": "a red circle on a green meadow"}, 'Region 3 ("a red circle on a green…")', id="long prompt"),
    pytest.param({}, "Region 3", id="neither"),
]


@pytest.mark.parametrize(("fields", "label"), LABELS)
def test_label(fields: dict[str, str], label: str) -> None:
    assert Region(HALF, **fields).label(2) == label  # type: ignore[arg-type]


def test_layout() -> None:
    assert Layout((Region(HALF),)).overlap == "blend"
    with pytest.raises(SettingsError, match='overlap must be "blend" or "over"'):
        Layout((Region(HALF),), "under")
    with pytest.raises(SettingsError, match=r"regions\[1\] must be a Region with a shape"):
        Layout((Region(HALF), RegionSettings()))  # type: ignore[arg-type]


def test_a_group_goes_with_the_settings_and_changes_no_picture():
    settings = Settings.parse({"version": 2, "enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a", "group": "hats"}]})
    assert settings.to_json()["regions"][0]["group"] == "hats" and Settings.parse(settings.to_json()) == settings
    assert settings.regions[0].same_picture(replace(settings.regions[0], group="", name="x"))
    assert not settings.regions[0].same_picture(replace(settings.regions[0], group="", prompt="x"))
    for wrong in (5, "x" * 81):
        with pytest.raises(SettingsError, match=r"group"):
            Settings.parse({"version": 2, "enabled": True, "regions": [{"box": [0, 0, 1, 1], "group": wrong}]})
