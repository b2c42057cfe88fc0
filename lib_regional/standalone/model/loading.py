"""Checkpoint file -> `StandaloneModel`, with diffusers' converters for UNet and autoencoder. Opens no connection."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...tensors.out_of_memory import is_out_of_memory
from ..sampling.noise_levels import NoiseLevels
from . import CHECKPOINT, DIFFUSERS, TOKENIZER, whole
from .checkpoints import CheckpointError, kind_of, no_memory, read
from .clip_text import Chunker, ClipTower
from .stable_diffusion import StandaloneModel

CONFIGS = Path(__file__).parent / "configs"
"""Folders of diffusers configurations, one per kind of checkpoint."""

Weights = Mapping[str, Tensor]


def best_device() -> torch.device:
    """CUDA where there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_model(checkpoint: Path | None = None, device: torch.device | str | None = None) -> StandaloneModel:
    """Load a checkpoint file, or the small model that comes with the project.

    A folder ``<name>.config`` beside the checkpoint gives its configuration (``unet``, ``vae``, ``text_encoder``, ``scheduler``,
    as diffusers lays them out); otherwise the kind decides. Raises `CheckpointError`.
    """
    place = torch.device(device) if device is not None else best_device()
    with _quiet():
        if checkpoint is None:
            return load(CHECKPOINT, DIFFUSERS, place)
        return load(Path(checkpoint), _config_beside(Path(checkpoint)), place)


def _config_beside(checkpoint: Path) -> Path | None:
    folder = checkpoint.with_suffix(".config")
    return folder if folder.is_dir() else None


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def load(path: Path, config: Path | None, device: torch.device) -> StandaloneModel:
    """Load ``path``; ``config`` is a folder of diffusers configurations, None for those of the kind found in the file."""
    weights = whole(read(path))
    kind = kind_of({key: tuple(value.shape) for key, value in weights.items()}, path.name)
    folder = config or CONFIGS / kind
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    try:
        unet, vae = _unet_and_vae(weights, folder, dtype)
        towers = TOWERS[kind](weights, folder)
    except (RuntimeError, ValueError, KeyError, OSError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_memory(path) from error
        raise CheckpointError(f"{path.name} does not fit the configuration {folder.name} ({_short(error)}).") from error
    for module in (unet, vae, *(tower.encoder for tower in towers)):
        module.to(device).eval().requires_grad_(False)
    levels = NoiseLevels.from_config(json.loads((folder / "scheduler" / "scheduler_config.json").read_text()))
    return StandaloneModel(unet, vae, towers, levels, kind, path.stem, path, device, dtype)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + " …"


def _unet_and_vae(weights: Weights, folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    from ..controlnet.unet import ControlledUNet

    try:
        unet = _single(ControlledUNet, weights, folder, "unet", dtype)
        return unet, _single(AutoencoderKL, weights, folder, "vae", torch.float32)
    except SingleFileComponentError as error:
        raise ValueError(str(error)) from error


def _single(kind: Any, weights: Weights, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One network by diffusers' converter, which leaves weights that the file lacks without values: those are an error here."""
    module = kind.from_single_file(dict(weights), config=str(folder), subfolder=part, local_files_only=True, torch_dtype=dtype)
    missing = [name for name, value in module.named_parameters() if value.is_meta]
    if missing:
        raise ValueError(f"the {part} lacks {missing[0]} and {len(missing) - 1} more")
    return module


def _tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    own = folder / "tokenizer"
    return CLIPTokenizer.from_pretrained(str(own if (own / "vocab.json").is_file() else TOKENIZER), local_files_only=True)


def _sd1_towers(weights: Weights, folder: Path) -> tuple[ClipTower, ...]:
    encoder = _clip(weights, "cond_stage_model.transformer.", folder / "text_encoder")
    return (ClipTower(encoder, Chunker(_tokenizer(folder))),)


def _sdxl_towers(weights: Weights, folder: Path) -> tuple[ClipTower, ...]:
    chunker = Chunker(_tokenizer(folder))
    first = _clip(weights, "conditioner.embedders.0.transformer.", folder / "text_encoder")
    second = _open_clip(weights, "conditioner.embedders.1.model.", folder / "text_encoder_2")
    return ClipTower(first, chunker, penultimate=True), ClipTower(second, chunker, penultimate=True, projected=True, pad=0)


TOWERS = {"sd1": _sd1_towers, "sdxl": _sdxl_towers}


def _clip(weights: Weights, prefix: str, folder: Path) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    encoder = CLIPTextModel(CLIPTextConfig.from_pretrained(str(folder), local_files_only=True))
    return _filled(encoder, {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)})


def _open_clip(weights: Weights, prefix: str, folder: Path) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    encoder = CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(str(folder), local_files_only=True))
    return _filled(encoder, from_open_clip({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}))


_OPEN_CLIP = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
}
_OPEN_CLIP_LAYER = (
    ("transformer.resblocks.", "text_model.encoder.layers."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
    (".attn.out_proj.", ".self_attn.out_proj."),
)


def from_open_clip(weights: Weights) -> dict[str, Tensor]:
    """OpenCLIP's text weights under the names of transformers: the joint q, k, v weights split, the projection transposed."""
    done: dict[str, Tensor] = {}
    for key, value in weights.items():
        if key in _OPEN_CLIP:
            done[_OPEN_CLIP[key]] = value
        elif key == "text_projection":
            done["text_projection.weight"] = value.T.contiguous()
        elif ".attn.in_proj_" in key:
            stem, kind = key.replace("transformer.resblocks.", "text_model.encoder.layers.").split(".attn.in_proj_")
            for name, part in zip("qkv", value.chunk(3), strict=True):
                done[f"{stem}.self_attn.{name}_proj.{kind}"] = part.contiguous()
        elif key.startswith("transformer.resblocks."):
            done[_renamed(key)] = value
    return done


def _renamed(key: str) -> str:
    for old, new in _OPEN_CLIP_LAYER:
        key = key.replace(old, new)
    return key


def _filled(encoder: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Fill a text encoder; weights that it lacks are an error, position ids in old files are not."""
    expected = encoder.state_dict()
    if not any(key.startswith("text_model.") for key in expected):
        weights = {key.removeprefix("text_model."): value for key, value in weights.items()}
    missing = [key for key in expected if key not in weights and not key.endswith("position_ids")]
    if missing:
        raise ValueError(f"the text encoder lacks {missing[0]} and {len(missing) - 1} more")
    encoder.load_state_dict({key: value for key, value in weights.items() if key in expected}, strict=False)
    return encoder.to(torch.float32)
