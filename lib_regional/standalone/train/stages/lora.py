"""Trains a LoRA for the small model on drawn pictures, and writes it under kohya's key names.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": y = W x + (alpha / rank) · up(down(x)), W frozen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
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
from ..progress import Average, Checkpoint, Log, Run, autocast, set_rate, spread, steps_of
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
        self.rank = rank
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
        """Add to ``layer``'s output from now on."""
        layer.register_forward_hook(lambda _, args, y: y + self(args[0]))


def _pair(value: Any) -> tuple[int, int]:
    return int(value[0]), int(value[1])


def targets(model: StandaloneModel, conv_rank: int) -> Iterator[tuple[str, nn.Module, int]]:
    """(key in the file, layer, rank) of every layer that is trained."""
    attention = tuple(kind.startswith("CrossAttn") for kind in UNET["down_block_types"])
    for name, layer in model.unet.named_modules():
        linear = isinstance(layer, nn.Linear | nn.Conv2d) and any(part in name for part in _UNET_LINEAR)
        if linear or (conv_rank and name.endswith(_UNET_CONV)):
            key = unet_key(name + ".", UNET["layers_per_block"], attention).rstrip(".")
            yield "lora_unet_" + key.replace(".", "_"), layer, RANK if linear else conv_rank
    for name, layer in model.text_encoder.named_modules():
        if name.endswith(_TEXT_LINEAR):
            yield "lora_te_" + name.replace(".", "_"), layer, RANK


class Adapter:
    """The base model with the trained parts hung on it."""

    def __init__(self, device: str, conv_rank: int) -> None:
        self.model = load_model(device=device)
        if self.model.device.type == "cpu":
            self.model.unet.set_attn_processor(AttnProcessor())
            quicken(self.model.unet)
        self.parts = nn.ModuleDict()
        for key, layer, rank in targets(self.model, conv_rank):
            part = LowRank(layer, rank).to(self.model.device)
            part.attach(layer)
            self.parts[key] = part

    def predict(self, noisy: Tensor, times: Tensor, texts: list[str]) -> Tensor:
        """Noise (B,4,h,w) that the adapted model finds in latents of unit variance."""
        with autocast(self.model.device.type):
            ids = torch.from_numpy(encode(texts)).to(self.model.device)
            context = self.model.text_encoder(ids).last_hidden_state
            predicted: Tensor = self.model.unet(noisy, times, context).sample
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
    adapter = Adapter(run.device, subject.conv_rank)
    latents, objects = subject_latents(run.out, name, subject, pictures, run.seed, adapter.model)
    scenes = [subject.scene(i, run.seed) for i in range(pictures)]
    optimiser = torch.optim.AdamW(adapter.parts.parameters(), run.rate, betas=(0.9, 0.99), weight_decay=0.01)
    average, checkpoint, start = Average(adapter.parts, 0.99), Checkpoint(run.out / f"{name}.pt"), 0
    if state := checkpoint.load(run.device):
        adapter.parts.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.load(state["average"])
        start = state["step"]
    log, losses = Log(run.out / f"{name}.csv", ("step", "loss")), []
    rng = np.random.default_rng([run.seed, start])
    torch.manual_seed(run.seed + start)
    for step in steps_of(run, start, name):
        set_rate(optimiser, run.rate_at(step))
        chosen = rng.integers(pictures, size=run.batch)
        predict = functools.partial(adapter.predict, texts=[caption(rng, scenes[i]) for i in chosen])
        loss = noise_loss(predict, adapter.model.device, latents[chosen], objects[chosen], rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapter.parts.parameters(), 1.0)
        optimiser.step()
        average.update(adapter.parts)
        losses.append(loss.detach())
        if (step + 1) % run.log_every == 0:
            log.write(step=step + 1, loss=spread(losses))
            losses = []
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            checkpoint.save(step + 1, model=adapter.parts.state_dict(), optimiser=optimiser.state_dict(), average=average.state())
            write_lora(average.weights, name, target or LORAS)
    return (target or LORAS) / f"{name}.safetensors"


def write_lora(weights: dict[str, Tensor], name: str, folder: Path) -> Path:
    """Weights ``key.down.weight`` -> a safetensors file in half precision under kohya's names, with each layer's alpha."""
    parts: dict[str, Tensor] = {}
    for key, value in weights.items():
        layer, side, _ = key.rsplit(".", 2)
        parts[f"{layer}.lora_{side}.weight"] = value.half().contiguous().cpu()
        if side == "down":
            parts[f"{layer}.alpha"] = torch.tensor(ALPHA)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    metadata = {"ss_network_module": "networks.lora", "ss_network_dim": str(RANK), "ss_network_alpha": str(ALPHA), "ss_output_name": name}
    save_file(parts, path, metadata=metadata)
    path.chmod(0o644)
    return path
