"""CLIP's vision models that are one file, as Forge keeps them (safetensors) and sd-webui-controlnet (``.pth``, read as weights alone):
known by the names and shapes in it.

The file is that of a folder without its config.json, which is made again from the shapes. What shapes do not say, the heads and the
activation, is known for the two encoders that published IP-Adapters read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from .folders import FoundModel
from .kinds import class_fault

KIND, TYPE = "clip_vision", "clip_vision_model"
SUFFIXES = (".safetensors", ".pth", ".bin")
MOST_FILES = 100
"""Files that are looked into in one folder."""
HEADS: dict[int, tuple[int, str]] = {1280: (16, "gelu"), 1664: (16, "gelu")}
"""Width of the hidden states -> heads and activation: CLIP ViT-H/14 and ViT-bigG/14 (LAION)."""

_EMBEDDINGS = "vision_model.embeddings."
_MARK = f"{_EMBEDDINGS}class_embedding"
_LAYER = "vision_model.encoder.layers."

Shapes = Mapping[str, Sequence[int]]


def find_encoder_files(roots: Sequence[Path]) -> list[FoundModel]:
    """The encoders among the files of each of ``roots``, in order; files of other kinds are left out."""
    return [found for root in roots for path in islice(_files(root), MOST_FILES) if (found := _looked_at(path)) is not None]


def _files(root: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in root.iterdir() if path.suffix in SUFFIXES and path.is_file())
    except OSError:  # no such folder, or one that may not be read
        return


def _looked_at(path: Path) -> FoundModel | None:
    """A damaged file is one of ours if it is named so: what it holds cannot be known."""
    from safetensors import SafetensorError

    try:
        shapes = _shapes(path)
    except (OSError, EOFError, RuntimeError, UnpicklingError, SafetensorError) as error:
        fault = f"the file cannot be read ({type(error).__name__})"
        return _found(path, {}, fault) if "clip" in path.stem.lower() else None
    if _MARK not in shapes:
        return None
    try:
        config, fault = config_of(shapes), ""
    except (KeyError, IndexError, ValueError):
        config, fault = {}, "its layers are not those of a CLIP vision model"
    if config and config["hidden_size"] not in HEADS:
        fault = f"its hidden states have {config['hidden_size']} numbers; a file without a config.json has {' or '.join(map(str, HEADS))}"
    return _found(path, config, fault)


def _shapes(path: Path) -> dict[str, Sequence[int]]:
    """Of the tensors in a file, whose numbers are not read."""
    if path.suffix != ".safetensors":
        return {name: list(tensor.shape) for name, tensor in _unpickled(path).items()}
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        names = list(file.keys())
        return {name: file.get_slice(name).get_shape() for name in names}


def weights_of(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, on the CPU. Raises what safetensors and torch raise for damaged ones."""
    if path.suffix != ".safetensors":
        return _unpickled(path)
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = load_file(path)
    return weights


def _unpickled(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle, which may hold nothing else that would run; their numbers are read from the disk where they are used."""
    content = torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)  # torch 2.1 maps names alone
    return {name: one for name, one in content.items() if isinstance(one, Tensor)} if isinstance(content, Mapping) else {}


def _found(path: Path, config: Mapping[str, Any], fault: str) -> FoundModel:
    return FoundModel(path.name, path.parent, KIND, TYPE, fault or class_fault("CLIPVisionModelWithProjection"), path, config)


def config_of(shapes: Shapes) -> dict[str, Any]:
    """The config.json of a vision model with these tensors. Raises KeyError, IndexError or ValueError where they are not one's."""
    projection, width = shapes["visual_projection.weight"]
    patch = shapes[f"{_EMBEDDINGS}patch_embedding.weight"][2]
    tokens = shapes[f"{_EMBEDDINGS}position_embedding.weight"][0]
    layers = {int(name.removeprefix(_LAYER).split(".")[0]) for name in shapes if name.startswith(_LAYER)}
    heads, activation = HEADS.get(width, (1, "gelu"))
    return {
        "hidden_size": width,
        "intermediate_size": shapes[f"{_LAYER}0.mlp.fc1.weight"][0],
        "num_hidden_layers": len(layers),
        "num_attention_heads": heads,
        "hidden_act": activation,
        "patch_size": patch,
        "image_size": patch * math.isqrt(tokens - 1),
        "projection_dim": projection,
    }
