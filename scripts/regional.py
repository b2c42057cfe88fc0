"""The entry that a WebUI executes. Every method is a few lines: what is behind them lives in lib_regional."""

from __future__ import annotations

from typing import Any

import gradio as gr
from modules import script_callbacks, scripts

from lib_regional.api.routes import add_routes
from lib_regional.hosts.registry import trained_side
from lib_regional.hosts.webui_family.held_device import held_device
from lib_regional.request.attention_maps import AttentionMaps
from lib_regional.request.infotext import from_infotext
from lib_regional.request.presets import PresetStore
from lib_regional.sources.models.loading import PictureModels
from lib_regional.ui import panel
from lib_regional.webui import axes, candidates, driver, options
from lib_regional.webui.extensions import controlnet_units
from lib_regional.webui.network_names import networks
from lib_regional.webui.token_counts import count_tokens

FOLDER = scripts.basedir()
MAPS = AttentionMaps()


class Script(scripts.Script):
    """Regional as an always-on script with one argument: the Settings."""

    def title(self) -> str:
        """The name under which the API finds it."""
        return "Regional"

    def show(self, is_img2img: bool) -> Any:
        """In both tabs, always."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """The panel; may be called any number of times."""
        parts = panel.build(is_img2img, method=options.chosen(options.METHOD))
        self.infotext_fields = [(parts.state, panel.Pasted("Regional", from_infotext))]
        self.paste_field_names = ["Regional"]
        return [parts.state]

    def before_process(self, p: Any, state: Any = None, *_: Any) -> None:
        """Once per generation, before its prompts and seeds are drawn up."""
        candidates.multiply(p, state)
        controlnet_units.mask_arguments(p, state)

    def process(self, p: Any, state: Any = None, *_: Any) -> None:
        """Once per generation, before anything is sampled."""
        driver.begin(p, state, MAPS)

    def before_process_batch(self, p: Any, *_: Any, **__: Any) -> None:
        """Once per batch, before the host takes the tags out of its prompts."""
        driver.scope_batch_tags(p)

    def process_batch(self, p: Any, *_: Any, **__: Any) -> None:
        """Once per batch, when its prompts are known and not yet encoded."""
        driver.begin_batch(p)

    def process_before_every_sampling(self, p: Any, *_: Any, noise: Any = None, **__: Any) -> None:
        """Once per pass (hires is a second one), when its sampler is ready and its first noise drawn."""
        driver.begin_pass(p, noise)

    def postprocess_batch_list(self, p: Any, pp: Any, *_: Any, **__: Any) -> None:
        """Once per batch, when its pictures are decoded."""
        driver.finish_pictures(p, pp)

    def postprocess(self, p: Any, processed: Any, *_: Any) -> None:
        """Once per generation, when all pictures are made."""
        driver.finish(p, processed)


def on_app_started(_: Any, app: Any) -> None:
    """Add the own routes to the host's application."""
    store = PresetStore.opened(options.preset_folder(panel.preset_folder(FOLDER)))
    models = PictureModels(options.model_folders, held_device, options.encoder_file_folders)
    add_routes(app, store, count_tokens, trained_side, MAPS, models, networks)


script_callbacks.on_app_started(on_app_started)
script_callbacks.on_before_ui(axes.register)
if hasattr(script_callbacks, "on_ui_settings"):  # not on hosts without a settings page
    script_callbacks.on_ui_settings(lambda: options.register(gr.Dropdown))
