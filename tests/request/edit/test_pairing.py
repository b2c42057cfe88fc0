"""Which regions an edit added, removed, re-worded or kept."""

import pytest

from lib_regional.request.edit.pairing import as_source, edited_shapes, layout_regions, pair_regions, read_source
from lib_regional.request.errors import SettingsError
from lib_regional.request.settings import Settings

A, B, C = [0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.2, 0.2, 0.6, 0.6]


def regions(*pairs, **more):
    asked = [{"box": box, "prompt": prompt, **more} for box, prompt in pairs]
    return layout_regions(Settings.parse({"enabled": True, "regions": asked}))


CASES = [
    pytest.param([(A, "cat")], [(A, "cat"), (B, "dog")], [(0, 0, "inherent"), (None, 1, "added")], id="added"),
    pytest.param([(A, "cat"), (B, "dog")], [(B, "dog")], [(1, 0, "inherent"), (0, None, "removed")], id="removed"),
    pytest.param([(A, "cat"), (B, "dog")], [(B, "fox"), (A, "cat")], [(0, 1, "inherent"), (1, 0, "reworded")], id="re-worded, reordered"),
    pytest.param([(A, "cat")], [(B, "cat")], [(0, None, "removed"), (None, 0, "added")], id="moved"),
    pytest.param([(A, "cat")], [([0, 0, 0.49, 1], "cat")], [(0, 0, "inherent")], id="nudged"),
    pytest.param([(A, "a  cat")], [(A, "a cat")], [(0, 0, "inherent")], id="blanks"),
    pytest.param([(A, "cat"), (A, "dog")], [(A, "dog"), (A, "cat")], [(0, 1, "inherent"), (1, 0, "inherent")], id="one place, two texts"),
    pytest.param([(A, "cat"), (B, "")], [(A, "cat")], [(0, 0, "inherent")], id="an empty region takes no part"),
    pytest.param([], [], [], id="nothing"),
]


@pytest.mark.parametrize(("source", "target", "expected"), CASES)
def test_pairs_are_found(source, target, expected):
    found = pair_regions(regions(*source), regions(*target))
    assert [(pair.source, pair.target, pair.kind) for pair in found] == expected


def test_what_the_user_pairs_goes_first():
    source, target = regions((A, "cat"), (A, "dog")), regions((A, "cat"), (A, "dog"))
    found = pair_regions(source, target, [(0, 1), (None, 0)])
    assert [(p.source, p.target, p.kind) for p in found] == [(0, 1, "reworded"), (None, 0, "added"), (1, None, "removed")]


BAD = [
    ([(2, 0)], "a region of the source"),
    ([(0, 0), (0, 1)], "names each source region once"),
    ([(1, 0)], "two regions in one place"),
    ([(0, 2)], "that is on and has a prompt"),
]


@pytest.mark.parametrize(("pairs", "words"), BAD)
def test_pairs_that_do_not_fit_are_named(pairs, words):
    source, target = regions((A, "cat"), (B, "dog")), regions((A, "cat"), (B, "dog"), (C, ""))
    with pytest.raises(SettingsError, match=words) as error:
        pair_regions(source, target, pairs)
    assert error.value.problems[0].field.startswith("options.mrgd.pairs")


def test_edited_places_are_those_of_both_sides():
    source, target = regions((A, "cat"), (B, "dog")), regions((A, "cat"), (C, "fox"))
    shapes = edited_shapes(pair_regions(source, target), source, target)
    assert [shape.prompt for shape in shapes] == ["dog", "fox"]


def test_a_source_takes_over_what_it_does_not_say():
    target = Settings.parse(
        {"enabled": True, "method": "mrgd", "regions": [{"box": A, "prompt": "cat"}], "common": "oil", "base": {"prompt": "hills"}}
    )
    source = read_source(target, {"regions": [{"box": B, "prompt": "dog"}], "base": {"prompt": "sea"}})
    assert (source.common, source.base.prompt, len(source.regions)) == ("oil", "sea", 1)
    assert read_source(target, {}).base.prompt == "hills"
    assert read_source(target, as_source(target)).layout() == target.layout()


@pytest.mark.parametrize(
    ("data", "field"),
    [({"magic": 1}, "options.mrgd.source.magic"), ({"regions": [{"box": A, "weight": -1}]}, "options.mrgd.source.regions[0].weight")],
)
def test_a_bad_source_is_named_by_its_path(data, field):
    with pytest.raises(SettingsError) as error:
        read_source(Settings(enabled=True, method="mrgd"), data)
    assert error.value.problems[0].field == field


@pytest.mark.parametrize(
    ("option", "value"),
    [("source", 3), ("pairs", [[0]]), ("pairs", [[0, -1]]), ("pairs", [[True, 0]]), ("keywords", ["a"]), ("keywords", [[""]]),
     ("reweight", {"a": 11}), ("guidance", "magic"), ("lambda_rs", -1), ("tau", 2), ("lock", 1)],
)  # fmt: skip
def test_bad_options_are_named(option, value):
    with pytest.raises(SettingsError) as error:
        Settings.parse({"enabled": True, "options": {"mrgd": {option: value}}})
    assert error.value.problems[0].field == f"options.mrgd.{option}"


def test_options_survive_json():
    options = {"source": {"regions": [{"box": A, "prompt": "cat"}]}, "pairs": [[0, None]], "keywords": [["cat"]], "reweight": {"cat": 2}}
    settings = Settings.parse({"version": 4, "enabled": True, "method": "mrgd", "options": {"mrgd": options}})
    assert Settings.parse(settings.to_json()) == settings
    assert settings.to_json()["options"]["mrgd"] == options
