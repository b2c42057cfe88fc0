"""Settings: what is read, what is refused and how, and that nothing is lost on the way."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from lib_regional.request import settings as settings_module
from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.grid import Grid
from lib_regional.request.layout.regions import MAX_REGIONS, Region, RegionSettings
from lib_regional.request.layout.shapes import Box, Ellipse, MaskImage, Polygon
from lib_regional.request.methods.specs import METHODS
from lib_regional.request.settings import VERSION, Base, Settings

BOX = [0, 0, 0.5, 1]
FULL = {
    "version": 1,
    "enabled": True,
    "method": "attention_couple",
    "regions": [
        {
            "box": [0, 0, 0.5, 1],
            "prompt": "a red circle on grass",
            "negative": "",
            "name": "",
            "weight": 1.0,
            "base_share": 0.2,
            "feather": 0.05,
            "priority": 0,
            "steps": [0.0, 1.0],
            "enabled": True,
        },
        {"polygon": [[0.5, 0], [1, 0], [1, 1]], "prompt": "a blue square"},
        {"mask": "rle:2x1:0,255", "prompt": "x"},
        {"ellipse": [0.1, 0.1, 0.4, 0.4], "prompt": "y"},
    ],
    "grid": None,
    "base": {"prompt": None, "negative": None},
    "common": "",
    "overlap": "blend",
    "text_from": "regions",
    "options": {},
}


def with_region(**fields: object) -> dict[str, object]:
    return {"enabled": True, "regions": [{"box": BOX, **fields}]}


@pytest.mark.parametrize("data", [None, "", "  ", {}, "{}", "null"], ids=repr)
def test_nothing_is_off(data: object) -> None:
    assert Settings.parse(data) == Settings(enabled=False)


def test_the_documented_example() -> None:
    settings = Settings.parse(FULL)
    kinds = [type(region.shape) for region in settings.regions]
    assert kinds == [Box, Polygon, MaskImage, Ellipse]
    assert settings == Settings.parse(json.dumps(FULL)) == Settings.parse(settings)
    assert settings.to_json() == {
        "version": 4,
        "enabled": True,
        "method": "attention_couple",
        "regions": [
            {"box": [0, 0, 0.5, 1], "prompt": "a red circle on grass", "base_share": 0.2},
            {"polygon": [[0.5, 0], [1, 0], [1, 1]], "prompt": "a blue square"},
            {"mask": "rle:2x1:0,255", "prompt": "x"},
            {"ellipse": [0.1, 0.1, 0.4, 0.4], "prompt": "y"},
        ],
    }


BAD = [
    pytest.param([], "The settings must be a JSON object, got list.", "", id="a list"),
    pytest.param(True, "The settings must be a JSON object, got bool.", "", id="a boolean"),
    pytest.param("{", "The settings are not JSON", "", id="broken json"),
    pytest.param("[" * 100_000, "The settings are not JSON", "", id="deep json"),
    pytest.param("7" * 5000, "The settings ", "", id="long number"),
    pytest.param('{"enabled": true, "enabled": false}', '"enabled" stands twice', "enabled", id="key twice"),
    pytest.param({"regions": []}, "enabled is missing", "enabled", id="no enabled"),
    pytest.param({"enabled": 1}, "enabled must be true or false, got 1.", "enabled", id="enabled as number"),
    pytest.param({"enabled": "true"}, 'enabled must be true or false, got "true".', "enabled", id="enabled as text"),
    pytest.param({"enabled": None}, "enabled must be true or false, got null.", "enabled", id="enabled null"),
    pytest.param({"enabled": True, "regons": []}, 'did you mean "regions"?', "regons", id="unknown key"),
    pytest.param(
        {"enabled": True, "version": VERSION + 1},
        f"made by a newer Regional: this one reads up to {VERSION}",
        "version",
        id="newer version",
    ),
    pytest.param({"enabled": True, "version": 0}, "version must be 1 or more", "version", id="version zero"),
    pytest.param({"enabled": True, "version": "1"}, "version must be a whole number", "version", id="version as text"),
    pytest.param({"enabled": True, "method": "magic"}, 'method must be "attention_couple", ', "method", id="unknown method"),
    pytest.param({"enabled": True, "overlap": "under"}, 'overlap must be "blend" or "over"', "overlap", id="overlap"),
    pytest.param(
        {"enabled": True, "text_from": "words"}, 'text_from must be "regions", "break", "lines" or "and"', "text_from", id="text_from"
    ),
    pytest.param({"enabled": True, "common": None}, "common must be a text, got null.", "common", id="common null"),
    pytest.param({"enabled": True, "regions": {}}, "regions must be a list of objects", "regions", id="regions object"),
    pytest.param({"enabled": True, "regions": None}, "regions must be a list of objects", "regions", id="regions null"),
    pytest.param({"enabled": True, "regions": [3]}, "regions[0] must be an object", "regions[0]", id="region as number"),
    pytest.param(
        {"enabled": True, "regions": [{"box": BOX}] * (MAX_REGIONS + 1)}, "at most 256 regions, got 257", "regions", id="too many regions"
    ),
    pytest.param({"enabled": True, "regions": [{}]}, "Region 1: has no place", "regions[0]", id="no shape"),
    pytest.param(with_region(mask="rle:1x1:0"), "Region 1: has 2 shapes (box, mask): keep one.", "regions[0]", id="two shapes"),
    pytest.param(with_region(box=[0, 0, 2, 1]), "Region 1: box: x1 must be 1 or less, got 2.", "regions[0].box[2]", id="outside"),
    pytest.param(with_region(box=[0, 0, math.nan, 1]), "x1 must be a number from 0 to 1, got NaN.", "regions[0].box[2]", id="nan in a box"),
    pytest.param(with_region(box=None), "box must be a list of four numbers", "regions[0].box", id="box null"),
    pytest.param({"enabled": True, "regions": [{"mask": "x.jpg"}]}, "Region 1: mask must be a PNG", "regions[0].mask", id="no mask"),
    pytest.param(
        with_region(weight=-1, name="red hat"), 'Region 1 ("red hat"): weight must be 0 or more, got -1.', "regions[0].weight", id="weight"
    ),
    pytest.param('{"enabled":true,"regions":[{"box":[0,0,1,1],"weight":NaN}]}', "got NaN", "regions[0].weight", id="nan in json"),
    pytest.param(with_region(weight=True), "weight must be a number from 0 to 1000, got true.", "regions[0].weight", id="boolean weight"),
    pytest.param(with_region(weight=10**400), "weight must be 1000 or less", "regions[0].weight", id="huge weight"),
    pytest.param(with_region(wieght=1), 'did you mean "weight"?', "regions[0].wieght", id="unknown key in a region"),
    pytest.param(with_region(steps=[0.9, 0.1]), "steps must be two numbers", "regions[0].steps", id="steps"),
    pytest.param(with_region(name=[1]), "name must be a text, got [1].", "regions[0].name", id="name as list"),
    pytest.param({"enabled": True, "grid": "1,1"}, "grid must be an object (ratios, direction)", "grid", id="grid as text"),
    pytest.param({"enabled": True, "grid": {}}, "grid: ratios is missing", "grid.ratios", id="grid without ratios"),
    pytest.param({"enabled": True, "grid": {"ratios": "1,,1"}}, "piece 2 (character 3)", "grid.ratios", id="malformed ratios"),
    pytest.param({"enabled": True, "grid": {"ratios": "1", "x": 1}}, 'grid: "x" is not a known key', "grid.x", id="unknown key in a grid"),
    pytest.param({**with_region(), "grid": {"ratios": "1"}}, "although there is a grid", "regions[0]", id="shape and grid"),
    pytest.param({"enabled": True, "base": None}, "base must be an object (prompt, negative, joined), got null.", "base", id="base null"),
    pytest.param({"enabled": True, "base": {"joined": 1}}, "base: joined must be true or false", "base.joined", id="base joined"),
    pytest.param({"enabled": True, "base": {"prompt": 1}}, "base: prompt must be a text or null", "base.prompt", id="base prompt"),
    pytest.param({"enabled": True, "options": []}, "options must be an object", "options", id="options list"),
    pytest.param(
        {"enabled": True, "options": {"magic": {}}}, 'options: "magic" is not a known key', "options.magic", id="options of no method"
    ),
    pytest.param(
        {"enabled": True, "options": {"attention_couple": 1}},
        "must be an object (cache, separate, separate_until, border, isolate_until, local_until)",
        "options.attention_couple",
        id="options as number",
    ),
    pytest.param(
        {"enabled": True, "options": {"attention_couple": {"cache": 1}}},
        "options of attention_couple: cache must be true or false",
        "options.attention_couple.cache",
        id="option of a wrong type",
    ),
    pytest.param(
        {"enabled": True, "options": {"attention_couple": {"cash": True}}},
        'did you mean "cache"?',
        "options.attention_couple.cash",
        id="unknown option",
    ),
]


@pytest.mark.parametrize(("data", "text", "field"), BAD)
def test_bad_input(data: object, text: str, field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.parse(data)
    assert text in str(caught.value)
    assert [problem.field for problem in caught.value.problems] == [field]
    json.dumps(caught.value.to_dict(), allow_nan=False).encode()


def test_every_problem_is_named() -> None:
    bad = {
        "enabled": "yes",
        "regons": [],
        "regions": [{"box": [0, 0, 1], "weight": -1}, {}, 7],
        "base": {"prompt": 1},
        "grid": None,
        "overlap": 3,
    }
    with pytest.raises(SettingsError) as caught:
        Settings.parse(bad)
    assert {problem.field for problem in caught.value.problems} == {
        "enabled",
        "regons",
        "regions[0].box",
        "regions[0].weight",
        "regions[1]",
        "regions[2]",
        "base.prompt",
        "overlap",
    }


def test_older_versions_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(data: dict[str, Any]) -> dict[str, Any]:
        return {**{key: value for key, value in data.items() if key != "shared"}, "common": data["shared"]}

    monkeypatch.setattr(settings_module, "UPGRADES", {**settings_module.UPGRADES, 0: rename})
    assert Settings.parse({"version": 0, "enabled": True, "shared": "x"}) == Settings(True, common="x", version=VERSION)


CROP = {"latent_couple": {"mode": "crop"}}
SOURCE = {"regions": [{"box": [0, 0, 1, 1], "prompt": "a"}]}


@pytest.mark.parametrize(
    ("given", "locked"),
    [
        pytest.param({"version": 1, "options": {"mrgd": {"source": SOURCE}}}, False, id="an edit of version 1"),
        pytest.param({"version": 1.0, "options": {"mrgd": {"source": SOURCE}}}, False, id="version 1 as a float"),
        pytest.param({"options": {"mrgd": {"source": SOURCE}}}, False, id="a call that names no version"),
        pytest.param({"version": 1, "options": {"mrgd": {"source": SOURCE, "lock": True}}}, True, id="version 1 with the lock"),
        pytest.param({"version": 2, "options": {"mrgd": {"source": SOURCE}}}, True, id="an edit of version 2"),
        pytest.param({"version": 3, "options": {"mrgd": {"source": SOURCE}}}, True, id="an edit of version 3"),
        pytest.param({"version": 4, "options": {"mrgd": {"source": SOURCE}}}, True, id="an edit of version 4"),
        pytest.param({"version": 2, "options": {"mrgd": {"source": SOURCE, "lock": False}}}, False, id="version 2 without the lock"),
        pytest.param({"version": 1, "options": {"mrgd": {"source": None}}}, True, id="no edit yet"),
        pytest.param({"version": 1}, True, id="no options"),
    ],
)
def test_edits_are_locked_by_default_from_version_2_on(given: dict[str, Any], locked: bool) -> None:
    settings = Settings.parse({"enabled": True, "method": "mrgd", "regions": SOURCE["regions"], **given})
    assert settings.option("lock") is locked and settings.version == VERSION
    assert Settings.parse(json.dumps(settings.to_json())) == settings
    assert Settings.parse({**given, "enabled": True, "method": "p2p"}).option("lock") is False


@pytest.mark.parametrize("version", [None, 1, 2, 3, 4])
@pytest.mark.parametrize(("edit", "weight"), [({"source": SOURCE}, 300), ({"source": SOURCE, "lambda_ip": 50}, 50), ({}, 3000)], ids=str)
def test_edits_keep_the_rest_more_strongly_from_version_3_on(version: int | None, edit: dict[str, Any], weight: float) -> None:
    named = {} if version is None else {"version": version}
    settings = Settings.parse({**named, "enabled": True, "method": "mrgd", "options": {"mrgd": edit}})
    assert settings.option("lambda_ip") == (3000 if version in (3, 4) and "lambda_ip" not in edit else weight)
    assert Settings.parse(settings.to_json()) == settings


@pytest.mark.parametrize("version", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("edit", [{"source": SOURCE}, {"source": SOURCE, "t_total": 0.5, "lock_control": False}, {}], ids=str)
def test_edits_leave_attention_control_to_the_lock_from_version_4_on(version: int | None, edit: dict[str, Any]) -> None:
    """Before, the joined prediction took part from the first step too, in the source's own picture as well."""
    named = {} if version is None else {"version": version}
    settings = Settings.parse({**named, "enabled": True, "method": "mrgd", "options": {"mrgd": edit}})
    assert settings.option("t_total") == edit.get("t_total", 0.15 if version == 4 else 0)
    assert settings.option("lock_control") is (version != 4 and edit == {"source": SOURCE})
    assert Settings.parse(settings.to_json()) == settings
    assert Settings.parse({**named, "enabled": True, "method": "p2p"}).option("lock_control") is True


@pytest.mark.parametrize(
    ("given", "share"),
    [
        pytest.param({"method": "multidiffusion"}, 0.0, id="a call that names no version"),
        pytest.param({"method": "multidiffusion", "version": 1, "options": {"multidiffusion": {"total": 0.2}}}, 0.0, id="version 1"),
        pytest.param({"method": "multidiffusion", "version": 1, "options": {"multidiffusion": {"soft_from": 0.5}}}, 0.5, id="it was asked"),
        pytest.param({"method": "multidiffusion", "version": 2}, 0.3, id="version 2"),
        pytest.param({"method": "latent_couple", "options": CROP}, 0.0, id="latent couple, cropped"),
        pytest.param({"method": "latent_couple"}, 0.3, id="latent couple on the whole canvas has no use for it"),
        pytest.param({"method": "repaint", "options": {"repaint": {"by": "latent_couple"}, **CROP}}, 0.0, id="repainting by it"),
        pytest.param(
            {"method": "latent_composite", "options": {"latent_composite": {"after": "latent_couple"}, **CROP}}, 0.0, id="going on with it"
        ),
    ],
)
def test_borders_are_sharp_at_first_from_version_2_on(given: dict[str, Any], share: float) -> None:
    settings = Settings.parse({"enabled": True, "regions": SOURCE["regions"], **given})
    method = "multidiffusion" if given["method"] == "multidiffusion" else "latent_couple"
    assert settings.option_of(method)("soft_from") == share
    assert Settings.parse(json.dumps(settings.to_json())) == settings


@pytest.mark.parametrize("method", [["multidiffusion"], {}, None, 7], ids=str)
def test_a_method_that_is_none_is_refused_in_every_version(method: Any) -> None:
    with pytest.raises(SettingsError, match="method must be"):
        Settings.parse({"enabled": True, "version": 1, "method": method})


def test_disabled_settings_are_judged_too() -> None:
    with pytest.raises(SettingsError):
        Settings.parse({"enabled": False, "overlap": "x"})


def test_a_data_class_checks_itself() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(True, method="magic", base="x", regions=(RegionSettings(), 3), grid=4)  # type: ignore[arg-type]
    assert {problem.field for problem in caught.value.problems} == {"method", "base", "grid", "regions[1]"}
    with pytest.raises(SettingsError, match="has no place"):
        Settings(True, regions=(RegionSettings(),))
    with pytest.raises(SettingsError, match="although there is a grid"):
        Settings(True, regions=(RegionSettings(Box(0, 0, 1, 1)),), grid=Grid("1"))
    with pytest.raises(SettingsError, match="broken characters"):
        Base("\udc80")


def test_settings_are_values() -> None:
    options = {"attention_couple": {"cache": False}}
    settings = Settings(True, options=options)
    options["attention_couple"]["cache"] = True
    assert settings.option("cache") is False
    assert Settings(True).option("cache") is True
    assert hash(settings) == hash(Settings.parse(settings.to_json()))


def test_scales_and_seeds_of_regions_are_kept_and_left_out_where_there_are_none() -> None:
    data = {"enabled": True, "method": "latent_couple", "regions": [{"box": BOX, "cfg_scale": 4, "seed": 7}, {"box": BOX, "seed": None}]}
    settings = Settings.parse(data)
    assert (settings.regions[0].cfg_scale, settings.regions[0].seed, settings.regions[1].seed) == (4.0, 7, None)
    assert settings.to_json()["regions"] == [{"box": BOX, "cfg_scale": 4, "seed": 7}, {"box": BOX}]
    assert Settings.parse(settings.to_json()) == settings and settings.layout().regions[0].seed == 7


def test_what_a_method_cannot_do_is_said_with_the_region() -> None:
    regions = [{"box": BOX}, {"box": BOX, "prompt": "red hat", "cfg_scale": 4}]
    with pytest.raises(SettingsError, match=r'Region 2 \("red hat"\): cfg_scale must be null with the method attention_couple') as caught:
        Settings.parse({"enabled": True, "regions": regions}).check_method()
    assert caught.value.problems[0].field == "regions[1].cfg_scale"
    Settings.parse({"enabled": True, "method": "latent_couple", "regions": regions}).check_method()


def test_options_of_any_method_by_name() -> None:
    option = Settings.parse({"enabled": True, "options": {"latent_couple": {"halo": 3}}}).option_of("latent_couple")
    assert (option("halo"), option("mode")) == (3, "full")


def test_every_method_has_options_and_a_label() -> None:
    assert all(spec.options and spec.label and name == spec.name for name, spec in METHODS.items())


def test_layout_of_shapes() -> None:
    settings = Settings.parse(
        {"enabled": True, "overlap": "over", "regions": [{"box": BOX, "enabled": False, "priority": 2}, {"ellipse": BOX}]}
    )
    layout = settings.layout()
    assert layout.overlap == "over"
    assert layout.regions == (Region(Box(*BOX), priority=2, enabled=False), Region(Ellipse(*BOX)))


def test_layout_of_a_grid() -> None:
    settings = Settings.parse({"enabled": True, "grid": {"ratios": "1,1"}, "regions": [{"prompt": "a"}, {"prompt": "b", "weight": 2}]})
    assert settings.layout().regions == (Region(Box(0, 0, 0.5, 1), "a"), Region(Box(0.5, 0, 1, 1), "b", weight=2))


@pytest.mark.parametrize(
    ("count", "text_from", "fits"),
    [
        pytest.param(0, "regions", False, id="no regions"),
        pytest.param(1, "regions", False, id="too few"),
        pytest.param(2, "regions", True, id="as many"),
        pytest.param(3, "regions", False, id="too many"),
        pytest.param(0, "break", True, id="none, texts from the prompt"),
        pytest.param(1, "lines", True, id="too few, texts from the prompt"),
        pytest.param(3, "and", False, id="too many, texts from the prompt"),
    ],
)
def test_regions_and_cells(count: int, text_from: str, fits: bool) -> None:
    settings = Settings.parse({"enabled": True, "grid": {"ratios": "1,1"}, "text_from": text_from, "regions": [{"weight": 3}] * count})
    if fits:
        assert [region.weight for region in settings.layout().regions] == [3.0] * count + [1.0] * (2 - count)
    else:
        with pytest.raises(SettingsError, match=f'grid "1,1" has 2 cells, but the settings have {count} region'):
            settings.layout()
