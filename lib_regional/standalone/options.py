"""The host's options under the WebUI's names, kept in memory only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import ImageColor

from ..request.errors import Problem, raise_any, shown
from .sampling.noise import SOURCES

logger = logging.getLogger("regional.standalone")


@dataclass
class OptionInfo:
    """One option: default, label, and how a page would show it."""

    default: Any = None
    label: str = ""
    component: Any = None
    component_args: Any = None
    onchange: Callable[[], Any] | None = None
    section: tuple[Any, ...] | None = None
    refresh: Callable[[], Any] | None = None
    comment_before: str = ""
    comment_after: str = ""
    infotext: str | None = None
    choices: tuple[Any, ...] = ()
    limits: tuple[float, float] | None = None

    def allowed(self, value: Any) -> str:
        """What the option may be, where ``value`` is of another kind or outside; "" for a good one."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        kind = type(self.default)
        fits = self.default is None or value is None or type(value) is kind or (kind is float and number)
        if self.choices and value not in self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.limits and not (fits and number and self.limits[0] <= value <= self.limits[1]):
            return f"{'a whole number' if kind is int else 'a number'} from {self.limits[0]:g} to {self.limits[1]:g}"
        return "" if fits else kind.__name__

    def info(self, text: str) -> OptionInfo:
        """Append an explanation."""
        self.comment_after += f" ({text})"
        return self

    def needs_reload_ui(self) -> OptionInfo:
        """Note that the page must be reloaded."""
        return self.info("requires Reload UI")

    def needs_restart(self) -> OptionInfo:
        """Note that the host must be restarted."""
        return self.info("requires restart")


DEFAULTS: dict[str, OptionInfo] = {
    "sd_model_checkpoint": OptionInfo(None, "Stable Diffusion checkpoint"),
    "samples_format": OptionInfo("png", "File format for images", choices=("png", "jpg", "webp")),
    "jpeg_quality": OptionInfo(80, "Quality for saved jpeg and webp images", limits=(1, 100)),
    "outdir_samples": OptionInfo("", "Output directory for images"),
    "outdir_txt2img_samples": OptionInfo("outputs/txt2img-images", "Output directory for txt2img images"),
    "outdir_img2img_samples": OptionInfo("outputs/img2img-images", "Output directory for img2img images"),
    "samples_save": OptionInfo(True, "Always save all generated images"),
    "return_grid": OptionInfo(True, "Show grid in results"),
    "add_model_hash_to_info": OptionInfo(True, "Add model hash to infotext"),
    "add_model_name_to_info": OptionInfo(True, "Add model name to infotext"),
    "add_version_to_infotext": OptionInfo(True, "Add program version to infotext"),
    "pad_cond_uncond": OptionInfo(False, "Pad prompt/negative prompt"),
    "batch_cond_uncond": OptionInfo(True, "Run cond and uncond in one batch"),
    "img2img_fix_steps": OptionInfo(False, "With img2img, do exactly the amount of steps the slider specifies"),
    "img2img_background_color": OptionInfo("#ffffff", "With img2img, fill transparent parts of the input image with this color"),
    "img2img_extra_noise": OptionInfo(0.0, "Extra noise for img2img", limits=(0, 1)),
    "initial_noise_multiplier": OptionInfo(1.0, "Noise multiplier for img2img", limits=(0, 1.5)),
    "CLIP_stop_at_last_layers": OptionInfo(1, "Clip skip", limits=(1, 12)),
    "live_previews_enable": OptionInfo(True, "Show live previews of the created image"),
    "randn_source": OptionInfo("CPU", "Random number generator source", choices=tuple(SOURCES)),
}


def _colour_fault(key: str, value: Any) -> str:
    """What a colour must be like, where the option is one and ``value`` is none."""
    if not key.endswith("_color") or value is None:
        return ""
    try:
        ImageColor.getrgb(str(value))
    except ValueError:
        return "a colour such as #ffffff"
    return ""


@dataclass
class Options:
    """Values by name, also as attributes; setting one that does not exist or of another type is an error."""

    data_labels: dict[str, OptionInfo] = field(default_factory=lambda: dict(DEFAULTS))
    data: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("data", "data_labels"):
            raise AttributeError(name)
        if name in self.data:
            return self.data[name]
        if name in self.data_labels:
            return self.data_labels[name].default
        raise AttributeError(f"There is no option {name}.")

    def add_option(self, key: str, info: OptionInfo) -> None:
        """Add an option, from ``on_ui_settings``."""
        self.data_labels[key] = info

    def get_default(self, key: str) -> Any:
        """The option's default, None for an unknown one."""
        info = self.data_labels.get(key)
        return info.default if info else None

    def set(self, key: str, value: Any, is_api: bool = False, run_callbacks: bool = True) -> bool:
        """Set an option; whether it changed. LookupError for an unknown one, TypeError for a value of another type."""
        value = self.check(key, value)
        if getattr(self, key) == value:
            return False
        self.data[key] = value
        onchange = self.data_labels[key].onchange
        if run_callbacks and onchange is not None:
            onchange()
        return True

    def check(self, key: str, value: Any) -> Any:
        """The value as it would be set. LookupError for an unknown option, TypeError for a value of another type."""
        if key not in self.data_labels:
            raise LookupError(f"There is no option {key}.")
        info = self.data_labels[key]
        allowed = info.allowed(value) or _colour_fault(key, value)
        if allowed:
            raise TypeError(f"The option {key} must be {allowed}, got {shown(value)}.")
        return float(value) if isinstance(info.default, float) and value is not None else value

    def check_overrides(self, values: Mapping[str, Any]) -> None:
        """Raise SettingsError for every value of ``override_settings`` that its option cannot have; unknown names are left out later."""
        problems = []
        for key, value in values.items():
            try:
                self.check(key, value)
            except TypeError as error:
                problems.append(Problem(f"override_settings.{key}", value, "as the option is", text=f"override_settings: {error}"))
            except LookupError:
                continue
        raise_any(problems)

    def all(self) -> dict[str, Any]:
        """Every option's value."""
        return {key: getattr(self, key) for key in self.data_labels}

    @contextmanager
    def overridden(self, values: Mapping[str, Any], restore: bool = True) -> Iterator[None]:
        """Some options set for the time of the block; unknown ones are named in the log and left out."""
        before = dict(self.data)
        try:
            for key, value in values.items():
                if key in self.data_labels:
                    self.set(key, value, run_callbacks=False)
                else:
                    logger.warning("override_settings: there is no option %s here", key)
            yield
        finally:
            if restore:
                self.data.clear()
                self.data.update(before)
