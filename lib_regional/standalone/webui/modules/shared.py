"""``opts``, ``state``, ``sd_model`` and others, of the host that was bound last."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from lib_regional.standalone.binding import current
from lib_regional.standalone.host import EXTENSION_ROOT
from lib_regional.standalone.options import OptionInfo, Options
from lib_regional.standalone.pipeline.pictures import LATENT_UPSCALERS

__all__ = ["OptionInfo", "Options", "cmd_opts", "latent_upscale_modes", "options_section"]

cmd_opts = Namespace(
    api=True,
    nowebui=False,
    listen=False,
    share=False,
    disable_console_progressbars=True,
    data_path=str(EXTENSION_ROOT),
    medvram=False,
    lowvram=False,
)
latent_upscale_modes = LATENT_UPSCALERS
latent_upscale_default_mode = "Latent"

_LIVE: dict[str, Callable[[], Any]] = {
    "opts": lambda: current().options,
    "state": lambda: current().state,
    "sd_model": lambda: current().model,
    "device": lambda: current().model.device,
    "loaded_hypernetworks": list,
    "prompt_styles": lambda: None,
    "demo": lambda: None,
}


def __getattr__(name: str) -> Any:
    if name in _LIVE:
        return _LIVE[name]()
    raise AttributeError(f"module 'modules.shared' has no attribute {name!r} on the standalone host")


def options_section(section: tuple[Any, ...], options: dict[str, OptionInfo]) -> dict[str, OptionInfo]:
    """Put options into a section of the settings page."""
    for info in options.values():
        info.section = section
    return options
