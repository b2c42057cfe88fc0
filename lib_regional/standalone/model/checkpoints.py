"""Checkpoint files: safe reading, and detection of the kind of model."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...request.errors import RegionalError
from ...tensors.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

SUPPORTED = {"sd1": "Stable Diffusion 1", "sdxl": "Stable Diffusion XL"}


class CheckpointError(RegionalError):
    """A checkpoint file that this host cannot use; the message names the file and the reason."""


_SDXL_TEXT = "conditioner.embedders.1.model.ln_final.weight"
_SD1_TEXT = "cond_stage_model.transformer."
_CROSS_K = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_STEM = "model.diffusion_model.input_blocks.0.0.weight"


def _starts(prefix: str) -> Callable[[Mapping[str, tuple[int, ...]]], bool]:
    return lambda shapes: any(key.startswith(prefix) for key in shapes)


def _inputs(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return shapes.get(_STEM, (0, 4, 3, 3))[1]


_KINDS: tuple[tuple[str, Callable[[Mapping[str, tuple[int, ...]]], bool]], ...] = (
    ("an inpainting or instruction model (its UNet takes more than 4 channels)", lambda shapes: _inputs(shapes) > 4),
    ("a v-prediction SDXL model", lambda shapes: "v_pred" in shapes and _SDXL_TEXT in shapes),
    ("sdxl", lambda shapes: _SDXL_TEXT in shapes and "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight" in shapes),
    ("an SDXL refiner", _starts("conditioner.embedders.0.model.")),
    ("Stable Diffusion 2", _starts("cond_stage_model.model.")),
    ("sd1", lambda shapes: _starts(_SD1_TEXT)(shapes) and _starts("model.diffusion_model.input_blocks.")(shapes)),
    ("Stable Diffusion 3", _starts("model.diffusion_model.joint_blocks.")),
    ("Flux", _starts("model.diffusion_model.double_blocks.")),
    ("Flux", _starts("double_blocks.")),
    ("Stable Diffusion 3", _starts("joint_blocks.")),
    ("a LoRA", lambda shapes: any("lora_" in key for key in shapes)),
    ("a Stable Diffusion UNet without text encoder", lambda shapes: _CROSS_K in shapes or _STEM in shapes),
    ("a model in diffusers layout (give the original single-file checkpoint)", _starts("down_blocks.")),
)


def kind_of(shapes: Mapping[str, tuple[int, ...]], name: str = "The checkpoint") -> str:
    """``sd1`` or ``sdxl`` from the names and shapes of the weights; raises `CheckpointError` that names any other kind."""
    found = next((kind for kind, fits in _KINDS if fits(shapes)), None)
    if found in SUPPORTED:
        return str(found)
    what = f"is {found}" if found else "holds no model that is known here"
    raise CheckpointError(f"{name} {what}. The standalone host runs {_listed(SUPPORTED.values())} checkpoints only.")


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)


def no_memory(path: Path) -> CheckpointError:
    """For a file that is whole, on a machine whose memory is too small or too full."""
    size = path.stat().st_size / 1e9
    return CheckpointError(
        f"There is not enough memory to load {path.name} ({size:.1f} GB): close other programs, or use a smaller checkpoint."
    )


_DAMAGED = (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error)
"""What reading a damaged file raises: the layout before PyTorch 1.6 is unpacked without checks."""


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` file, or of a ``.ckpt`` or ``.pth`` with weights only. Raises `CheckpointError` for others."""
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint file {path}.")
    readers = {".safetensors": _read_safetensors, ".ckpt": _read_pickled, ".pth": _read_pickled}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(f"{path.name} must be a .safetensors or .ckpt file.")
    return reader(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, Tensor] = load_file(path)
        return weights
    except (SafetensorError, MemoryError, *_DAMAGED) as error:
        if is_out_of_memory(error):
            raise no_memory(path) from error
        raise CheckpointError(f"{path.name} is not a readable safetensors file ({error}).") from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} holds more than weights, and running code from a checkpoint is refused. Convert it to .safetensors."
        ) from error
    except (MemoryError, *_DAMAGED) as error:
        if is_out_of_memory(error):
            raise no_memory(path) from error
        raise CheckpointError(f"{path.name} is not a readable checkpoint ({error}).") from error
    weights = data.get("state_dict", data) if isinstance(data, dict) else {}
    return {key: value for key, value in weights.items() if isinstance(value, torch.Tensor)}
