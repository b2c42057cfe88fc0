"""Image encoders of IP-Adapters: CLIP's vision models from the user's folders, through transformers' own class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...request.errors import RegionalError
from ..models.folders import FoundModel
from ..models.loading import PictureModels

KIND = "clip_vision"
_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""CLIP's own, of pixels in 0..1."""

_PLACES = {
    1024: "models/image_encoder of h94/IP-Adapter (CLIP ViT-H/14)",
    1280: "sdxl_models/image_encoder of h94/IP-Adapter (CLIP ViT-bigG/14)",
}
"""Numbers of a projected embedding -> the published encoder that has them."""


def encoder_for(models: PictureModels, resamples: bool, width: int) -> FoundModel:
    """The first encoder whose hidden states (``resamples``) or projected embeddings have ``width`` numbers.

    Raises `RegionalError` naming what is there and what is needed.
    """
    found = [one for one in models.found() if one.kind == KIND]
    for one in found:
        if not one.fault and _width(one, resamples) == width:
            return one
    faults = [f'"{one.name}" ({one.fault or f"it gives {_width(one, resamples)}"})' for one in found]
    there = f"those that are there do not fit: {', '.join(faults)}." if faults else models.missing(KIND)
    place = _PLACES.get(1024 if resamples and width == 1280 else width, "")
    hint = f" Put the folder {place} into models/regional, or have it as Forge does, in models/ControlNetPreprocessor." if place else ""
    raise RegionalError(f"This IP-Adapter reads a CLIP vision model that gives {width} numbers: {there}{hint}")


def _width(model: FoundModel, resamples: bool) -> int:
    config = _vision_config(model)
    return int(config.get("hidden_size", 768) if resamples else config.get("projection_dim", 512))


def _vision_config(model: FoundModel) -> Mapping[str, Any]:
    """The vision model's part of a config.json; defaults of a whole CLIP model are the vision model's."""
    if model.config is not None:
        return model.config
    config: dict[str, Any] = json.loads((model.folder / "config.json").read_text(encoding="utf-8"))
    if model.model_type != "clip":
        return config
    own = config.get("vision_config") or {}
    return {"projection_dim": config.get("projection_dim", 512), **own}


def clip_pixels(picture: Image.Image, side: int) -> Tensor:
    """A picture -> (1, 3, ``side``, ``side``) as CLIP was trained on: its shorter side scaled, the square in the middle, normed.

    What is transparent is laid on white.
    """
    seen = on_white(picture)
    width, height = (side * one // min(seen.size) for one in seen.size)
    scaled = seen.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    return normed(torch.from_numpy(np.array(scaled.crop((left, top, left + side, top + side))))[None])


def normed(levels: Tensor) -> Tensor:
    """levels (n, h, w, 3) of 0 to 255 -> (n, 3, h, w) as CLIP is given them."""
    return ((levels.float() / 255 - torch.tensor(_MEAN)) / torch.tensor(_DEVIATION)).permute(0, 3, 1, 2)


def on_white(picture: Image.Image) -> Image.Image:
    """RGB, with white below what is transparent."""
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer).convert("RGB")


def encoded(models: PictureModels, found: FoundModel, picture: Image.Image, resamples: bool) -> Tensor:
    """What an adapter reads of the picture, and of none: (2, L, H) hidden states, the last but one, or projected embeddings (2, E).

    As in the adapters' training "none" is a picture whose normed pixels are zeros for hidden states, and zeros in place of embeddings.
    """
    with models.opened(found) as opened:
        model = opened.model
        pixels = clip_pixels(picture, int(model.config.image_size)).to(opened.device)
        if resamples:
            hidden: Tensor = model(torch.cat([pixels, torch.zeros_like(pixels)]), output_hidden_states=True).hidden_states[-2]
            return hidden.cpu()
        embedding: Tensor = model(pixels).image_embeds
        return torch.cat([embedding, torch.zeros_like(embedding)]).cpu()
