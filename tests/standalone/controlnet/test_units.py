"""ControlNet units as requests give them: what they mean, and what is wrong with them, named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lib_regional.request.errors import SettingsError
from lib_regional.standalone.controlnet.hints import hint_of
from lib_regional.standalone.controlnet.units import CONTROL_MODES, HR_OPTIONS, MODULES, RESIZE_MODES, infotexts, unit_of_infotext, units_of
from tests.support.generations import encoded

MODEL = {"model": "canny"}
PICTURE = encoded(np.arange(48).reshape(4, 4, 3))


def problems_of(unit):
    with pytest.raises(SettingsError) as caught:
        units_of([{}, unit])
    return {problem.field.rpartition(".")[2]: problem for problem in caught.value.problems}


def test_what_is_left_out():
    (unit,) = units_of([MODEL])
    assert (unit.number, unit.model, unit.image, unit.mask, unit.weight, unit.start, unit.end) == (0, "canny", None, None, 1, 0, 1)
    assert (unit.module, unit.control_mode, unit.resize_mode, unit.hr_option) == ("none", "Balanced", "Crop and Resize", "Both")


def test_units_keep_the_numbers_of_their_places():
    """Those that are off count, and what is no unit does not."""
    units = units_of([{"enabled": False, "weight": "no"}, None, {}, {**MODEL, "enabled": True}, False, MODEL])
    assert [unit.number for unit in units] == [2, 3]


@pytest.mark.parametrize(
    "data", [PICTURE, f"data:image/png;base64,{PICTURE}", {"image": PICTURE, "mask": None}], ids=["base64", "URL", "editor"]
)
@pytest.mark.parametrize("field", ["image", "input_image"])
def test_pictures(field, data):
    (unit,) = units_of([{**MODEL, field: data}])
    assert np.array_equal(np.asarray(unit.image), np.arange(48).reshape(4, 4, 3))


@pytest.mark.parametrize("mask", [np.full((2, 3, 3), 51, np.uint8), Image.new("L", (3, 2), 51), encoded(np.full((2, 3, 3), 51))])
def test_masks(mask):
    (unit,) = units_of([{**MODEL, "effective_region_mask": mask}])
    torch.testing.assert_close(unit.mask, torch.full((2, 3), 0.2))


CHOICES = {"module": MODULES, "control_mode": CONTROL_MODES, "resize_mode": RESIZE_MODES, "hr_option": HR_OPTIONS}


@pytest.mark.parametrize(("field", "choices"), CHOICES.items())
def test_choices_by_label_in_any_case_and_by_number(field, choices):
    for at, label in enumerate(choices):
        for value in (label, label.upper(), at):
            (unit,) = units_of([{**MODEL, field: value}])
            assert getattr(unit, field) == label
    for wrong in ("other", len(choices), -1, True, 1.0, []):
        assert problems_of({**MODEL, field: wrong})[field].allowed == f"one of {', '.join(choices)}"


def test_names_of_other_versions():
    (unit,) = units_of([{**MODEL, "module": "invert", "resize_mode": "Envelope (Outer Fit)"}])
    assert (unit.module, unit.resize_mode) == (MODULES[1], "Resize and Fill")


WRONG = {
    "enabled": (1, "yes"), "model": (None, "", "None", 3), "weight": (-0.1, 2.1, "1", True, float("nan")),
    "guidance_start": (-1, 1.1, None), "guidance_end": (2, "end"), "image": ("no picture", 5, ["x"]), "effective_region_mask": ("x", 1.5),
    "advanced_weighting": ([1.0],), "mask": (PICTURE,),
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values], ids=str)
def test_what_is_wrong_is_named_with_its_unit(field, value):
    problem = problems_of({**MODEL, field: value})[field]
    assert problem.message.startswith(f"ControlNet unit 1: {field} must be ") and problem.field == f"controlnet[1].{field}"


def test_steps_that_end_before_they_begin():
    assert "at most guidance_end (0.2)" in problems_of({**MODEL, "guidance_start": 0.5, "guidance_end": 0.2})["guidance_start"].message


def test_all_that_is_wrong_in_all_units_at_once():
    with pytest.raises(SettingsError) as caught:
        units_of([{"weight": 3}, {**MODEL, "module": "canny", "control_mode": 7}])
    assert [problem.field for problem in caught.value.problems] == [
        "controlnet[0].model", "controlnet[0].weight", "controlnet[1].module", "controlnet[1].control_mode"
    ]  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
NAMES = ["enabled", "model", "image", "weight", "guidance_start", "guidance_end", "mask", "effective_region_mask", *CHOICES]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5))
def test_any_unit_is_read_or_refused(unit):
    try:
        found = units_of([unit])
    except SettingsError as error:
        assert error.problems
        return
    assert all(0 <= one.weight <= 2 and one.start <= one.end and one.model for one in found)


def test_the_parameters_of_a_picture():
    units = units_of([{}, {**MODEL, "weight": 0.5, "guidance_end": 0.75, "control_mode": 1}])
    assert dict(infotexts(units)) == {
        "ControlNet 1": "Module: none, Model: canny, Weight: 0.5, Resize Mode: Crop and Resize, Guidance Start: 0, Guidance End: 0.75, "
        "Control Mode: My prompt is more important, Hr Option: Both"
    }


@given(
    st.fixed_dictionaries({
        "weight": st.integers(0, 40).map(lambda n: n / 20), "guidance_start": st.integers(0, 10).map(lambda n: n / 20),
        "guidance_end": st.integers(10, 20).map(lambda n: n / 20), "model": st.sampled_from(["canny", "control_v11p [a1b2c3d4]", "a, b"]),
        **{name: st.sampled_from(choices) for name, choices in CHOICES.items()},
    })
)  # fmt: skip
def test_the_parameters_bring_a_unit_back(fields):
    ((_, text),) = infotexts(units_of([fields]))
    assert unit_of_infotext(text) == fields and units_of([unit_of_infotext(text)]) == units_of([fields])


def test_what_sd_webui_controlnet_writes():
    text = (
        "Module: none, Model: control_v11p [e3fe7712], Weight: 1.0, Resize Mode: ResizeMode.INNER_FIT, Processor Res: 512, "
        "Threshold A: 0.5, Guidance Start: 0.0, Guidance End: 1.0, Pixel Perfect: False, Control Mode: Balanced"
    )
    assert unit_of_infotext(text) == {} and unit_of_infotext("") == {} and unit_of_infotext("Weight: x") == {}
    found = unit_of_infotext(text.replace("ResizeMode.INNER_FIT", "Crop and Resize"))
    assert (found["model"], found["weight"], found["guidance_end"]) == ("control_v11p [e3fe7712]", 1, 1)
    assert unit_of_infotext(text.replace("none", "canny").replace("ResizeMode.INNER_FIT", "Crop and Resize")) == {}


@given(st.text(max_size=60))
def test_any_text_is_a_unit_or_none(text):
    assert isinstance(unit_of_infotext(f"Model: {text}, Weight: {text}"), dict)


# -------------------------------------------------------------------------------------------------------- control pictures


def bars(width, height):
    """Red on the left, green on the right, a blue frame of two pixels."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2, 0] = array[:, width // 2 :, 1] = 255
    array[:2] = array[-2:] = array[:, :2] = array[:, -2:] = (0, 0, 255)
    return Image.fromarray(array)


def test_a_picture_of_the_right_size_stays_as_it_is():
    for mode in RESIZE_MODES:
        hint = hint_of(bars(16, 8), "none", mode, 16, 8)
        assert torch.equal((hint * 255).round(), torch.from_numpy(np.asarray(bars(16, 8), np.float32)).permute(2, 0, 1))
    torch.testing.assert_close(hint_of(bars(16, 8), MODULES[1], "Just Resize", 16, 8), 1 - hint)


def test_resize_modes():
    """Twice as wide as the canvas: squeezed, cut at both sides, and with its border's colour above and below."""
    squeezed, cut, filled = (hint_of(bars(64, 32), "none", mode, 32, 32) for mode in RESIZE_MODES)
    assert all(hint.shape == (3, 32, 32) for hint in (squeezed, cut, filled))
    for hint in (squeezed, cut):
        assert hint[0, 16, 8] == 1 and hint[1, 16, 24] == 1
    assert squeezed[2, 16, 0] == 1 and cut[2, 16, 0] == 0
    assert filled[2, :7].min() == 1 and filled[2, 25:].min() == 1 and filled[0, 16, 8] == 1


@pytest.mark.parametrize("size", [(40, 24), (9, 7)])
def test_few_colours_stay_as_few(size):
    hint = hint_of(bars(16, 16), "none", "Just Resize", *size)
    assert len(torch.unique(hint.flatten(1), dim=1).T) == 3


def test_thin_lines_are_not_lost():
    lines = np.zeros((64, 64), np.uint8)
    lines[:, 5] = 255
    assert hint_of(Image.fromarray(lines), "none", "Just Resize", 16, 16)[:, :, 1].min() > 0.2
    assert torch.unique(hint_of(Image.fromarray(lines), "none", "Just Resize", 128, 128)).tolist() == [0, 1]


def test_what_is_transparent_is_white():
    assert hint_of(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "none", "Just Resize", 4, 4).min() == 1
