"""Writes the model's files: one checkpoint in original key layout with its yaml, and a configuration folder for diffusers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...model import CHECKPOINT, CONFIG, FOLDER, PLACEHOLDER, ROWS
from ...model import TABLE as WHOLE_TABLE
from ..data.latents import scaled_autoencoder
from ..data.scene import EXTRA_SHAPES
from ..data.vocabulary import compact_rows, widen
from ..ldm_keys import autoencoder_weights, text_weights, unet_weights
from ..networks import AUTOENCODER, CONTEXT_WIDTH, LATENT_SCALE, TEXT_ENCODER, TOKENS, UNET
from ..sampling import alphas_cumprod
from .diffusion import load_models

TABLE = "text_model.embeddings.token_embedding.weight"

SCHEDULER: dict[str, Any] = {
    "_class_name": "EulerAncestralDiscreteScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "linspace",
    "steps_offset": 0,
}

INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.31.0",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", SCHEDULER["_class_name"]],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

YAML = """\
# Regional's small model, in the terms of Stable Diffusion 1's v1-inference.yaml.
# A WebUI needs the tokenizer's folder as an absolute path: lib_regional.standalone.model.install writes it.
model:
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    num_timesteps_cond: 1
    log_every_t: 200
    timesteps: 1000
    first_stage_key: "jpg"
    cond_stage_key: "txt"
    image_size: {latent}
    channels: 4
    cond_stage_trainable: false
    conditioning_key: crossattn
    monitor: val/loss_simple_ema
    scale_factor: {scale}
    use_ema: False

    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        image_size: 32
        in_channels: 4
        out_channels: 4
        model_channels: {width}
        attention_resolutions: {attention}
        num_res_blocks: {blocks}
        channel_mult: {multiples}
        num_heads: {heads}
        use_spatial_transformer: True
        transformer_depth: 1
        context_dim: {context}
        use_checkpoint: False
        legacy: False

    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        monitor: val/rec_loss
        ddconfig:
          double_z: true
          z_channels: 4
          resolution: 128
          in_channels: 3
          out_ch: 3
          ch: {ae_width}
          ch_mult: {ae_multiples}
          num_res_blocks: {ae_blocks}
          attn_resolutions: []
          dropout: 0.0
        lossconfig:
          target: torch.nn.Identity

    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params:
        version: "{tokenizer}"
        max_length: {tokens}
"""


def yaml_text() -> str:
    """The configuration in ldm's terms, with a placeholder for the tokenizer's folder."""
    channels, ae_channels = UNET["block_out_channels"], AUTOENCODER["block_out_channels"]
    attention = [2**i for i, kind in enumerate(UNET["down_block_types"]) if kind.startswith("CrossAttn")]
    return YAML.format(
        latent=UNET["sample_size"],
        scale=LATENT_SCALE,
        width=channels[0],
        attention=attention,
        blocks=UNET["layers_per_block"],
        multiples=[channel // channels[0] for channel in channels],
        heads=UNET["attention_head_dim"],
        context=CONTEXT_WIDTH,
        ae_width=ae_channels[0],
        ae_multiples=[channel // ae_channels[0] for channel in ae_channels],
        ae_blocks=AUTOENCODER["layers_per_block"],
        tokenizer=PLACEHOLDER,
        tokens=TOKENS,
    )


def schedule_weights() -> dict[str, Tensor]:
    """The buffers of the noise schedule, which some hosts read from the file."""
    alphas = alphas_cumprod()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return {"betas": betas.float(), "alphas_cumprod": alphas}


def checkpoint_weights(unet: nn.Module, autoencoder: nn.Module, text: nn.Module) -> dict[str, Tensor]:
    """All weights in original layout, in half precision but for the schedule."""
    attention = tuple(kind.startswith("CrossAttn") for kind in UNET["down_block_types"])
    words = dict(text.state_dict())
    words[TABLE] = widen(words[TABLE].float(), EXTRA_SHAPES)
    weights = unet_weights(unet.state_dict(), UNET["layers_per_block"], attention)
    weights |= autoencoder_weights(autoencoder.state_dict(), len(AUTOENCODER["block_out_channels"]))
    weights |= text_weights(words)
    halves = {name: value.half().contiguous().cpu() for name, value in weights.items()}
    return {**halves, **schedule_weights()}


def shortened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights with one row of the token table for each word in use; `model.whole` is the inverse."""
    rows = torch.from_numpy(compact_rows())
    table = weights[WHOLE_TABLE].new_zeros(int(rows.max()) + 1, weights[WHOLE_TABLE].shape[1])
    table[rows] = weights[WHOLE_TABLE]
    return {**weights, WHOLE_TABLE: table, ROWS: rows.to(torch.int16)}


def write_configs(folder: Path = FOLDER) -> None:
    """Writes the yaml and the small files of the diffusers folder; the tokenizer's own files stay as they are."""
    (folder / CONFIG.name).write_text(yaml_text(), encoding="utf-8")
    text = {**TEXT_ENCODER, "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "torch_dtype": "float32"}
    files = {
        "model_index.json": INDEX,
        "unet/config.json": {"_class_name": "UNet2DConditionModel", **UNET},
        "vae/config.json": {"_class_name": "AutoencoderKL", **AUTOENCODER},
        "text_encoder/config.json": text,
        "tokenizer/config.json": text,  # ldm's FrozenCLIPEmbedder reads the text model's shape from the tokenizer's folder
        "scheduler/scheduler_config.json": SCHEDULER,
    }
    for name, content in files.items():
        path = folder / "diffusers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def export_model(out: Path, folder: Path | None = None) -> Path:
    """Writes checkpoint and configurations of the training folder `out`; returns the checkpoint."""
    folder = folder or FOLDER
    models = load_models(out)
    weights = checkpoint_weights(models.unet, scaled_autoencoder(out), models.text)
    path = _written(shortened(weights), folder)
    write_configs(folder)
    return path


def _written(weights: dict[str, Tensor], folder: Path) -> Path:
    """Writes the checkpoint's file into ``folder``."""
    path = folder / CHECKPOINT.name
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata={"format": "pt", "model": "regional-small"})
    path.chmod(0o644)  # safetensors keeps it to its owner, which a shared installation cannot use
    return path


def shipped_autoencoder() -> AutoencoderKL:
    """The autoencoder of the shipped file in single precision, its scale folded in."""
    from ...model.loading import load_model

    return load_model().vae.float()


def replace_decoder(autoencoder: nn.Module, folder: Path | None = None) -> Path:
    """Writes the shipped checkpoint with the decoder of ``autoencoder`` into ``folder`` (default: in its place); returns the file."""
    weights = load_file(CHECKPOINT)
    found = autoencoder_weights(autoencoder.state_dict(), len(AUTOENCODER["block_out_channels"]))
    fresh = {name: value for name, value in found.items() if ".decoder." in name or ".post_quant_conv." in name}
    weights |= {name: value.half().contiguous().cpu() for name, value in fresh.items()}
    return _written(weights, folder or FOLDER)
