"""The entry that a WebUI executes. Every method is a few lines: what is behind them lives in lib_regional."""

from modules import script_callbacks, scripts

from lib_regional.api.routes import add_routes
from lib_regional.core.infotext import from_infotext
from lib_regional.core.presets import PresetStore
from lib_regional.hosts import processing
from lib_regional.ui import panel

FOLDER = scripts.basedir()


class Script(scripts.Script):
    """Regional as an always-on script with one argument: the Settings."""

    def title(self):
        return "Regional"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        parts = panel.build(is_img2img)
        self.infotext_fields = [(parts.state, panel.pasted(from_infotext))]
        self.paste_field_names = ["Regional"]
        return [parts.state]

    def process(self, p, state=None, *_):
        processing.begin(p, state)

    def process_batch(self, p, *_, **__):
        processing.begin_batch(p)


def on_app_started(_, app):
    add_routes(app, PresetStore(panel.preset_folder(FOLDER)))


script_callbacks.on_app_started(on_app_started)
