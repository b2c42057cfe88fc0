"""Script classes and runners."""

from typing import Any

from lib_regional.standalone.binding import current
from lib_regional.standalone.host import EXTENSION_ROOT
from lib_regional.standalone.scripts.runner import ScriptRunner
from lib_regional.standalone.scripts.script import (
    AlwaysVisible,
    MaskBlendArgs,
    OnComponent,
    PostprocessBatchListArgs,
    PostprocessImageArgs,
    PostprocessMaskOverlayArgs,
    PostSampleArgs,
    Script,
)

__all__ = [
    "AlwaysVisible",
    "MaskBlendArgs",
    "OnComponent",
    "PostSampleArgs",
    "PostprocessBatchListArgs",
    "PostprocessImageArgs",
    "PostprocessMaskOverlayArgs",
    "Script",
    "ScriptRunner",
    "basedir",
]


def basedir() -> str:
    """The folder of the extension whose script file is being executed; afterwards the host's own."""
    return str(current().loading or EXTENSION_ROOT)


def __getattr__(name: str) -> Any:
    live = {"scripts_txt2img": lambda: current().txt2img, "scripts_img2img": lambda: current().img2img, "scripts_data": _scripts_data}
    if name in live:
        return live[name]()
    raise AttributeError(f"module 'modules.scripts' has no attribute {name!r} on the standalone host")


def _scripts_data() -> Any:
    return current().script_classes
