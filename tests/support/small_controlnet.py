"""A ControlNet of the small model's topology, saved as the published files are: ``python -m tests.support.small_controlnet FILE``.

Its encoder is the small model's own, as where a ControlNet's training begins; the picture's convolutions and the output convolutions, which
begin as zeros there, have random weights: what it does means nothing, but shows where it acts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib_regional.standalone.model import CHECKPOINT

PREFIX = "model.diffusion_model."
HINT = ((3, 16), (16, 16), (16, 32), (32, 32), (32, 96), (96, 96), (96, 256), (256, None))
"""Channels of the convolutions that bring the picture to the latent's size; the last one's outputs are the network's."""


def controlnet(strength: float, seed: int = 0) -> dict[str, Tensor]:
    """State dict; ``strength``: standard deviation of an output convolution's sum, for inputs of 1."""
    generator = torch.Generator().manual_seed(seed)

    def conv(outputs: int, inputs: int, kernel: int, scale: float) -> Tensor:
        return torch.randn(outputs, inputs, kernel, kernel, generator=generator) * scale / (inputs * kernel * kernel) ** 0.5

    parts = ("input_blocks.", "middle_block.", "time_embed.")
    unet = {name.removeprefix(PREFIX): tensor.float() for name, tensor in load_file(CHECKPOINT).items()}
    found = {name: tensor for name, tensor in unet.items() if name.startswith(parts)}
    width = found["input_blocks.0.0.weight"].shape[0]
    for at, (inputs, outputs) in enumerate(HINT):
        found[f"input_hint_block.{2 * at}.weight"] = conv(outputs or width, inputs, 3, 1.5)
        found[f"input_hint_block.{2 * at}.bias"] = torch.zeros(outputs or width)
    blocks = 1 + max(int(name.split(".")[1]) for name in found if name.startswith("input_blocks."))
    outputs = [(f"zero_convs.{at}.0", _width_of(found, at)) for at in range(blocks)]
    for name, channels in (*outputs, ("middle_block_out.0", outputs[-1][1])):
        found[f"{name}.weight"], found[f"{name}.bias"] = conv(channels, channels, 1, strength), torch.zeros(channels)
    return {name: tensor.half().contiguous() for name, tensor in found.items()}


def _width_of(encoder: dict[str, Tensor], block: int) -> int:
    """Channels of what an input block gives."""
    names = (f"input_blocks.{block}.0.{layer}.weight" for layer in ("out_layers.3", "op"))
    found = next((encoder[name] for name in names if name in encoder), encoder["input_blocks.0.0.weight"])
    return int(found.shape[0])


def main(path: str, strength: float = 0.8) -> None:
    """Write the file."""
    save_file(controlnet(strength), Path(path))


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
