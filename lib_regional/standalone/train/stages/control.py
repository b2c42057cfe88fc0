"""Trains a ControlNet of outlines for the small model, and writes it in the layout of published ControlNets.

Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models": a copy of the UNet's encoder whose outputs are added to
the frozen UNet through convolutions that begin at zero (eq. 2 to 4); the loss is the base model's own, with the control picture given
(eq. 5), and a share of the captions is empty, so that the net learns to read the picture (section 3.3).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import save_file
from torch import Tensor

from ...controlnet.files import SHIPPED, SHIPPED_NAME
from ...model.loading import load_model
from ...model.stable_diffusion import StandaloneModel
from ..data.captions import caption
from ..data.drawing import draw
from ..data.lora_pictures import Subject
from ..data.outlines import random_lines
from ..data.scene import Scene, random_scene
from ..data.vocabulary import encode
from ..groupnorm import quicken
from ..ldm_keys import controlnet_weights
from ..networks import UNET
from ..progress import Run, autocast, fit
from .lora import noise_loss, subject_latents

UNNAMED = 0.4
"""Share of the captions that are left out, beside those that are empty anyway."""


def _scene(rng: np.random.Generator) -> Scene:
    return random_scene(rng, (128, 128))


SUBJECT = Subject(draw, _scene)
"""Scenes of all kinds: with none to three things."""


class Training:
    """The frozen model and a ControlNet that begins as a copy of its encoder."""

    def __init__(self, device: str, model: StandaloneModel | None = None) -> None:
        """``model``: the shipped one by default."""
        self.model = model or load_model(device=device)
        self.network = ControlNetModel.from_unet(self.model.unet).to(self.model.device, torch.float32).train().requires_grad_(True)
        if self.model.device.type == "cpu":
            for network in (self.model.unet, self.network):
                network.set_attn_processor(AttnProcessor())
                quicken(network)

    def noise(self, noisy: Tensor, times: Tensor, texts: list[str], hints: Tensor) -> Tensor:
        """Noise (B,4,h,w) that the model finds beside the control pictures (B,3,8h,8w) in 0..1."""
        device = self.model.device
        with torch.no_grad(), autocast(device.type):
            context = self.model.text_encoder(torch.from_numpy(encode(texts)).to(device)).last_hidden_state
        with autocast(device.type):
            down, middle = self.network(noisy, times, context, hints.to(device), return_dict=False)
            predicted: Tensor = self.model.unet(
                noisy, times, context, down_block_additional_residuals=down, mid_block_additional_residual=middle
            ).sample
        return predicted.float()


def hints_of(scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    """Control pictures (B,3,H,W) in 0..1."""
    lines = np.stack([random_lines(scene, rng) for scene in scenes])
    return torch.from_numpy(lines).permute(0, 3, 1, 2).float() / 255


def train_control(run: Run, pictures: int, target: Path | None = None, model: StandaloneModel | None = None) -> Path:
    """Trains (or resumes) the net and writes it; returns the file."""
    torch.manual_seed(run.seed)
    training = Training(run.device, model)
    latents, objects = subject_latents(run.out, "control", SUBJECT, pictures, run.seed, training.model)
    scenes = [SUBJECT.scene(at, run.seed) for at in range(pictures)]

    def loss(rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(pictures, size=run.batch)
        some = [scenes[at] for at in chosen]
        texts = ["" if rng.random() < UNNAMED else caption(rng, scene) for scene in some]
        predict = functools.partial(training.noise, texts=texts, hints=hints_of(some, rng))
        return noise_loss(predict, training.model.device, latents[chosen], objects[chosen], rng)

    path = (target or SHIPPED) / f"{SHIPPED_NAME}.safetensors"
    fit(run, "control", training.network, loss, lambda weights: write_control(weights, path))
    return path


def write_control(weights: dict[str, Tensor], path: Path) -> None:
    """diffusers' weights -> a safetensors file in half precision under the original names, which WebUIs read too."""
    attention = tuple(kind.startswith("CrossAttn") for kind in UNET["down_block_types"])
    named: dict[str, Any] = controlnet_weights(weights, UNET["layers_per_block"], attention)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous().cpu() for name, value in named.items()}, path)
    path.chmod(0o644)
