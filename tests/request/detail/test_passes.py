"""The detail pass as it is asked for: whose it is, in which order, and in what size."""

import pytest

from lib_regional.request.cost import estimate
from lib_regional.request.detail.passes import Detail, details_of, working_size
from lib_regional.request.errors import SettingsError
from lib_regional.request.infotext import from_infotext, to_infotext
from lib_regional.request.settings import Settings

LEFT, RIGHT = {"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}
ALL = {"options": {"detail": {"enabled": True}}}


def passes(*regions, **more):
    return details_of(Settings.parse({"enabled": True, "regions": list(regions), **more}))


def regions_of(*regions, **more):
    return [at for at, _ in passes(*regions, **more)]


def test_without_a_wish_there_is_no_pass():
    assert passes(LEFT, RIGHT) == []


def test_all_regions_with_a_text_or_those_that_ask():
    empty = {**LEFT, "prompt": " "}
    assert regions_of(LEFT, empty, RIGHT, **ALL) == [0, 2]
    assert regions_of(LEFT, {**RIGHT, "detail": False}, **ALL) == [0]
    assert regions_of({**LEFT, "enabled": False}, RIGHT, **ALL) == [1]
    assert regions_of({**empty, "detail": True}, {**RIGHT, "detail": {}}) == [0, 1]


def test_those_of_higher_priority_come_later_and_equal_ones_in_order():
    assert regions_of({**LEFT, "priority": 3}, RIGHT, LEFT, {**RIGHT, "priority": -1}, **ALL) == [3, 1, 2, 0]


def test_a_regions_own_values_go_before_those_of_all():
    shared = {"options": {"detail": {"enabled": True, "denoise": 0.3, "margin": 8}}}
    found = dict(passes({**LEFT, "detail": {"denoise": 0.9, "steps": 7}}, RIGHT, **shared))
    assert found == {0: Detail(0.9, 7, None, 8, 0.02), 1: Detail(0.3, None, None, 8, 0.02)}


def test_sequential_makes_every_region_anew():
    found = passes(LEFT, {**RIGHT, "detail": {"denoise": 0.5}}, method="sequential", options={"detail": {"denoise": 0.2}})
    assert [detail.denoise for _, detail in found] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        (0.4, "detail must be null, true, false or an object, got 0.4."),
        ({"denoise": 0}, "denoise must be 0.01 or more, got 0"),
        ({"denoise": 1.1}, "denoise must be 1 or less, got 1.1"),
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"margin": 2.5}, "margin must be a whole number, got 2.5"),
        ({"strength": 1}, '"strength" is not a known key'),
    ],
)
def test_a_wrong_value_is_named(detail, text):
    with pytest.raises(SettingsError) as caught:
        passes({**LEFT, "detail": detail})
    assert "Region 1" in str(caught.value) and text in str(caught.value)
    assert caught.value.problems[0].field == "regions[0].detail"


def test_wrong_options_are_named():
    with pytest.raises(SettingsError, match="options of detail: scale must be 8 or less, got 9"):
        passes(LEFT, options={"detail": {"scale": 9}})


def test_the_infotext_brings_it_back():
    settings = Settings.parse({"enabled": True, "regions": [{**LEFT, "detail": {"denoise": 0.5}}, {**RIGHT, "detail": False}], **ALL})
    assert from_infotext(to_infotext(settings)) == settings
    assert hash(settings.regions[0]) == hash(Settings.parse(settings.to_json()).regions[0])


@pytest.mark.parametrize(
    ("size", "trained", "scale", "expected"),
    [
        ((100, 200), 512, None, (368, 728)),  # 262144 pixels of the same shape, sides up to the next multiple
        ((800, 600), 512, None, (800, 600)),  # never smaller of itself
        ((100, 200), 512, 1.0, (104, 200)),
        ((800, 600), 512, 0.5, (400, 304)),
        ((10, 400), 128, None, (64, 816)),
    ],
)
def test_the_working_size(size, trained, scale, expected):
    assert working_size(size, trained, scale) == expected
    assert all(side % 16 == 0 for side in working_size(size, trained, scale, 16))


def test_the_cost_counts_the_passes():
    def ratio(**more):
        return estimate(Settings.parse({"enabled": True, "regions": [LEFT, RIGHT], **more}), (512, 512)).ratio

    detail = {"enabled": True, "denoise": 0.5, "margin": 0, "scale": 1}
    half = ratio(options={"detail": detail}) - ratio()
    assert 0.4 < half < 0.6  # two halves at half strength
    assert ratio(method="sequential") > 2.5
