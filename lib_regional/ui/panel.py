"""The Gradio part of the panel: an accordion that holds a mount point for javascript/ and the settings as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ..request.errors import RegionalError
from ..request.methods.specs import METHODS
from ..request.settings import Settings, json_schema
from .compat import listen


@dataclass(frozen=True)
class PanelParts:
    """Components of one tab's panel. ``state`` is the only one with a value: Settings as JSON text, "" for an untouched panel."""

    state: gr.Textbox
    mount: gr.HTML
    accordion: gr.Accordion


def build(is_img2img: bool, method: str = "") -> PanelParts:
    """Put the panel into the Blocks that are open. May be called any number of times. ``method`` is what it begins with."""
    tab = "img2img" if is_img2img else "txt2img"
    with gr.Accordion("Regional", open=False, elem_id=f"regional_{tab}") as accordion:
        mount = gr.HTML(mount_html(tab), elem_id=f"regional_{tab}_mount")
        state = _state_box(tab, method)
    listen(state.change, None, [state], js=f"(text) => {{ window.Regional && Regional.pull && Regional.pull('{tab}'); return []; }}")
    return PanelParts(state, mount, accordion)


def mount_html(tab: str) -> str:
    """The element into which the browser draws, with its data as attributes."""
    methods, schema = _attribute([(name, spec.label) for name, spec in METHODS.items()]), _attribute(json_schema())
    return f'<div id="regional_{tab}_panel" data-tab="{tab}" data-methods="{methods}" data-schema="{schema}"></div>'


def _attribute(value: object) -> str:
    """JSON that can stand between quotes in HTML."""
    return escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")), quote=True)


class Pasted(str):
    """A field's name, for "Send to", and a function of a pasted infotext's fields: hosts distinguish the two uses by ``callable``.

    The function gives the panel's text, "" (switch off) for a picture made without regions. For damaged settings the text is the
    error: the panel shows it and keeps its layout, and the rest of the infotext is pasted.
    """

    def __new__(cls, name: str, read: Callable[[Mapping[str, str]], Settings | None]) -> Pasted:
        made = super().__new__(cls, name)
        made._read = read
        return made

    _read: Callable[[Mapping[str, str]], Settings | None]

    def __call__(self, fields: Mapping[str, str]) -> str:
        """``fields`` of the infotext -> the panel's text."""
        try:
            settings = self._read(fields)
        except RegionalError as error:
            return json.dumps({"unreadable": f"The regional settings of this picture cannot be read. {error}"}, ensure_ascii=False)
        return "" if settings is None else json.dumps(settings.to_json(), ensure_ascii=False, separators=(",", ":"))


def preset_folder(extension: str | Path) -> Path:
    """Where the presets of the extension in ``extension`` lie."""
    return Path(extension) / "presets"


def _state_box(tab: str, method: str) -> Any:
    # Hidden by style.css: a component with visible=False is not in the page, and its value could not be edited there.
    # Equal lines and max_lines keep Gradio from measuring a text that may hold a mask of several hundred kilobytes.
    untouched = "" if method in ("", Settings(enabled=False).method) else json.dumps({"enabled": False, "method": method, "regions": []})
    state = gr.Textbox(untouched, label="Regional settings", elem_id=f"regional_{tab}_state", lines=2, max_lines=2)
    state.do_not_save_to_config = True  # the WebUI would otherwise keep it as a default in ui-config.json
    return state
