"""Where the files of the small model are, and how a WebUI gets them. Standard library only."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CHECKPOINT = FOLDER / "regional-small.safetensors"
CONFIG = FOLDER / "regional-small.yaml"
DIFFUSERS = FOLDER / "diffusers"
"""Configuration folder for `StableDiffusionPipeline.from_single_file(CHECKPOINT, config=DIFFUSERS, local_files_only=True)`."""
TOKENIZER = DIFFUSERS / "tokenizer"

PLACEHOLDER = "TOKENIZER_FOLDER"
"""Stands in the shipped yaml for the absolute path that a WebUI needs."""


def webui_config(tokenizer: Path = TOKENIZER) -> str:
    """Text of the yaml with the tokenizer's folder as an absolute path."""
    return CONFIG.read_text(encoding="utf-8").replace(PLACEHOLDER, tokenizer.resolve().as_posix())


def install(models: Path, link: bool = False) -> Path:
    """Puts the checkpoint and its yaml into a WebUI's folder `models/Stable-diffusion`; `link` saves the copy. Returns the checkpoint."""
    models.mkdir(parents=True, exist_ok=True)
    target = models / CHECKPOINT.name
    target.unlink(missing_ok=True)
    if link:
        target.symlink_to(CHECKPOINT)
    else:
        shutil.copyfile(CHECKPOINT, target)
    target.with_suffix(".yaml").write_text(webui_config(), encoding="utf-8")
    return target
