"""The three networks, built from the classes of diffusers and transformers in the topology of Stable Diffusion 1."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

LATENT_SCALE = 0.18215
"""What every SD1 host multiplies encoded latents with."""

CONTEXT_WIDTH = 64
TOKENS = 77
VOCABULARY = 49408

AUTOENCODER: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": (64, 64, 64, 64),  # with 32 channels the 32 groups would be instance norm, which loses brightness
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "sample_size": 128,
    "scaling_factor": LATENT_SCALE,
}

UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (64, 128, 128),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": CONTEXT_WIDTH,
    "attention_head_dim": 2,  # diffusers reads the number of heads here, as the SD1 configuration has it
    "norm_num_groups": 32,
}

TEXT_ENCODER: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": CONTEXT_WIDTH,
    "intermediate_size": 256,
    "projection_dim": CONTEXT_WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": TOKENS,
    "hidden_act": "quick_gelu",
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}

FINAL_BIAS = 0.25
"""Mean of the last layer norm's bias: the WebUI's emphasis divides by the mean of the context, which must not be near 0."""


def build_autoencoder() -> AutoencoderKL:
    """Images (B,3,H,W) in -1..1 to latents (B,4,H/8,W/8) and back."""
    model = AutoencoderKL(**AUTOENCODER)
    with torch.no_grad():  # little noise at first, or the decoder learns to ignore the latents
        model.quant_conv.bias[4:] = -3.0
    return model


def build_unet() -> UNet2DConditionModel:
    """Latents (B,4,h,w), steps (B,), context (B,77,64) -> predicted noise (B,4,h,w)."""
    return UNet2DConditionModel(**UNET)


def build_text_encoder(rows: int = VOCABULARY) -> CLIPTextModel:
    """Token ids (B,77) below `rows` -> context (B,77,64)."""
    # Plain attention: the fused one is several times slower on CPUs for these short sequences.
    special = {
        "attn_implementation": "eager",
        "bos_token_id": min(49406, rows - 2),
        "eos_token_id": min(49407, rows - 1),
        "pad_token_id": min(49407, rows - 1),
    }
    model = CLIPTextModel(CLIPTextConfig(**{**TEXT_ENCODER, "vocab_size": rows, **special}))
    with torch.no_grad():
        model.text_model.final_layer_norm.bias.fill_(FINAL_BIAS)
        model.text_model.embeddings.token_embedding.weight.normal_(0, 0.3)
    return model


def parameters(module: torch.nn.Module) -> int:
    """Number of weights."""
    return sum(weight.numel() for weight in module.parameters())
