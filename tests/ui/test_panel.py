"""The panel builds under the Gradio that is installed."""

from __future__ import annotations

import html
import json
import re

import gradio as gr
import pytest

from lib_regional.request.infotext import from_infotext, to_infotext
from lib_regional.request.methods.specs import METHODS
from lib_regional.request.settings import Settings, json_schema
from lib_regional.ui import compat, panel

HALVES = {"enabled": True, "regions": [{"prompt": 'a "red" circle'}, {"prompt": "b"}], "grid": {"ratios": "1,1"}}


@pytest.mark.parametrize(("is_img2img", "tab"), [(False, "txt2img"), (True, "img2img")])
def test_panel_has_one_value_and_a_mount(is_img2img, tab):
    with gr.Blocks():
        parts = panel.build(is_img2img)
    assert parts.state.elem_id == f"regional_{tab}_state"
    assert parts.state.value in ("", None)
    assert parts.state.visible is True, "hidden by CSS: the browser has to find it"
    assert f'id="regional_{tab}_panel"' in parts.mount.value
    assert parts.accordion.elem_id == f"regional_{tab}"
    assert parts.state.do_not_save_to_config is True


def test_panel_builds_any_number_of_times():
    with gr.Blocks() as blocks:
        for is_img2img in (False, False, True, False, True):
            panel.build(is_img2img)
    assert json.dumps(blocks.get_config_file(), default=str).count('"label": "Regional settings"') == 5


def test_state_notifies_the_browser_when_python_changes_it():
    with gr.Blocks() as blocks:
        panel.build(False)
    config = json.dumps(blocks.get_config_file(), default=str)
    assert "Regional.pull('txt2img')" in config


def test_mount_knows_the_methods():
    text = html.unescape(re.search('data-methods="([^"]*)"', panel.mount_html("txt2img"))[1])
    assert json.loads(text) == [[name, spec.label] for name, spec in METHODS.items()]


def test_mount_knows_the_schema():
    text = html.unescape(re.search('data-schema="([^"]*)"', panel.mount_html("img2img"))[1])
    assert json.loads(text) == json.loads(json.dumps(json_schema()))


def test_pasted_infotext_becomes_the_panels_text():
    settings = Settings.parse(HALVES)
    text = panel.Pasted("Regional", from_infotext)({**to_infotext(settings), "Steps": "20"})
    assert Settings.parse(text) == settings


def test_pasted_infotext_without_regions_switches_off():
    assert panel.Pasted("Regional", from_infotext)({"Steps": "20"}) == ""


@pytest.mark.parametrize("text", ['"{\\"version\\":1', '"{\\"enabled\\": 3}"', "[]", '{"version": 9, "enabled": true}'])
def test_damaged_settings_of_a_picture_are_named_by_the_panel(text):
    pasted = json.loads(panel.Pasted("Regional", from_infotext)({"Regional": text, "Steps": "20"}))
    assert list(pasted) == ["unreadable"] and "cannot be read" in pasted["unreadable"]


def test_supported_leaves_out_what_a_function_does_not_know():
    def function(a, *, b=1):
        return a, b

    assert compat.supported(function, a=1, b=2, c=3) == {"a": 1, "b": 2}
    assert compat.accepts(function, "b")
    assert not compat.accepts(function, "c")
    assert not compat.accepts(int, "nothing of the kind")


def test_the_pasted_field_has_a_name_and_reads():
    """ "Send to img2img" of the WebUI takes the fields whose name is in ``paste_field_names``; pasting calls those that can be called."""
    field = panel.Pasted("Regional", from_infotext)
    assert callable(field) and field in ["Prompt", "Regional"] and {field: 1}["Regional"] == 1
