"""A ControlNet of genuine ``ldm`` blocks, small, with random weights, and a UNet to which its residuals are added as the extension does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import torch
from ldm.modules.diffusionmodules.openaimodel import TimestepEmbedSequential
from ldm.modules.diffusionmodules.util import timestep_embedding
from torch import Tensor, nn
from webui import small_unet

HINT = ((3, 8, 1), (8, 8, 2), (8, 16, 2), (16, 16, 2), (16, 32, 1))
"""Channels and stride of the convolutions that bring a picture to the latent's size."""


class ControlNet(nn.Module):
    """The encoder of `small_unet` behind a picture; one row of the picture serves all rows. ``seen`` are its last residuals."""

    def __init__(self, seed: int = 5) -> None:
        super().__init__()
        own = small_unet(seed=seed)
        self.width, self.time_embed, self.input_blocks, self.middle_block = 32, own.time_embed, own.input_blocks, own.middle_block
        layers = [layer for inputs, outputs, stride in HINT for layer in (nn.Conv2d(inputs, outputs, 3, stride, 1), nn.SiLU())]
        self.input_hint_block = TimestepEmbedSequential(*layers[:-1])
        self.zero_convs = nn.ModuleList([_point(width) for width in (32, 32, 32, 64)])
        self.middle_block_out = _point(64)
        self.seen: list[Tensor] = []
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, hint: Tensor, timesteps: Tensor, context: Tensor) -> list[Tensor]:
        """x (B, 4, h, w), hint (1, 3, 8h, 8w) -> residuals for the UNet's skips, the middle block's last."""
        emb = self.time_embed(timestep_embedding(timesteps, self.width).to(x))
        guided, found = self.input_hint_block(hint, emb, context), []
        for at, (block, point) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            x = block(x, emb, context)
            if not at:
                x += guided
            found.append(point(x, emb, context))
        x = self.middle_block(x, emb, context)
        self.seen = [*found, self.middle_block_out(x, emb, context)]
        return list(self.seen)


def _point(width: int) -> TimestepEmbedSequential:
    return TimestepEmbedSequential(nn.Conv2d(width, width, 1))


class Unit(SimpleNamespace):
    """``ControlParams``: a plugable model around a network, its picture, and for InstantID the context that it has instead of the text."""

    def __init__(self, network: nn.Module, hint: Tensor, override: Tensor | None = None) -> None:
        super().__init__(control_model=SimpleNamespace(control_model=network), control_context_override=override, hint=hint)

    def residuals(self, x: Tensor, timesteps: Tensor, context: Tensor) -> list[Tensor]:
        """What the extension adds to the UNet's skips."""
        contexts = context if self.control_context_override is None else self.control_context_override.expand(len(x), -1, -1).to(x)
        found: list[Tensor] = self.control_model.control_model(x, self.hint.to(x), timesteps, contexts)
        return found


def controlled(unet: nn.Module, units: list[Unit]) -> Callable[..., Tensor]:
    """What the extension puts in place of the UNet's ``forward``."""

    def forward(x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
        control = [sum(parts) for parts in zip(*(unit.residuals(x, timesteps, context) for unit in units), strict=True)]
        emb, skips = unet.time_embed(timestep_embedding(timesteps, unet.model_channels).to(x)), []
        for block in unet.input_blocks:
            x = block(x, emb, context)
            skips.append(x)
        x = unet.middle_block(x, emb, context) + control.pop()
        for block in unet.output_blocks:
            x = block(torch.cat([x, skips.pop() + control.pop()], 1), emb, context)
        return unet.out(x)

    return forward
