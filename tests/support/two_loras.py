"""LoRAs on two layers of the toy model, each by its name."""

from __future__ import annotations

import torch
from lora_files import lora
from toy import ToyLoras

from lib_regional.tensors.lora.kinds import Target, layer_delta
from lib_regional.tensors.lora.layers import kind_of

ATTENTION, NORM = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "down_blocks.0.resnets.0.conv1"


class Loras(ToyLoras):
    """Two LoRAs on two layers, and how often each is read."""

    def __init__(self, unet):
        super().__init__()
        self.unet, self.read = unet, []

    def unet_deltas(self, tag):
        self.read.append(tag.name)
        torch.manual_seed(len(tag.name) + ord(tag.name[0]))
        return {name: self._delta(self.unet.get_submodule(name)) for name in (ATTENTION, NORM)}

    @staticmethod
    def _delta(layer):
        shape = tuple(layer.weight.shape)
        return layer_delta(lora(shape), Target(kind_of(layer), shape, lambda: layer.weight))
