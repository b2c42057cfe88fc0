"""Where the files of the small model are, and how a WebUI gets them.

The shipped checkpoint keeps one row of the token table for each word that the model knows (49 408 rows are a third of a small model);
`whole` gives every id its row again, and `install` writes such a file for programs that read checkpoints in the original layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...request import files

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path(__file__).resolve().parent
CHECKPOINT = FOLDER / "regional-small.safetensors"
CONFIG = FOLDER / "regional-small.yaml"
DIFFUSERS = FOLDER / "diffusers"
"""Configuration folder for `StableDiffusionPipeline.from_single_file(install(…), config=DIFFUSERS, local_files_only=True)`."""
TOKENIZER = DIFFUSERS / "tokenizer"

WIDE_NAME = "regional-wide.safetensors"
LORAS = FOLDER / "loras"

PLACEHOLDER = "TOKENIZER_FOLDER"
"""Stands in the shipped yaml for the absolute path that a WebUI needs."""

TABLE = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
ROWS = "token_rows"
"""(49408,) in the shipped file: the row of its short table that each id has."""


def whole(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the shipped file -> weights in the original layout, the token table (49408, C). Other files stay as they are."""
    rest = {name: value for name, value in weights.items() if name != ROWS}
    if ROWS in weights:
        rest[TABLE] = weights[TABLE][weights[ROWS].long()]
    return rest


def webui_config(tokenizer: Path = TOKENIZER) -> str:
    """Text of the yaml with the tokenizer's folder as an absolute path."""
    return CONFIG.read_text(encoding="utf-8").replace(PLACEHOLDER, tokenizer.resolve().as_posix())


def install(models: Path) -> Path:
    """Writes the checkpoint and its yaml into a WebUI's folder `models/Stable-diffusion`. Returns the checkpoint's path."""
    from safetensors.torch import load_file

    target = _write(whole(load_file(CHECKPOINT)), models / CHECKPOINT.name)
    files.write_bytes(target.with_suffix(".yaml"), webui_config().encode("utf-8"))
    return target


def install_wide(models: Path) -> Path:
    """Writes the model in SD 1.5's widths (0.7 GB), which programs recognise that read no yaml. Returns the checkpoint's path."""
    from safetensors.torch import load_file

    from .wide import wide_weights

    return _write(wide_weights(whole(load_file(CHECKPOINT))), models / WIDE_NAME)


def install_loras(folder: Path, wide: bool = False) -> list[Path]:
    """Writes the shipped LoRAs into a WebUI's folder `models/Lora`; those of the wide model are named `…-wide`. Returns their paths."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    from .wide import wide_lora

    written = []
    for source in sorted(LORAS.glob("*.safetensors")):
        weights, target = load_file(source), folder / source.name
        with safe_open(source, "pt") as file:
            metadata = file.metadata()
        if wide:
            weights, target = wide_lora(weights), target.with_stem(f"{target.stem}-wide")
        written.append(_write(weights, target, metadata))
    return written


def _write(weights: Mapping[str, Tensor], target: Path, metadata: Mapping[str, str] | None = None) -> Path:
    from safetensors.torch import save_file

    target.parent.mkdir(parents=True, exist_ok=True)
    files.remove_leftovers(target.parent)
    with files.replacing(target) as written:
        save_file(dict(weights), written, metadata=dict(metadata or {"format": "pt", "model": target.stem}))
        written.chmod(0o644)  # safetensors keeps it to its owner, which a shared installation cannot use
    return target
