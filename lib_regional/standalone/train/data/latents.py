"""Encodes the training pictures once. Scenes are drawn again from their seeds, so only latents and object maps are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from ..networks import LATENT_SCALE
from ..progress import autocast
from ..stages.autoencoder import fold_scale, load_autoencoder, to_tensor
from .drawing import coverage, draw
from .scene import SIZES, Scene, random_scene

SHARES = (0.8, 0.1, 0.1)
"""Share of the pictures of each size in SIZES."""


@dataclass(frozen=True)
class Latents:
    """Pictures of one size: latents (N,4,h,w) as the UNet sees them (unit variance), objects (N,1,h,w) 0/1, and their scenes."""

    latents: Tensor
    objects: Tensor
    scenes: tuple[Scene, ...]


def scene_of(group: int, index: int, seed: int = 0) -> Scene:
    """The scene of a training picture."""
    return random_scene(np.random.default_rng((seed, group, index)), SIZES[group])


def object_cells(scene: Scene) -> NDArray[np.bool_]:
    """(h,w) bool: latent cells that a thing touches."""
    cells = np.zeros((scene.height // 8, scene.width // 8), bool)
    for thing in scene.things:
        blocks = coverage(thing, scene.width, scene.height).reshape(cells.shape[0], 8, cells.shape[1], 8)
        cells |= blocks.max((1, 3)) > 0.05
    return cells


@torch.no_grad()
def encode_pictures(out: Path, total: int, device: str = "cpu", batch: int = 4, seed: int = 0) -> Path:
    """Writes `latents.safetensors`: unscaled means, the object maps and the measured mean and deviation."""
    from tqdm import tqdm

    model = load_autoencoder(out, device)
    parts: dict[str, Tensor] = {}
    for group, share in enumerate(SHARES):
        scenes = [scene_of(group, i, seed) for i in range(max(1, round(total * share)))]
        means = []
        for start in tqdm(range(0, len(scenes), batch), desc=f"latents {SIZES[group]}", mininterval=5):
            pictures = np.stack([draw(scene) for scene in scenes[start : start + batch]])
            with autocast(device):
                means.append(model.encode(to_tensor(pictures).to(device)).latent_dist.mean.half().cpu())
        parts[f"latents.{group}"] = torch.cat(means)
        parts[f"objects.{group}"] = torch.from_numpy(np.stack([object_cells(scene) for scene in scenes]))
    values = parts["latents.0"].float()
    parts["mean"], parts["deviation"] = values.mean().reshape(1), values.std().reshape(1)
    parts["seed"] = torch.tensor([seed])
    path = out / "latents.safetensors"
    save_file({name: value.contiguous() for name, value in parts.items()}, path)
    return path


def load_latents(out: Path) -> list[Latents]:
    """One entry per size in SIZES, latents scaled to mean 0 and unit variance."""
    path = out / "latents.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"No latents in {out}: run the stage `latents` first.")
    parts = load_file(path)
    mean, deviation, seed = float(parts["mean"]), float(parts["deviation"]), int(parts["seed"])
    groups = []
    for group in range(len(SIZES)):
        latents = (parts[f"latents.{group}"].float() - mean) / deviation
        scenes = tuple(scene_of(group, i, seed) for i in range(len(latents)))
        groups.append(Latents(latents, parts[f"objects.{group}"][:, None].float(), scenes))
    return groups


def scaled_autoencoder(out: Path, device: str = "cpu") -> AutoencoderKL:
    """The autoencoder with the latents' scale folded in: encoded means times LATENT_SCALE are what the UNet was trained on."""
    parts = load_file(out / "latents.safetensors")
    model = load_autoencoder(out, device)
    fold_scale(model, float(parts["deviation"]), float(parts["mean"]))
    return model


@torch.no_grad()
def decode(model: AutoencoderKL, latents: Tensor) -> Tensor:
    """Latents of unit variance (B,4,h,w) -> images (B,3,8h,8w), with an autoencoder whose scale is folded in."""
    images: Tensor = model.decode(latents / LATENT_SCALE).sample
    return images


def grow(objects: Tensor) -> Tensor:
    """Object cells and their direct neighbours, (B,1,h,w)."""
    return functional.max_pool2d(objects, 3, 1, 1)
