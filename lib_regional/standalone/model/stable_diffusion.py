"""The model of this host: UNet, autoencoder, text encoders and LoRAs, with encoding, noise prediction and decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...engine.calls import ModelCall
from ...engine.capabilities import GuidanceModel
from ...engine.hooks import DenoiserHook
from ...request.prompt.schedules import prompt_schedule
from ..controlnet.files import ControlFiles
from ..pipeline import extra_networks
from ..sampling.conditioning import Cond, CondValue, crossattn_of
from ..sampling.noise_levels import NoiseLevels
from . import CHECKPOINT
from .clip_text import ClipTower
from .lora_files import LoraShelf
from .lora_weights import Loras
from .segmenter import segment
from .tiles import in_tiles

CELL = 8
"""Pixels along the side of a latent cell."""

Schedule = tuple[tuple[int, Cond], ...]
"""``((end_step, cond), …)``: a conditioning holds for steps below its ``end_step``; the last one to the end."""


@dataclass
class StandaloneModel:
    """A loaded checkpoint. ``towers`` are its text encoders with their tokenizers, in the order of their channels."""

    unet: Any
    vae: Any
    towers: tuple[ClipTower, ...]
    levels: NoiseLevels
    kind: str = "sd1"
    name: str = "model"
    path: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    call_listeners: list[Callable[[ModelCall], None]] = field(default_factory=list)
    """Called before every UNet call with the roles of its rows."""
    denoiser_hooks: list[DenoiserHook] = field(default_factory=list)
    """Wrap every guided prediction; the last one is the outermost."""
    lora_shelf: LoraShelf = field(default_factory=LoraShelf)
    control_files: ControlFiles = field(default_factory=ControlFiles)
    controlnets: tuple[nn.Module, ...] = ()
    """The networks that act in the running generation, once each."""
    clip_skip: int = 1
    """Layer of the text encoders, from the end, whose states are the context; set for each generation."""

    @cached_property
    def loras(self) -> Loras:
        """The LoRAs that prompts may name."""
        return Loras(self.unet, self.text_encoders, self.lora_shelf)

    @property
    def guidance_models(self) -> dict[str, GuidanceModel]:
        """Models that locate words in pictures, by name; only the small model has one."""
        return {"segmenter": segment} if self.path == CHECKPOINT else {}

    @property
    def text_encoders(self) -> tuple[nn.Module, ...]:
        """The text encoders."""
        return tuple(tower.encoder for tower in self.towers)

    @property
    def tokenizers(self) -> tuple[Any, ...]:
        """Their tokenizers."""
        return tuple(tower.chunker.tokenizer for tower in self.towers)

    @property
    def text_encoder(self) -> nn.Module:
        """The first text encoder."""
        return self.text_encoders[0]

    @property
    def tokenizer(self) -> Any:
        """The first tokenizer."""
        return self.tokenizers[0]

    @property
    def is_sd1(self) -> bool:
        """Whether this is a Stable Diffusion 1 model."""
        return self.kind == "sd1"

    @property
    def is_sdxl(self) -> bool:
        """Whether this is a Stable Diffusion XL model."""
        return self.kind == "sdxl"

    @property
    def is_sd2(self) -> bool:
        """Never: such checkpoints are refused."""
        return False

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ of every training step (N,)."""
        return self.levels.alphas_cumprod

    @cached_property
    def sha256(self) -> str:
        """Hash of the checkpoint file; of the name where there is no file."""
        if self.path is None:
            return hashlib.sha256(self.name.encode()).hexdigest()
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    @property
    def hash(self) -> str:
        """The WebUI's short hash."""
        return self.sha256[:10]

    @property
    def title(self) -> str:
        """The name under which the model is listed."""
        return f"{self.path.name if self.path else self.name} [{self.hash}]"

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.unet.config.in_channels)

    def encode(self, texts: Sequence[str], *, negative: bool = False, size: tuple[int, int] = (512, 512)) -> list[Cond]:
        """Encode texts in emphasis syntax, each on its own; ``size`` is (width, height) in pixels.

        An empty negative is all zeros with SDXL, as in the WebUI.
        """
        with torch.no_grad():
            return [self._encode(extra_networks.strip(text), negative, size) for text in texts]

    def _encode(self, text: str, negative: bool, size: tuple[int, int]) -> Cond:
        encoded = [tower.encode(text, self.clip_skip) for tower in self.towers]
        longest = max(len(context) for context, _ in encoded)
        crossattn = torch.cat([_lengthened(context, longest) for context, _ in encoded], dim=-1)
        if not self.is_sdxl:
            return Cond(crossattn)
        pooled = next(vector for _, vector in encoded if vector is not None)
        if negative and text == "":
            crossattn, pooled = torch.zeros_like(crossattn), torch.zeros_like(pooled)
        width, height = size
        sizes = pooled.new_tensor([height, width, 0, 0, height, width])
        return Cond(crossattn, torch.cat([pooled, sizes]))

    def encode_schedules(
        self, texts: Sequence[str], steps: int, *, negative: bool = False, size: tuple[int, int] = (512, 512)
    ) -> list[Schedule]:
        """Encode texts with prompt schedules such as ``[a:b:0.5]`` over ``steps`` steps."""
        plans = [prompt_schedule(extra_networks.strip(text), steps) for text in texts]
        known: dict[str, Cond] = {}
        for text in (text for plan in plans for _, text in plan):
            if text not in known:
                known[text] = self.encode([text], negative=negative, size=size)[0]
        return [tuple((end + 1, known[text]) for end, text in plan) for plan in plans]

    def predict_noise(self, x: Tensor, timesteps: Tensor, cond: CondValue, control: Any = None) -> Tensor:
        """One UNet call. x (B,4,H,W), timesteps (B,), cond of B rows -> predicted noise (B,4,H,W) in float32.

        ``control``: what ControlNets add (`controlnet.control.Control`), None for nothing.
        """
        added = None
        if isinstance(cond, dict):
            vector = cond["vector"].to(self.device)
            added = {"text_embeds": vector[:, :-6].to(self.dtype), "time_ids": vector[:, -6:]}
        context = crossattn_of(cond).to(self.device, self.dtype)
        steps = timesteps.to(self.device)
        more = {"added_cond_kwargs": added, **({} if control is None else {"control": control})}
        out: Tensor = self.unet(x.to(self.dtype), steps, encoder_hidden_states=context, return_dict=False, **more)[0]
        return out.to(torch.float32)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B,4,H,W) -> pictures (B,3,8H,8W) around -1..1, one at a time so that a batch does not change a picture.

        Very large ones are decoded in tiles (`tiles`).
        """
        with torch.no_grad(), in_tiles(self.vae, CELL * latents.shape[-1], CELL * latents.shape[-2]):
            scaled = latents.to(self.device, self.vae.dtype) / self.vae.config.scaling_factor
            return torch.cat([self.vae.decode(one[None], return_dict=False)[0] for one in scaled]).to(torch.float32)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """As `decode`, all at once and with a gradient where autograd is on."""
        scaled = latents.to(self.device, self.vae.dtype) / self.vae.config.scaling_factor
        pictures: Tensor = self.vae.decode(scaled, return_dict=False)[0].to(torch.float32)
        return pictures

    def token_pieces(self, text: str) -> list[tuple[int, str, int]]:
        """(position in the context, letters, number of the word) of each token of a text; of a schedule, those of its last text."""
        return self.towers[0].chunker.pieces(prompt_schedule(extra_networks.strip(text), 1)[-1][1])

    def encode_images(self, images: Tensor) -> Tensor:
        """Pictures (B,3,8H,8W) in -1..1 -> latents (B,4,H,W): the mean of the posterior."""
        with torch.no_grad():
            source = images.to(self.device, self.vae.dtype)
            means = [self.vae.encode(one[None]).latent_dist.mode() for one in source]
            latents: Tensor = torch.cat(means).to(torch.float32) * self.vae.config.scaling_factor
            return latents


def _lengthened(context: Tensor, length: int) -> Tensor:
    return torch.cat([context, context[-1:].expand(length - len(context), -1)])
