"""Tiny IP-Adapters and image encoders with random weights, saved as the published files are."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from lib_regional.engine.references import CrossLayer

EMBEDDING, HIDDEN, SIDE = 24, 16, 32
"""Numbers of the encoder's projected embedding and of its hidden states, and the side of its pictures."""


def picture_url(seed: int = 0, size: tuple[int, int] = (48, 40)) -> str:
    """Noise as a data URL."""
    buffer = io.BytesIO()
    levels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(levels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def vision(place: Path, embedding: int = EMBEDDING, hidden: int = HIDDEN) -> Path:
    """CLIP's vision model with its projection."""
    import transformers as hf

    torch.manual_seed(11)
    config = hf.CLIPVisionConfig(
        hidden_size=hidden, intermediate_size=32, projection_dim=embedding, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE,
        patch_size=8,
    )  # fmt: skip
    hf.CLIPVisionModelWithProjection(config).save_pretrained(place)
    return place


def random(*shape: int, seed: int, scale: float = 0.2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def linear(context: int, embedding: int = EMBEDDING, tokens: int = 4) -> dict[str, Tensor]:
    """``image_proj`` of an IP-Adapter."""
    return {
        "proj.weight": random(tokens * context, embedding, seed=1),
        "proj.bias": random(tokens * context, seed=2),
        "norm.weight": 1 + random(context, seed=3),
        "norm.bias": random(context, seed=4),
    }


def resampler(context: int, hidden: int = HIDDEN, depth: int = 4, width: int = 32, inner: int = 128) -> dict[str, Tensor]:
    """``image_proj`` of an IP-Adapter-plus, of 5 queries; diffusers knows those of 4 blocks alone."""
    found = {
        "latents": random(1, 5, width, seed=1),
        "proj_in.weight": random(width, hidden, seed=2),
        "proj_in.bias": random(width, seed=3),
        "proj_out.weight": random(context, width, seed=4),
        "proj_out.bias": random(context, seed=5),
        "norm_out.weight": 1 + random(context, seed=6),
        "norm_out.bias": random(context, seed=7),
    }
    for n in range(depth):
        shapes = {
            "0.norm1.weight": (width,), "0.norm1.bias": (width,), "0.norm2.weight": (width,), "0.norm2.bias": (width,),
            "0.to_q.weight": (inner, width), "0.to_kv.weight": (2 * inner, width), "0.to_out.weight": (width, inner),
            "1.0.weight": (width,), "1.0.bias": (width,), "1.1.weight": (4 * width, width), "1.3.weight": (width, 4 * width),
        }  # fmt: skip
        found.update({f"layers.{n}.{name}": random(*shape, seed=20 * n + at + 20) for at, (name, shape) in enumerate(shapes.items())})
    return found


def attention(layers: Sequence[CrossLayer]) -> dict[str, Tensor]:
    """``ip_adapter`` for these layers: every second number, from 1."""
    return {
        f"{2 * at + 1}.to_{part}_ip.weight": random(layer.inner, layer.context, seed=100 + 2 * at + (part == "v"))
        for at, layer in enumerate(layers)
        for part in "kv"
    }


def save(path: Path, projection: dict[str, Tensor], layers: dict[str, Tensor], half: bool = True) -> Path:
    """Flat in a ``.safetensors``, two dictionaries in a ``.bin``; half precision as published."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: dict[str, dict[str, Any]] = {"image_proj": projection, "ip_adapter": layers}
    parts = {part: {name: one.half() if half else one for name, one in tensors.items()} for part, tensors in parts.items()}
    if path.suffix == ".bin":
        torch.save(parts, path)
    else:
        save_file({f"{part}.{name}": one.contiguous() for part, tensors in parts.items() for name, one in tensors.items()}, path)
    return path
