"""What the extension adds to the WebUI's page beside its panel: axes of the X/Y/Z plot, a section of the settings."""

import copy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from webui import Processing, WebUI

from lib_regional.request.axes import AXES
from lib_regional.request.errors import SettingsError
from lib_regional.webui import axes, driver, options
from tests.hosts.a1111.test_generation import LEFT, MODEL, RIGHT, generate


class AxisOption:
    """As the plot script has it."""

    def __init__(self, label, type, apply, format_value=None, confirm=None, cost=0.0, choices=None, prepare=None):
        self.label, self.type, self.apply, self.format_value, self.choices = label, type, apply, format_value, choices
        self.confirm = confirm


@pytest.fixture
def plot(monkeypatch):
    """The host's list of scripts with the plot among others; its class' module is the file's name."""
    WebUI(monkeypatch, MODEL)
    module = SimpleNamespace(AxisOption=AxisOption, axis_options=[AxisOption("Seed", int, None)])
    other = SimpleNamespace(script_class=type("Script", (), {"__module__": "loopback.py"}), module=object())
    data = SimpleNamespace(script_class=type("Script", (), {"__module__": "xyz_grid.py"}), module=module)
    scripts = ModuleType("modules.scripts")
    scripts.scripts_data = [other, data]
    monkeypatch.setitem(sys.modules, "modules.scripts", scripts)
    monkeypatch.setattr(sys.modules["modules"], "scripts", scripts, raising=False)
    return module


def test_axes_are_added_once(plot):
    axes.register()
    axes.register()
    labels = [option.label for option in plot.axis_options]
    assert labels[0] == "Seed" and len(labels) == len(set(labels)) == 1 + len(AXES)
    assert all(label.startswith("[Regional] ") for label in labels[1:])


def test_a_webui_without_the_plot_is_left_alone(plot, monkeypatch):
    sys.modules["modules.scripts"].scripts_data.pop()
    axes.register()
    monkeypatch.delattr(sys.modules["modules.scripts"], "scripts_data")
    axes.register()
    assert len(plot.axis_options) == 1


def axis(plot, key):
    return next(option for option in plot.axis_options if option.label == axes.PREFIX + AXES[key].name)


def test_cells_are_copies_that_do_not_see_each_other(plot):
    axes.register()
    p = SimpleNamespace()
    axis(plot, "weight").apply(p, "1:0.5", [])
    cell = copy.copy(p)
    axis(plot, "enabled").apply(cell, "false", [])
    axis(plot, "weight").apply(cell, "1:2", [])
    assert axes.values_of(p) == {"weight": "1:0.5"} and axes.values_of(cell) == {"weight": "1:2", "enabled": "false"}
    assert axis(plot, "weight").format_value(cell, None, "1:2") == "Weight of region: 1:2"
    assert axis(plot, "method").choices() == list(AXES["method"].choices)


def test_a_cell_is_the_picture_with_the_value_written_out(plot, monkeypatch):
    webui = WebUI(monkeypatch, MODEL)
    regions = [{**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"}]
    expected = generate(Processing(webui), *({**region, "base_share": 0.5} for region in regions))
    p = Processing(webui)
    setattr(p, axes.ATTRIBUTE, {"base_share": "0.5"})
    assert generate(p, *regions).equal(expected)
    off = Processing(webui)
    setattr(off, axes.ATTRIBUTE, {"enabled": "false"})
    assert generate(off, *regions).equal(generate(Processing(webui)))
    bad = Processing(webui)
    setattr(bad, axes.ATTRIBUTE, {"weight": "9:1"})
    with pytest.raises(SettingsError, match="1 to 2"):
        generate(bad, *regions)


def test_bad_values_are_refused_before_the_plot_begins(plot):
    """The plot hides what a cell raises."""
    axes.register()
    settings = {"enabled": True, "regions": [{**LEFT, "prompt": "one"}, {**RIGHT, "prompt": "two"}]}
    others = SimpleNamespace(title=lambda: "Other", args_from=1)
    ours = SimpleNamespace(title=lambda: "Regional", args_from=2)
    p = SimpleNamespace(scripts=SimpleNamespace(alwayson_scripts=[others, ours]), script_args=[0, {"bad": 1}, settings])
    axis(plot, "weight").confirm(p, ["2:0.5", "1"])
    with pytest.raises(SettingsError, match="1 to 2"):
        axis(plot, "weight").confirm(p, ["2:0.5", "3:1"])
    with pytest.raises(SettingsError, match="weight"):
        axis(plot, "weight").confirm(p, ["-1"])
    p.script_args[2] = {**settings, "regions": [{"prompt": "no place"}]}
    axis(plot, "weight").confirm(p, ["-1"])
    p.script_args[2] = {"enabled": False}
    axis(plot, "base_share").confirm(p, ["7"])
    axis(plot, "enabled").confirm(SimpleNamespace(), ["true"])


# ---------------------------------------------------------------- settings page


class OptionInfo(SimpleNamespace):
    def __init__(self, default, label, component, component_args, section):
        super().__init__(default=default, label=label, component=component, component_args=component_args, section=section)


def test_the_section_has_every_option(monkeypatch):
    webui, added = WebUI(monkeypatch, MODEL), {}
    webui.shared.OptionInfo = OptionInfo
    webui.opts.add_option = lambda key, info: added.update({key: info})
    options.register("dropdown")
    assert [info.component for info in added.values()] == ["dropdown", None, None, None]
    assert added.keys() == options.DEFAULTS.keys()
    assert all(info.default == options.DEFAULTS[key] and info.section == options.SECTION for key, info in added.items())


def test_models_are_looked_for_in_the_folder_of_the_settings_and_then_in_the_hosts(monkeypatch):
    webui = WebUI(monkeypatch, MODEL)
    monkeypatch.setitem(sys.modules, "modules.paths", SimpleNamespace(models_path="/host/models"))
    monkeypatch.setattr(sys.modules["modules"], "paths", sys.modules["modules.paths"], raising=False)
    assert options.model_folders() == [Path("/host/models/regional")]
    setattr(webui.opts, options.MODELS, " /mine ")
    assert options.model_folders() == [Path("/mine"), Path("/host/models/regional")]


def test_a_host_without_a_settings_page_has_the_defaults(monkeypatch):
    WebUI(monkeypatch, MODEL)
    options.register(None)
    assert {key: options.chosen(key) for key in options.DEFAULTS} == options.DEFAULTS
    monkeypatch.delitem(sys.modules, "modules.shared")
    assert options.chosen(options.INFOTEXT) is True


@pytest.mark.parametrize("written", [True, False])
def test_the_regions_are_in_the_infotext_if_wanted(monkeypatch, written):
    webui = WebUI(monkeypatch, MODEL)
    setattr(webui.opts, options.INFOTEXT, written)
    p = Processing(webui)
    driver.begin(p, {"enabled": True, "regions": [{**LEFT, "prompt": "x"}]})
    assert ("Regional" in p.extra_generation_params) is written


def test_the_users_folder_takes_the_place_of_the_own(monkeypatch):
    webui, own = WebUI(monkeypatch, MODEL), Path("own")
    assert options.preset_folder(own) == own
    setattr(webui.opts, options.PRESETS, "  ")
    assert options.preset_folder(own) == own
    setattr(webui.opts, options.PRESETS, "/tmp/presets")
    assert options.preset_folder(own) == Path("/tmp/presets")
