"""Lets sd-webui-controlnet on AUTOMATIC1111 take nets of the small model's widths (`python -m tests.support.small_controlnet …`): a
folder to link into `extensions/` for a test run.

That extension builds every ControlNet for SD 1 with SD 1.5's widths and blocks, and reads the context's width from a layer that the small
model has not. This builds its own class with the small model's configuration for files of its width. No file of the extension is changed;
without this folder, and for all other files, it does what it always did.
"""

import sys
from pathlib import Path

import torch
import yaml
from modules import script_callbacks, script_loading

ROOT = Path(__file__).resolve().parents[4]
CONFIG = ROOT / "lib_regional/standalone/model/regional-small.yaml"
TAKEN = ("in_channels", "model_channels", "num_res_blocks", "attention_resolutions", "channel_mult", "num_heads", "context_dim")
OUTPUTS = 13
"""What SD 1.5's blocks take."""
GUESS = "build_model_by_guess"


def _small_net(plain):
    """The extension's class, with zeros before the small net's outputs: it takes as many as SD 1.5's, the last of them first."""

    class SmallNet(plain):
        def forward(self, *args, **kwargs):
            outputs = super().forward(*args, **kwargs)
            return [torch.zeros_like(outputs[0])] * (OUTPUTS - len(outputs)) + list(outputs)

    return SmallNet


def take_small_nets(*_):
    """Replace the function that builds a network from a file, wherever a module of the extension has imported it."""
    unet = yaml.safe_load(CONFIG.read_text("utf-8"))["model"]["params"]["unet_config"]["params"]
    small = {**{name: unet[name] for name in TAKEN}, "transformer_depth": [1, 1, 0]}
    guess = sys.modules["scripts.controlnet_model_guess"]
    original, small_net = getattr(guess, GUESS), _small_net(guess.PlugableControlModel)

    def build(state_dict, unet, model_path):
        first = state_dict.get("input_blocks.0.0.weight")
        if first is None or "input_hint_block.0.weight" not in state_dict or first.shape[0] != small["model_channels"]:
            return original(state_dict, unet, model_path)
        hint = state_dict["input_hint_block.0.weight"].shape[1]
        network = small_net({**small, "hint_channels": hint, "use_fp16": False}, state_dict)
        network.to(guess.devices.dtype_unet)
        return guess.ControlModel(network, guess.ControlModelType.ControlNet)

    for module in [*sys.modules.values(), *script_loading.loaded_scripts.values()]:
        if getattr(module, "__dict__", {}).get(GUESS) is original:
            setattr(module, GUESS, build)


script_callbacks.on_before_ui(take_small_nets)
