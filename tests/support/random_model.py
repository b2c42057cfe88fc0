"""The small model's networks with random weights: quick to make, and different enough inputs give different pictures."""

from __future__ import annotations

import torch
from transformers import CLIPTokenizer

from lib_regional.standalone.controlnet.unet import ControlledUNet
from lib_regional.standalone.model import TOKENIZER
from lib_regional.standalone.model.clip_text import Chunker, ClipTower
from lib_regional.standalone.model.stable_diffusion import StandaloneModel
from lib_regional.standalone.sampling.noise_levels import NoiseLevels
from lib_regional.standalone.train.networks import build_autoencoder, build_text_encoder, build_unet

CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def random_model(seed: int = 0) -> StandaloneModel:
    """A model on the CPU whose weights depend on ``seed`` only."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trained, *others = build_unet(), build_autoencoder(), build_text_encoder()
        unet = ControlledUNet.from_config(trained.config)
    unet.load_state_dict(trained.state_dict())
    networks = (unet, *others)
    for network in networks:
        network.eval().requires_grad_(False)
    unet, vae, text = networks
    tokenizer = CLIPTokenizer.from_pretrained(str(TOKENIZER), local_files_only=True)
    return StandaloneModel(unet, vae, (ClipTower(text, Chunker(tokenizer)),), NoiseLevels.from_config(CONFIG), name="random")
