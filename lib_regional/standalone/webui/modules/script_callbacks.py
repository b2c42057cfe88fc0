"""Registering callbacks with the host that was bound last."""

import inspect
from collections.abc import Callable
from typing import Any

from lib_regional.standalone.binding import current
from lib_regional.standalone.scripts.callbacks import (
    AfterCFGCallbackParams,
    CFGDenoisedParams,
    CFGDenoiserParams,
    ExtraNoiseParams,
    ImageSaveParams,
)

__all__ = ["AfterCFGCallbackParams", "CFGDenoisedParams", "CFGDenoiserParams", "ExtraNoiseParams", "ImageSaveParams"]


def _caller() -> str:
    return next((frame.filename for frame in inspect.stack() if frame.filename != __file__), "unknown file")


def _registrar(event: str) -> Callable[..., None]:
    def register(callback: Callable[..., Any], *, name: str | None = None) -> None:
        current().callbacks.add(event, callback, script=_caller(), name=name)

    register.__name__ = f"on_{event}"
    register.__doc__ = f"Register a function for the event {event}."
    return register


on_app_started = _registrar("app_started")
on_before_reload = _registrar("before_reload")
on_model_loaded = _registrar("model_loaded")
on_ui_tabs = _registrar("ui_tabs")
on_ui_train_tabs = _registrar("ui_train_tabs")
on_ui_settings = _registrar("ui_settings")
on_before_image_saved = _registrar("before_image_saved")
on_image_saved = _registrar("image_saved")
on_extra_noise = _registrar("extra_noise")
on_cfg_denoiser = _registrar("cfg_denoiser")
on_cfg_denoised = _registrar("cfg_denoised")
on_cfg_after_cfg = _registrar("cfg_after_cfg")
on_before_component = _registrar("before_component")
on_after_component = _registrar("after_component")
on_image_grid = _registrar("image_grid")
on_infotext_pasted = _registrar("infotext_pasted")
on_script_unloaded = _registrar("script_unloaded")
on_before_ui = _registrar("before_ui")
on_list_optimizers = _registrar("list_optimizers")
on_list_unets = _registrar("list_unets")
on_before_token_counter = _registrar("before_token_counter")


def clear_callbacks() -> None:
    """Remove all callbacks."""
    current().callbacks.clear()


def remove_current_script_callbacks() -> None:
    """Remove the callbacks of the calling script file."""
    current().callbacks.remove_script(_caller())


def remove_callbacks_for_function(callback_func: Callable[..., Any]) -> None:
    """Remove one function."""
    current().callbacks.remove_function(callback_func)


def infotext_pasted_callback(infotext: str, params: dict[str, Any]) -> None:
    """Call the ``infotext_pasted`` callbacks, which may change ``params``."""
    current().callbacks.call("infotext_pasted", infotext, params)
