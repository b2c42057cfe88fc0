"""A tiny diffusers UNet behind the interface that the diffusers adapter asks for, and a sampler that announces its calls."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from diffusers import UNet2DConditionModel

from lib_regional.engine.calls import ModelCall, Row, StepInfo
from lib_regional.request.prompt.schedules import prompt_schedule

WIDTH = 16


@dataclass(frozen=True)
class Cond:
    crossattn: torch.Tensor
    vector: torch.Tensor | None = None


class ToyLoras:
    """LoRAs that are there under every name and change nothing; ``on_texts`` notes what acts on the text encoder."""

    def __init__(self):
        self.version = 0
        self.announced = []

    @contextmanager
    def on_texts(self, loras):
        self.announced.append(tuple(loras))
        yield

    def unet_deltas(self, lora):
        return {}


@dataclass
class ToyModel:
    """Random weights; every text has its own random context, 77 rows for each 75 words begun."""

    unet: UNet2DConditionModel
    call_listeners: list = field(default_factory=list)
    denoiser_hooks: list = field(default_factory=list)
    encoded: list = field(default_factory=list)
    loras: ToyLoras = field(default_factory=lambda: ToyLoras())

    def context(self, text: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(sum(i * ord(c) for i, c in enumerate(text, 1)))
        return torch.randn(77 * (1 + len(text.split()) // 75), WIDTH, generator=generator)

    def encode_schedules(self, texts, steps, *, negative, size):
        self.encoded.append((tuple(texts), steps, negative, size))
        return [tuple((end, Cond(self.context(text))) for end, text in prompt_schedule(text, steps)) for text in texts]

    def predict(self, latent, rows, contexts, index=0, total=10, hires=False):
        """One announced call of the UNet: latent (B, 4, H, W), one row and one text per batch row."""
        call = ModelCall(tuple(rows), StepInfo(index, total, 1.0, hires), (latent.shape[-2], latent.shape[-1]))
        for listener in list(self.call_listeners):
            listener(call)
        stacked = torch.stack([self.context(text) for text in contexts])
        return self.unet(latent, 100, stacked).sample


def toy_model(seed: int = 0) -> ToyModel:
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=WIDTH, attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    return ToyModel(unet.eval())


def rows(images: int = 1, roles=("cond", "uncond")) -> list[Row]:
    return [Row(image, role) for role in roles for image in range(images)]
