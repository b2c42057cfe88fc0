"""ControlNet on the page: an accordion with a tab for each unit, whose controls become the unit that a request would give.

A picture's parameters bring its units back, all but the control pictures, which they do not hold: a unit without one is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..binding import current
from ..faults import RequestError
from ..scripts.script import AlwaysVisible, Script
from .running import TITLE
from .units import CONTROL_MODES, MODULES, RESIZE_MODES, is_unit, unit_of_infotext

UNITS = 3
"""Units on the page; requests may have more."""
FIELDS = ("enabled", "image", "model", "module", "weight", "guidance_start", "guidance_end", "control_mode", "resize_mode")
"""Of each unit, in the order of its controls."""


class ControlNetScript(Script):
    """Its arguments are units (objects), or the values of the page's controls, which `setup` makes units of."""

    takes_region_masks = True
    """Regions may give a unit its ``effective_region_mask``."""

    def title(self) -> str:
        """See `Script`."""
        return TITLE

    def show(self, is_img2img: bool) -> Any:
        """See `Script`."""
        return AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The controls of all units."""
        import gradio as gr

        names = sorted(current().model.control_files.listed())
        self.infotext_fields = []
        tab, controls = "img2img" if is_img2img else "txt2img", []
        with gr.Accordion(TITLE, open=False, elem_id=f"{tab}_controlnet"):
            if not names:
                gr.HTML("No ControlNet model is here: start with <code>--controlnet-dir</code> and the folder that yours are in.")
            with gr.Tabs():
                for number in range(UNITS):
                    with gr.Tab(f"Unit {number}", id=f"{tab}_controlnet_unit_{number}"):
                        made = _unit(f"{tab}_controlnet_unit_{number}", names)
                    fields = [(control, _Pasted(number, name)) for control, name in zip(made, FIELDS, strict=True) if name != "image"]
                    self.infotext_fields += fields
                    controls += made
        return controls

    def setup(self, p: Any, *args: Any) -> None:
        """Make units of the page's values."""
        if self.args_from is None or not args or any(map(is_unit, args)):
            return
        given = list(p.script_args)
        for at in range(0, len(args) - len(FIELDS) + 1, len(FIELDS)):
            place = self.args_from + at
            given[place : place + len(FIELDS)] = [dict(zip(FIELDS, args[at:], strict=False)), *[None] * (len(FIELDS) - 1)]
        p.script_args = type(p.script_args)(given)


class _Pasted:
    """A picture's parameters -> the value of a unit's field; None where they have no such unit.

    Raises `RequestError`, once a unit, for one that this host cannot make.
    """

    def __init__(self, number: int, field: str) -> None:
        self._number, self._field = number, field

    def __call__(self, params: Mapping[str, Any]) -> Any:
        text = str(params.get(f"ControlNet {self._number}", ""))
        given, models = unit_of_infotext(text), current().model.control_files.listed()
        name = str(given.get("model", "")).partition(" [")[0]
        if name not in models:
            if text and self._field == "model":
                there = ", ".join(sorted(models)) or "none"
                raise RequestError(f"ControlNet {self._number} cannot be made here: {text}. Models that are here: {there}.")
            return None
        return {**given, "model": name, "enabled": True}.get(self._field)


def _unit(name: str, models: Sequence[str]) -> list[Any]:
    """The controls of one unit, in the order of `FIELDS`."""
    import gradio as gr

    from ..server.page_fields import upload

    with gr.Row():
        image = upload("Control picture (empty in img2img: its picture)", f"{name}_image", "RGBA")
        with gr.Column():
            enabled = gr.Checkbox(False, label="Enable", elem_id=f"{name}_enabled")
            model = gr.Dropdown(["None", *models], value="None", label="Model", elem_id=f"{name}_model")
            module = gr.Dropdown(list(MODULES), value=MODULES[0], label="Preprocessor", elem_id=f"{name}_module")
            weight = gr.Slider(0, 2, 1, step=0.05, label="Control weight", elem_id=f"{name}_weight")
    with gr.Row():
        start = gr.Slider(0, 1, 0, step=0.01, label="Starting control step", elem_id=f"{name}_start")
        end = gr.Slider(0, 1, 1, step=0.01, label="Ending control step", elem_id=f"{name}_end")
    with gr.Row():
        mode = gr.Dropdown(list(CONTROL_MODES), value=CONTROL_MODES[0], label="Control mode", elem_id=f"{name}_mode")
        resize = gr.Dropdown(list(RESIZE_MODES), value=RESIZE_MODES[1], label="Resize mode", elem_id=f"{name}_resize")
    return [enabled, image, model, module, weight, start, end, mode, resize]
