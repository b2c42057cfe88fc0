"""A UNet with drawn weights and LoRAs that change their layers, for tests that compare pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from shapes import Cond, ShapeLoras, ShapeModel
from torch import Tensor, nn

from lib_regional.tensors.lora.deltas import LayerDelta


class Drawn(ShapeModel):
    """A small UNet that computes, with a context of its own for every text."""

    def encode_schedules(self, texts: list[str], steps: int, *, negative: bool, size: tuple[int, int]) -> list[Any]:
        """See `hosts.diffusers.adapter`."""
        return [((steps, Cond(drawn(77, self.width, seed=sum(map(ord, text))).to(self.dtype))),) for text in texts]


class DrawnLoras(ShapeLoras):
    """LoRAs that change their layers, the same ones in every generation."""

    def _delta(self, layer: nn.Module) -> LayerDelta:
        made = super()._delta(layer)
        assert made.down is not None and made.up is not None
        return replace(made, down=drawn(*made.down.shape, seed=1).to(made.down) * 0.05, up=drawn(*made.up.shape, seed=2).to(made.up) * 0.05)


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
