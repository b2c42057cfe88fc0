"""Trains a LoRA for the small model on drawn pictures, and writes it under kohya's key names.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": y = W x + (alpha / rank) · up(down(x)), W frozen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...model import FOLDER
from ...model.loading import load_model
from ...model.stable_diffusion import StandaloneModel
from ..data.captions import caption
from ..data.latents import grow, object_cells
from ..data.lora_pictures import SUBJECTS, Subject
from ..data.vocabulary import encode
from ..groupnorm import quicken
from ..ldm_keys import unet_key
from ..networks import UNET
from ..progress import Run, autocast, fit
from ..sampling import STEPS, alphas_cumprod
from .autoencoder import to_tensor
from .diffusion import OBJECT_WEIGHT, timestep_odds

LORAS = FOLDER / "loras"
RANK = 8
ALPHA = 8.0
_UNET_LINEAR = (".transformer_blocks.", ".proj_in", ".proj_out")
_UNET_CONV = (".conv1", ".conv2")
_TEXT_LINEAR = (".q_proj", ".k_proj", ".v_proj", ".out_proj", ".fc1", ".fc2")


class LowRank(nn.Module):
    """The trained part of one layer: ``down`` and ``up``, with up at 0 so that training starts from the base model."""

    def __init__(self, layer: nn.Module, rank: int) -> None:
        super().__init__()
        self.rank, self.active = rank, True
        if isinstance(layer, nn.Conv2d):
            self.down: nn.Module = nn.Conv2d(
                layer.in_channels, rank, _pair(layer.kernel_size), _pair(layer.stride), _pair(layer.padding), bias=False
            )
            self.up: nn.Module = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        else:
            assert isinstance(layer, nn.Linear)
            self.down, self.up = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's input -> what is added to its output."""
        added: Tensor = self.up(self.down(x)) * (ALPHA / self.rank)
        return added

    def attach(self, layer: nn.Module) -> None:
        """Add to ``layer``'s output from now on, while ``active``."""
        layer.register_forward_hook(lambda _, args, y: y + self(args[0]) if self.active else y)


def _pair(value: Any) -> tuple[int, int]:
    return int(value[0]), int(value[1])


@dataclass(frozen=True)
class Ranks:
    """Ranks of a LoRA in the transformers and the convolutions (0: none), and whether the text encoder has one as well."""

    linear: int = RANK
    conv: int = 4
    text: bool = True


def targets(model: StandaloneModel, ranks: Ranks) -> Iterator[tuple[str, nn.Module, int]]:
    """(key in the file, layer, rank) of every layer that is trained."""
    attention = tuple(kind.startswith("CrossAttn") for kind in UNET["down_block_types"])
    for name, layer in model.unet.named_modules():
        linear = isinstance(layer, nn.Linear | nn.Conv2d) and any(part in name for part in _UNET_LINEAR)
        if linear or (ranks.conv and name.endswith(_UNET_CONV)):
            key = unet_key(name + ".", UNET["layers_per_block"], attention).rstrip(".")
            yield "lora_unet_" + key.replace(".", "_"), layer, ranks.linear if linear else ranks.conv
    for name, layer in model.text_encoder.named_modules():
        if ranks.text and name.endswith(_TEXT_LINEAR):
            yield "lora_te_" + name.replace(".", "_"), layer, ranks.linear


class Adapter:
    """The base model with the trained parts hung on it."""

    def __init__(self, device: str, ranks: Ranks, model: StandaloneModel | None = None) -> None:
        """``model``: the shipped one by default."""
        self.model = model or load_model(device=device)
        if self.model.device.type == "cpu":
            self.model.unet.set_attn_processor(AttnProcessor())
            quicken(self.model.unet)
        self.parts = nn.ModuleDict()
        for key, layer, rank in targets(self.model, ranks):
            part = LowRank(layer, rank).to(self.model.device)
            part.attach(layer)
            self.parts[key] = part

    @contextmanager
    def base(self) -> Iterator[None]:
        """Within the block the base model predicts, without the trained parts."""
        parts: list[Any] = list(self.parts.values())
        for part in parts:
            part.active = False
        try:
            yield
        finally:
            for part in parts:
                part.active = True

    def predict(self, noisy: Tensor, times: Tensor, texts: list[str]) -> Tensor:
        """Noise (B,4,h,w) that the adapted model finds in latents of unit variance."""
        return self.noise(noisy, times, torch.from_numpy(encode(texts)))

    def noise(self, noisy: Tensor, times: Tensor, ids: Tensor) -> Tensor:
        """`predict` with token ids (B,77)."""
        device = self.model.device
        with autocast(device.type):
            context = self.model.text_encoder(ids.to(device)).last_hidden_state
            predicted: Tensor = self.model.unet(noisy.to(device), times.to(device), context).sample
        return predicted.float()


@torch.no_grad()
def subject_latents(out: Path, name: str, subject: Subject, count: int, seed: int, model: StandaloneModel) -> tuple[Tensor, Tensor]:
    """Latents (N,4,16,16) of ``count`` pictures and the cells their things touch (N,1,16,16); encoded once and kept in ``out``."""
    from tqdm import tqdm

    path = out / f"{name}.latents.safetensors"
    if path.exists():
        parts = load_file(path)
        if len(parts["latents"]) == count:
            return parts["latents"].float(), parts["objects"].float()
    latents, objects = [], []
    for start in tqdm(range(0, count, 4), desc=f"pictures of {name}", mininterval=5):
        scenes = [subject.scene(i, seed) for i in range(start, min(count, start + 4))]
        pictures = to_tensor(np.stack([subject.paint(scene) for scene in scenes])).to(model.device)
        with autocast(model.device.type):
            latents.append((model.vae.encode(pictures).latent_dist.mean.float() * model.vae.config.scaling_factor).half().cpu())
        objects += [torch.from_numpy(object_cells(scene))[None] for scene in scenes]
    out.mkdir(parents=True, exist_ok=True)
    save_file({"latents": torch.cat(latents).contiguous(), "objects": torch.stack(objects)}, path)
    return torch.cat(latents).float(), torch.stack(objects).float()


def noise_loss(
    predict: Callable[[Tensor, Tensor], Tensor], device: torch.device, latents: Tensor, objects: Tensor, rng: np.random.Generator
) -> Tensor:
    """The base model's loss of ``predict(noisy, times)``: error of the noise, cells of things weighted, min-SNR-5 by drawing the times."""
    alphas = alphas_cumprod()
    odds, weights = timestep_odds(alphas)
    times = torch.from_numpy(rng.choice(STEPS, len(latents), p=odds))
    alpha, noise = alphas[times].view(-1, 1, 1, 1), torch.randn_like(latents)
    noisy = (alpha.sqrt() * latents + (1 - alpha).sqrt() * noise).to(device, memory_format=torch.channels_last)
    weight = 1 + (OBJECT_WEIGHT - 1) * grow(objects)
    weight = weight / weight.mean() * weights[times].view(-1, 1, 1, 1)
    return ((predict(noisy, times.to(device)) - noise.to(device)).square() * weight.to(device)).mean()


def train_lora(run: Run, name: str, pictures: int, target: Path | None = None) -> Path:
    """Trains (or resumes) the LoRA ``name`` of `SUBJECTS` and writes it; returns the file."""
    torch.manual_seed(run.seed)
    subject = SUBJECTS[name]
    adapter = Adapter(run.device, Ranks(conv=subject.conv_rank))
    latents, objects = subject_latents(run.out, name, subject, pictures, run.seed, adapter.model)
    scenes = [subject.scene(i, run.seed) for i in range(pictures)]

    def loss(rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(pictures, size=run.batch)
        texts = [caption(rng, scenes[i]) for i in chosen]
        return noise_loss(functools.partial(adapter.predict, texts=texts), adapter.model.device, latents[chosen], objects[chosen], rng)

    fit(run, name, adapter.parts, loss, lambda weights: write_lora(weights, name, target or LORAS))
    return (target or LORAS) / f"{name}.safetensors"


def write_lora(weights: dict[str, Tensor], name: str, folder: Path, rank: int = RANK) -> Path:
    """Weights ``key.down.weight`` -> a safetensors file in half precision under kohya's names, with each layer's alpha."""
    parts: dict[str, Tensor] = {}
    for key, value in weights.items():
        layer, side, _ = key.rsplit(".", 2)
        parts[f"{layer}.lora_{side}.weight"] = value.half().contiguous().cpu()
        if side == "down":
            parts[f"{layer}.alpha"] = torch.tensor(ALPHA)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    metadata = {"ss_network_module": "networks.lora", "ss_network_dim": str(rank), "ss_network_alpha": str(ALPHA), "ss_output_name": name}
    save_file(parts, path, metadata=metadata)
    path.chmod(0o644)
    return path
