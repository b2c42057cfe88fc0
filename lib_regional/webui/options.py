"""Regional's section of the WebUI's settings page, and what the user chose there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..request.methods.specs import METHODS

SECTION = ("regional", "Regional")
METHOD, INFOTEXT, PRESETS = "regional_default_method", "regional_infotext", "regional_preset_folder"
MODELS = "regional_models_folder"
DEFAULTS: dict[str, Any] = {METHOD: "attention_couple", INFOTEXT: True, PRESETS: "", MODELS: ""}


def register(dropdown: Any) -> None:
    """Add the section, for ``on_ui_settings``; ``dropdown`` is Gradio's. Does nothing on a host that has no settings page."""
    from modules import shared

    if not (hasattr(shared, "OptionInfo") and hasattr(shared.opts, "add_option")):
        return
    rows: dict[str, tuple[str, Any, dict[str, Any] | None]] = {  # without a component the default's type decides
        METHOD: (
            "Method that an untouched panel begins with (takes effect with a reload of the page)",
            dropdown,
            {"choices": list(METHODS)},
        ),
        INFOTEXT: ("Write the regions into the pictures' generation parameters", None, None),
        PRESETS: ("Folder for the user's presets; empty: the extension's own (takes effect with a restart)", None, None),
        MODELS: ("Folder of models for masks and reference pictures, looked into before models/regional", None, None),
    }
    for key, (label, component, more) in rows.items():
        shared.opts.add_option(key, shared.OptionInfo(DEFAULTS[key], label, component, more, section=SECTION))


def chosen(key: str) -> Any:
    """The user's choice, or the default where the host does not know the option."""
    return getattr(getattr(sys.modules.get("modules.shared"), "opts", None), key, DEFAULTS[key])


def preset_folder(default: Path) -> Path:
    """Where presets lie."""
    folder = str(chosen(PRESETS) or "").strip()
    return Path(folder).expanduser() if folder else default


def model_folders() -> list[Path]:
    """Where models for masks and references lie: the folder of the settings, and ``regional`` in the host's folder of models."""
    from modules import paths

    own = str(chosen(MODELS) or "").strip()
    return [*([Path(own).expanduser()] if own else []), Path(paths.models_path) / "regional"]


SHIPPED = Path(__file__).resolve().parents[1] / "standalone" / "model" / "references"
"""The adapter of the small model, and its encoder."""


def encoder_folders() -> list[Path]:
    """Where image encoders lie."""
    return [*model_folders(), SHIPPED]


def encoder_file_folders() -> list[Path]:
    """Where image encoders lie as files: beside the preprocessors of Forge and Forge Neo, and of sd-webui-controlnet."""
    from modules import paths, shared

    named = [
        getattr(shared.opts, "control_net_modules_path", None),
        getattr(getattr(shared, "cmd_opts", None), "controlnet_annotator_models_path", None),
    ]
    data = Path(getattr(paths, "data_path", getattr(paths, "script_path", paths.models_path)))
    downloads = [data / str(one) for one in named if one] or [_controlnet_folder() / "annotator" / "downloads"]
    hosts = [Path(paths.models_path) / name for name in ("ControlNetPreprocessor", "clip_vision")]
    return [*hosts, *(folder / "clip_vision" for folder in downloads)]


def adapter_folders() -> list[Path]:
    """Where IP-Adapters lie: the `model_folders`, those of the host's ControlNet, and the shipped one."""
    from modules import paths, shared

    named = [getattr(shared.opts, "control_net_models_path", None), getattr(getattr(shared, "cmd_opts", None), "controlnet_dir", None)]
    hosts = [Path(paths.models_path) / "ControlNet", *(Path(str(one)) for one in named if one), _controlnet_folder() / "models"]
    return [*model_folders(), *hosts, SHIPPED]


def _controlnet_folder() -> Path:
    """Where sd-webui-controlnet is installed: with ``--data-dir`` extensions lie there, and not beside the host's own code."""
    from modules import paths

    beside = Path(getattr(paths, "script_path", paths.models_path)) / "extensions"
    return Path(getattr(paths, "extensions_dir", beside)) / "sd-webui-controlnet"
