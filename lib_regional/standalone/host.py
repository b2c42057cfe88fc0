"""The host: one model, its scripts, its options and state, and one generation at a time."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from ..request.errors import Problem, raise_any
from . import binding
from .controlnet import script as controlnet
from .controlnet.script import ControlNetScript
from .generations import Generation, Line
from .model.stable_diffusion import StandaloneModel
from .options import Options
from .pipeline import preview
from .pipeline.generate import process_images
from .pipeline.img2img import StableDiffusionProcessingImg2Img
from .pipeline.processed import Processed
from .pipeline.processing import StableDiffusionProcessing
from .pipeline.txt2img import StableDiffusionProcessingTxt2Img
from .scripts.callbacks import CallbackRegistry
from .scripts.runner import ScriptClass, ScriptRunner, load_script
from .scripts.script import Script
from .state import State

logger = logging.getLogger("regional.standalone")

EXTENSION_ROOT = Path(__file__).resolve().parents[2]

OWN_SCRIPT = ScriptClass(ControlNetScript, controlnet.__file__, str(EXTENSION_ROOT), controlnet)
"""What the host brings along itself, behind the extensions' scripts."""

T = TypeVar("T")

generating = threading.RLock()
"""One generation at a time in the whole process: the ``modules`` package has one bound host."""


def _is_inside(folder: Path, name: object) -> bool:
    """Whether ``folder / name`` lies in ``folder``, with links followed."""
    try:
        return (folder / str(name)).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # no path at all: a zero byte, a circle of links
        return False


@dataclass
class Host:
    """One model with its scripts, options, state and generations."""

    model: StandaloneModel
    options: Options = field(default_factory=Options)
    state: State = field(default_factory=State)
    callbacks: CallbackRegistry = field(default_factory=CallbackRegistry)
    txt2img: ScriptRunner = field(default_factory=lambda: ScriptRunner(False))
    img2img: ScriptRunner = field(default_factory=lambda: ScriptRunner(True))
    output: Path = field(default_factory=Path)
    script_classes: list[ScriptClass] = field(default_factory=list)
    loading: Path | None = None
    """The extension whose script file is being executed."""
    _defaults: dict[bool, list[Any]] = field(default_factory=dict)
    _line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        self.options.data["sd_model_checkpoint"] = self.model.title
        self.state.preview = lambda latent: preview.picture(latent, self.model)
        binding.bind(self)

    def load_scripts(self, files: Sequence[Path]) -> None:
        """Execute script files and make their objects for both tabs. A file that fails is logged and left out."""
        binding.bind(self)
        self.callbacks.call("script_unloaded")
        self.callbacks.clear()
        self.script_classes.clear()
        for file in files:
            self._load_script(file)
        for runner in (self.txt2img, self.img2img):
            runner.initialize_scripts([*self.script_classes, OWN_SCRIPT])
        self.callbacks.call("before_ui")
        self.callbacks.call("ui_settings")

    def _load_script(self, file: Path) -> None:
        self.loading = file.parent.parent
        try:
            self.script_classes += load_script(file)
        except Exception:  # a broken script must not stop the host
            logger.exception("Error loading script %s", file)
        finally:
            self.loading = None

    def build_controls(self) -> None:
        """Make all scripts' controls where no page is built, so that their arguments have positions."""
        import gradio as gr

        with gr.Blocks():
            for runner in (self.txt2img, self.img2img):
                runner.setup_ui()

    def runner(self, is_img2img: bool) -> ScriptRunner:
        """The scripts of one tab."""
        return self.img2img if is_img2img else self.txt2img

    def default_args(self, is_img2img: bool) -> list[Any]:
        """Default arguments of all scripts of a tab; a fresh list."""
        if is_img2img not in self._defaults:
            self._defaults[is_img2img] = self.runner(is_img2img).default_args()
        return list(self._defaults[is_img2img])

    @contextmanager
    def busy(self, job: str) -> Iterator[None]:
        """Wait for the running generation to end, then hold the lock. Raises `StoppedError` when the server is being stopped."""
        with generating:
            binding.bind(self)
            try:
                self.state.begin(job)
                yield
            finally:
                self.state.end()

    def submit(self, job: str, make: Callable[[], T]) -> Generation[T]:
        """Queue a generation, which runs ``make`` in the queue's thread. Raises `StoppedError` once the server stops."""

        def run(generation: Generation[T]) -> T:
            with self.busy(job), generation.running(self.state.interrupt):
                return make()

        return self._line.add(run)

    def stop(self) -> None:
        """Drop the generations that wait, end the one that runs at its next model call, and let none begin."""
        self.state.stop_server()
        self._line.stop()

    def run(self, p: StableDiffusionProcessing, job: str = "generation") -> Processed:
        """Run a generation; its resources are released on success, error and interrupt."""
        with self.busy(job):
            return self.run_busy(p)

    def run_busy(self, p: StableDiffusionProcessing) -> Processed:
        """`run` within `busy`."""
        failed = True
        try:
            result = self._selected_script(p) or process_images(p)
            failed = False
            return result
        finally:
            p.close()
            if failed and not self.state.server_stops:  # garbage collection pauses all threads, also those of the server
                self._free()

    def _selected_script(self, p: StableDiffusionProcessing) -> Processed | None:
        if p.scripts is None or not p.script_args or not p.script_args[0]:
            return None
        result = p.scripts.run(p, *p.script_args)
        return result if isinstance(result, Processed) else None

    def _free(self) -> None:
        gc.collect()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def processing(self, is_img2img: bool = False, **fields: Any) -> StableDiffusionProcessing:
        """A generation's parameters with this tab's scripts and their default arguments."""
        binding.bind(self)
        kind = StableDiffusionProcessingImg2Img if is_img2img else StableDiffusionProcessingTxt2Img
        p = kind(sd_model=self.model, **fields)
        p.scripts = self.runner(is_img2img)
        p.script_args = self.default_args(is_img2img)
        return p

    def folder(self, is_img2img: bool) -> str:
        """Where pictures of a tab are saved."""
        name = "outdir_img2img_samples" if is_img2img else "outdir_txt2img_samples"
        chosen = "outdir_samples" if self.options.outdir_samples else name
        self.check_folders({chosen: getattr(self.options, chosen)})
        return str(self.output / getattr(self.options, chosen))

    def check_folders(self, values: Mapping[str, Any], where: str = "") -> None:
        """Raise SettingsError for an option that names a folder (``outdir_…``) outside of the output folder."""
        raise_any(
            Problem(f"{where}{name}", value, "a folder inside the host's output folder, such as outputs/mine")
            for name, value in values.items()
            if name.startswith("outdir_") and not _is_inside(self.output, value)
        )

    def script(self, title: str, is_img2img: bool = False) -> Script | None:
        """A script of a tab by its title in any case."""
        return self.runner(is_img2img).find(title)

    def live_picture(self, latent: Tensor) -> Image.Image:
        """A quick picture of a latent (B,4,H,W) that is still being sampled."""
        return preview.picture(latent, self.model)

    def close(self) -> None:
        """Stop the running generation, wait for its end, and unload the scripts."""
        self.stop()
        with generating:
            self.callbacks.call("script_unloaded")
            self.callbacks.clear()
            binding.unbind(self)
