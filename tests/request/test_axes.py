"""Axes of an X/Y/Z plot: how one value of a list changes the settings."""

import copy

import pytest

from lib_regional.request.axes import AXES, with_axes
from lib_regional.request.errors import SettingsError
from lib_regional.request.fields import Choice, Flag
from lib_regional.request.methods.specs import METHODS, OPTIONS
from lib_regional.request.settings import Settings

TWO = {"enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b", "weight": 2.0}]}


def changed(key, text, settings=TWO):
    return Settings.parse(with_axes(settings, {key: text}))


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("enabled", "false", lambda s: s.enabled is False),
        ("enabled", " True ", lambda s: s.enabled is True),
        ("method", "attention_couple", lambda s: s.method == "attention_couple"),
        ("base_share", "0.3", lambda s: [r.base_share for r in s.regions] == [0.3, 0.3]),
        ("base_share", "2:0.3", lambda s: [r.base_share for r in s.regions] == [0.0, 0.3]),
        ("weight", "1: 0.5", lambda s: [r.weight for r in s.regions] == [0.5, 2.0]),
        ("weight", "3", lambda s: [r.weight for r in s.regions] == [3.0, 3.0]),
        ("steps", "0.25-0.5", lambda s: [tuple(r.steps) for r in s.regions] == [(0.25, 0.5)] * 2),
        ("overlap", "over", lambda s: s.overlap == "over"),
        ("feather", "2:0.2", lambda s: [r.feather for r in s.regions] == [0.05, 0.2]),
        ("priority", "1:3", lambda s: [r.priority for r in s.regions] == [3, 0]),
        ("cfg_scale", "7.5", lambda s: [r.cfg_scale for r in s.regions] == [7.5, 7.5]),
        ("seed", "2:4294967295", lambda s: [r.seed for r in s.regions] == [None, 4294967295]),
        ("prompt", "1: (hat:1.2)", lambda s: [r.prompt for r in s.regions] == ["(hat:1.2)", "b"]),
        ("prompt", "(hat:1.2)", lambda s: [r.prompt for r in s.regions] == ["(hat:1.2)"] * 2),
        ("negative", "2:n", lambda s: [r.negative for r in s.regions] == ["", "n"]),
        ("latent_couple.mode", "crop", lambda s: s.options == {"latent_couple": {"mode": "crop"}}),
        ("latent_couple.halo", "4", lambda s: s.options == {"latent_couple": {"halo": 4}}),
        ("multidiffusion.bootstrap", "0.4", lambda s: s.options == {"multidiffusion": {"bootstrap": 0.4}}),
        ("latent_composite.after", "nothing", lambda s: s.options == {"latent_composite": {"after": "nothing"}}),
        ("mask_conditioning.base_strength", "1", lambda s: s.options == {"mask_conditioning": {"base_strength": 1}}),
        ("steps", "2:0-0.5", lambda s: [tuple(r.steps) for r in s.regions] == [(0.0, 1.0), (0.0, 0.5)]),
    ],
    ids=lambda part: "" if callable(part) else part,
)
def test_a_value_changes_its_field(key, text, found):
    before = copy.deepcopy(TWO)
    assert found(changed(key, text))
    assert before == TWO


def test_a_layout_keeps_the_direction():
    grid = {"enabled": True, "regions": [{"prompt": "a"}, {"prompt": "b"}], "grid": {"ratios": "1,1", "direction": "rows"}}
    made = changed("layout", "1,3", grid)
    assert made.grid is not None and (made.grid.ratios, made.grid.direction) == ("1,3", "rows")


@pytest.mark.parametrize(
    ("key", "text", "field"),
    [
        ("enabled", "perhaps", "enabled"), ("base_share", "x", "base_share"), ("weight", "3:1", "regions"), ("weight", "a:1", "regions"),
        ("steps", "0.5", "steps"), ("steps", "a-b", "steps"), ("weight", "-1", "regions[0].weight"), ("method", "magic", "method"),
        ("seed", "-1", "regions[0].seed"), ("seed", "1.5", "regions[0].seed"), ("cfg_scale", "none it is", "cfg_scale"),
        ("latent_couple.halo", "x", "halo"), ("latent_couple.halo", "-1", "options.latent_couple.halo"),
        ("latent_couple.mode", "half", "options.latent_couple.mode"), ("overlap", "beside", "overlap"), ("prompt", "3:a", "regions"),
        ("layout", "1,x", "grid.ratios"), ("base_share", "nan", "regions[0].base_share"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(key, text, field):
    settings = {"enabled": True, "regions": [{"prompt": "a"}, {"prompt": "b"}], "grid": {"ratios": "1,1"}} if key == "layout" else TWO
    with pytest.raises(SettingsError) as found:
        changed(key, text, settings)
    assert found.value.problems[0].field == field


def test_none_leaves_it_to_the_picture():
    seeded = {"enabled": True, "regions": [{**region, "seed": 7, "cfg_scale": 3} for region in TWO["regions"]]}
    assert [(r.seed, r.cfg_scale) for r in changed("seed", "2:none", seeded).regions] == [(7, 3), (None, 3)]
    assert [r.cfg_scale for r in changed("cfg_scale", "None", seeded).regions] == [None, None]


def test_an_option_keeps_the_others():
    settings = {**TWO, "options": {"latent_couple": {"halo": 2}, "multidiffusion": {"overlap": 0.25}}}
    made = changed("latent_couple.mode", "crop", settings).options
    assert made == {"latent_couple": {"halo": 2, "mode": "crop"}, "multidiffusion": {"overlap": 0.25}}
    assert settings["options"]["latent_couple"] == {"halo": 2}


def test_every_option_that_changes_the_picture_has_an_axis():
    """Those of edits have none, nor have those that are whole layouts and lists; scores change no picture."""
    for owner, options in OPTIONS.items():
        if owner == "scores":
            assert not any(key.startswith("scores.") for key in AXES)
            continue
        for name, kind in options.items() if owner not in METHODS or not METHODS[owner].edits else ():
            axis = AXES.get(f"{owner}.{name}")
            assert (axis is None) == (name in ("memory", "cache", "source", "regions"))
            assert axis is None or bool(axis.choices) == isinstance(kind, (Choice, Flag))


def test_no_axis_no_change():
    assert with_axes("text", {}) == "text" and with_axes(None, {}) is None


def test_a_cell_can_switch_on_what_is_off():
    """The panel's text with the switch off, and an argument that is not there at all."""
    text = '{"enabled": false, "regions": [{"box": [0, 0, 1, 1], "prompt": "a"}]}'
    assert changed("enabled", "true", text).enabled and not changed("weight", "2", text).enabled
    assert Settings.parse(with_axes(None, {"enabled": "true"})).enabled


def test_several_axes_act_together():
    made = Settings.parse(with_axes(TWO, {"weight": "1:3", "base_share": "0.5"}))
    assert [(r.weight, r.base_share) for r in made.regions] == [(3.0, 0.5), (2.0, 0.5)]


def test_names_are_unlike():
    assert len({axis.name for axis in AXES.values()}) == len(AXES)
