"""Callbacks that scripts register, under the WebUI's names. An exception in one is logged and goes no further."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger("regional.standalone")

EVENTS = (
    "app_started",
    "model_loaded",
    "ui_tabs",
    "ui_train_tabs",
    "ui_settings",
    "before_image_saved",
    "image_saved",
    "extra_noise",
    "cfg_denoiser",
    "cfg_denoised",
    "cfg_after_cfg",
    "before_component",
    "after_component",
    "image_grid",
    "infotext_pasted",
    "script_unloaded",
    "before_ui",
    "before_reload",
    "list_optimizers",
    "list_unets",
    "before_token_counter",
)

REVERSED = ("script_unloaded", "before_ui")
"""Events whose callbacks run last registered first."""


@dataclass(frozen=True)
class Callback:
    """One registered function and the script file that registered it."""

    function: Callable[..., Any]
    script: str
    name: str | None = None


@dataclass
class CallbackRegistry:
    """Registered callbacks by event."""

    _callbacks: dict[str, list[Callback]] = field(default_factory=lambda: {event: [] for event in EVENTS})

    def add(self, event: str, function: Callable[..., Any], *, script: str = "unknown file", name: str | None = None) -> None:
        """Register ``function`` for ``event``."""
        self._callbacks[event].append(Callback(function, script, name))

    def has(self, event: str) -> bool:
        """Whether a callback is registered for the event."""
        return bool(self._callbacks[event])

    def call(self, event: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call all callbacks of the event; returns their results without those that failed."""
        results = []
        order = reversed if event in REVERSED else iter
        for callback in order(list(self._callbacks[event])):
            try:
                results.append(callback.function(*args, **kwargs))
            except Exception:  # whatever a script does wrong, the host goes on, as the WebUI does
                logger.exception("Error executing callback %s for %s", event, callback.script)
        return results

    def clear(self) -> None:
        """Remove all."""
        for callbacks in self._callbacks.values():
            callbacks.clear()

    def remove_script(self, script: str) -> None:
        """Remove the callbacks of one script file."""
        self._drop(lambda callback: callback.script == script)

    def remove_function(self, function: Callable[..., Any]) -> None:
        """Remove one function from all events."""
        self._drop(lambda callback: callback.function == function)

    def _drop(self, unwanted: Callable[[Callback], bool]) -> None:
        for callbacks in self._callbacks.values():
            callbacks[:] = [callback for callback in callbacks if not unwanted(callback)]


class CFGDenoiserParams:
    """Given to ``on_cfg_denoiser`` before a model call; every field may be replaced. ``x`` (rows, 4, H, W), cond rows first."""

    def __init__(
        self,
        x: Any,
        image_cond: Any,
        sigma: Any,
        sampling_step: int,
        total_sampling_steps: int,
        text_cond: Any,
        text_uncond: Any,
        denoiser: Any = None,
    ) -> None:
        self.x = x
        self.image_cond = image_cond
        self.sigma = sigma
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps
        self.text_cond = text_cond
        self.text_uncond = text_uncond
        self.denoiser = denoiser


class CFGDenoisedParams:
    """Given to ``on_cfg_denoised`` after the model call; ``x`` may be changed in place only."""

    def __init__(self, x: Any, sampling_step: int, total_sampling_steps: int, inner_model: Any) -> None:
        self.x = x
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps
        self.inner_model = inner_model


class AfterCFGCallbackParams:
    """Given to ``on_cfg_after_cfg`` after guidance; ``x`` is read back."""

    def __init__(self, x: Any, sampling_step: int, total_sampling_steps: int) -> None:
        self.x = x
        self.sampling_step = sampling_step
        self.total_sampling_steps = total_sampling_steps


class ExtraNoiseParams:
    """Given to ``on_extra_noise``."""

    def __init__(self, noise: Any, x: Any, xi: Any) -> None:
        self.noise = noise
        self.x = x
        self.xi = xi


class ImageSaveParams:
    """Given to ``on_before_image_saved`` and ``on_image_saved``."""

    def __init__(self, image: Any, p: Any, filename: str, pnginfo: dict[str, Any]) -> None:
        self.image = image
        self.p = p
        self.filename = filename
        self.pnginfo = pnginfo
