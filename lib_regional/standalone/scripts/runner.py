"""Scripts as the WebUI runs them: loading of script files, and the runner that calls their methods."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .script import (
    AlwaysVisible,
    MaskBlendArgs,
    PostprocessBatchListArgs,
    PostprocessImageArgs,
    PostprocessMaskOverlayArgs,
    PostSampleArgs,
    Script,
)

logger = logging.getLogger("regional.standalone")


@dataclass(frozen=True)
class ScriptClass:
    """A `Script` subclass found in a script file."""

    script_class: type[Script]
    path: str
    basedir: str
    module: ModuleType


_serial = itertools.count()


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """``folder`` on ``sys.path`` for the time of the block."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def load_script(path: Path) -> list[ScriptClass]:
    """Execute a script file and collect every `Script` subclass in its namespace, imported ones included, as the WebUI does."""
    root = path.parent.parent if path.parent.name == "scripts" else path.parent
    spec = importlib.util.spec_from_file_location(path.name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a script.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"regional_script_{next(_serial)}_{path.stem}"] = module
    with on_path(root):
        spec.loader.exec_module(module)
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Script)]
    return [ScriptClass(cls, str(path), str(root), module) for cls in dict.fromkeys(found)]


@dataclass(frozen=True)
class ScriptArgInfo:
    """The description of one argument in the API."""

    label: str | None
    value: Any
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: list[Any] | None = None


@dataclass(frozen=True)
class ScriptApiInfo:
    """The description of one script in the API."""

    name: str
    is_alwayson: bool
    is_img2img: bool
    args: list[ScriptArgInfo]


def _argument_info(control: Any) -> ScriptArgInfo:
    choices = getattr(control, "choices", None)
    plain = [str(choice[0] if isinstance(choice, (tuple, list)) else choice) for choice in choices] if choices else None
    return ScriptArgInfo(
        getattr(control, "label", None) or "",
        getattr(control, "value", None),
        getattr(control, "minimum", None),
        getattr(control, "maximum", None),
        getattr(control, "step", None),
        plain,
    )


@dataclass
class ScriptRunner:
    """The scripts of one tab. Exceptions of a script's method are logged, and the generation goes on."""

    is_img2img: bool
    scripts: list[Script] = field(default_factory=list)
    alwayson_scripts: list[Script] = field(default_factory=list)
    selectable_scripts: list[Script] = field(default_factory=list)
    infotext_fields: list[Any] = field(default_factory=list)
    paste_field_names: list[str] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=lambda: [None])

    def initialize_scripts(self, classes: Sequence[ScriptClass]) -> None:
        """One object per class that shows itself in this tab."""
        self.scripts, self.alwayson_scripts, self.selectable_scripts = [], [], []
        for found in classes:
            script = self._made(found)
            visibility = self._guarded(script, "show", self.is_img2img) if script else False
            if script is None or not visibility:
                continue
            script.alwayson = visibility is AlwaysVisible
            self.scripts.append(script)
            (self.alwayson_scripts if script.alwayson else self.selectable_scripts).append(script)

    def _made(self, found: ScriptClass) -> Script | None:
        try:
            script = found.script_class()
        except Exception:  # a broken script must not stop the host
            logger.exception("Error creating script %s of %s", found.script_class.__name__, found.path)
            return None
        script.filename = found.path
        script.is_txt2img, script.is_img2img = not self.is_img2img, self.is_img2img
        script.tabname = "img2img" if self.is_img2img else "txt2img"
        return script

    def setup_ui(self) -> list[Any]:
        """Make every script's controls, to be called inside Blocks; the list of all inputs, the selected script's index first."""
        self.inputs, self.infotext_fields, self.paste_field_names = [None], [], []
        for script in self.scripts:
            self.setup_script_ui(script)
        return self.inputs

    def setup_script_ui(self, script: Script) -> list[Any]:
        """Make one script's controls and give them their places among the arguments."""
        script.args_from = script.args_to = len(self.inputs)
        try:
            script.name = script.title().lower()
        except Exception:  # a script without a title stays without controls
            logger.exception("Error in the title of %s", script.filename)
            return []
        controls = self._guarded(script, "ui", self.is_img2img)
        if controls is None:
            return []
        controls = list(controls) if isinstance(controls, (list, tuple)) else [controls]
        script.controls = controls
        script.api_info = ScriptApiInfo(script.name, script.alwayson, self.is_img2img, [_argument_info(c) for c in controls])
        self.infotext_fields += script.infotext_fields or []
        self.paste_field_names += script.paste_field_names or []
        self.inputs += controls
        script.args_to = len(self.inputs)
        return controls

    def default_args(self) -> list[Any]:
        """Arguments of all scripts from their components' values, fetched by calling ``ui`` anew as the WebUI's API does."""
        import gradio as gr

        args: list[Any] = [None] * max([1, *(script.args_to or 1 for script in self.scripts)])
        args[0] = 0
        with gr.Blocks():
            for script in self.scripts:
                controls = self._guarded(script, "ui", self.is_img2img)
                if controls and script.args_from is not None:
                    listed = controls if isinstance(controls, (list, tuple)) else [controls]
                    args[script.args_from : script.args_to] = [getattr(control, "value", None) for control in listed]
        return args

    def find(self, title: str, scripts: Sequence[Script] | None = None) -> Script | None:
        """The script with this title in any case."""
        pool = self.scripts if scripts is None else scripts
        return next((script for script in pool if (self._guarded(script, "title") or "").lower() == title.lower()), None)

    def script(self, title: str) -> Script | None:
        """The WebUI's lookup by title."""
        return self.find(title)

    def ordered_scripts(self, _method: str) -> list[Script]:
        """The scripts that take part in every generation, in the order of their calls."""
        return list(self.alwayson_scripts)

    def run(self, p: Any, *args: Any) -> Any:
        """Run the selected script, if one is selected."""
        chosen = args[0] if args else 0
        if not chosen:
            return None
        script = self.selectable_scripts[chosen - 1]
        return script.run(p, *args[script.args_from : script.args_to])

    def _args(self, script: Script, p: Any) -> list[Any]:
        return list(p.script_args[script.args_from : script.args_to]) if p.script_args else []

    def _each(self, method: str, p: Any, *given: Any, **kwargs: Any) -> None:
        for script in self.alwayson_scripts:
            if getattr(type(script), method) is not getattr(Script, method):
                self._guarded(script, method, p, *given, *self._args(script, p), **kwargs)

    def _guarded(self, script: Script, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(script, method)(*args, **kwargs)
        except Exception:  # the WebUI logs whatever a script raises and goes on without it
            logger.exception("Error running %s: %s", method, script.filename)
            return None

    def setup_scripts(self, p: Any) -> None:
        """``setup`` of every script."""
        self._each("setup", p)

    def before_process(self, p: Any) -> None:
        """See `Script.before_process`."""
        self._each("before_process", p)

    def process(self, p: Any) -> None:
        """See `Script.process`."""
        self._each("process", p)

    def before_process_batch(self, p: Any, **kwargs: Any) -> None:
        """See `Script.before_process_batch`."""
        self._each("before_process_batch", p, **kwargs)

    def after_extra_networks_activate(self, p: Any, **kwargs: Any) -> None:
        """See `Script.after_extra_networks_activate`."""
        self._each("after_extra_networks_activate", p, **kwargs)

    def process_batch(self, p: Any, **kwargs: Any) -> None:
        """See `Script.process_batch`."""
        self._each("process_batch", p, **kwargs)

    def process_before_every_sampling(self, p: Any, **kwargs: Any) -> None:
        """See `Script.process_before_every_sampling`."""
        self._each("process_before_every_sampling", p, **kwargs)

    def before_hr(self, p: Any) -> None:
        """See `Script.before_hr`."""
        self._each("before_hr", p)

    def on_mask_blend(self, p: Any, mba: MaskBlendArgs) -> None:
        """See `Script.on_mask_blend`."""
        self._each("on_mask_blend", p, mba)

    def post_sample(self, p: Any, ps: PostSampleArgs) -> None:
        """See `Script.post_sample`."""
        self._each("post_sample", p, ps)

    def postprocess_batch(self, p: Any, images: Any, **kwargs: Any) -> None:
        """See `Script.postprocess_batch`."""
        self._each("postprocess_batch", p, images=images, **kwargs)

    def postprocess_batch_list(self, p: Any, pp: PostprocessBatchListArgs, **kwargs: Any) -> None:
        """See `Script.postprocess_batch_list`."""
        self._each("postprocess_batch_list", p, pp, **kwargs)

    def postprocess_image(self, p: Any, pp: PostprocessImageArgs) -> None:
        """See `Script.postprocess_image`."""
        self._each("postprocess_image", p, pp)

    def postprocess_maskoverlay(self, p: Any, ppmo: PostprocessMaskOverlayArgs) -> None:
        """See `Script.postprocess_maskoverlay`."""
        self._each("postprocess_maskoverlay", p, ppmo)

    def postprocess_image_after_composite(self, p: Any, pp: PostprocessImageArgs) -> None:
        """See `Script.postprocess_image_after_composite`."""
        self._each("postprocess_image_after_composite", p, pp)

    def postprocess(self, p: Any, processed: Any) -> None:
        """See `Script.postprocess`."""
        self._each("postprocess", p, processed)

    def set_named_arg(self, args: list[Any], script_name: str, arg_elem_id: str, value: Any) -> None:
        """Set the argument whose component has this element id."""
        script = self.find(script_name)
        for index, control in enumerate(script.controls or [] if script else []):
            if arg_elem_id in str(getattr(control, "elem_id", "")):
                assert script is not None and script.args_from is not None
                args[script.args_from + index] = value
