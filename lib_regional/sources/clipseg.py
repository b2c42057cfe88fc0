"""CLIPSeg (Lüddecke and Ecker 2022) as a guidance model, with transformers and weights from a folder on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..engine.capabilities import GuidanceModel
from ..request.errors import RegionalError
from ..tensors.precision import full_precision

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that CLIPSeg was trained on, channels 0..1."""


_NAME = "clipseg:"


def named_clipseg(name: str) -> GuidanceModel | None:
    """The model that ``clipseg:FOLDER`` names, see `find_clipseg`; None for other names."""
    return find_clipseg(name.removeprefix(_NAME)) if name.startswith(_NAME) else None


def find_clipseg(folder: str) -> GuidanceModel | None:
    """The model in ``folder`` (as ``save_pretrained`` lays it out, with its tokenizer); None where there is none. Nothing is downloaded.

    Raises `RegionalError` where transformers is not installed.
    """
    place = Path(folder).expanduser()
    if not folder or not (place / "config.json").is_file():
        return None
    try:
        from transformers import CLIPSegForImageSegmentation, CLIPTokenizer
    except ImportError as error:
        message = f'"{_NAME}{folder}" cannot be used: CLIPSeg needs the Python package transformers, which is missing here.'
        raise RegionalError(message) from error

    model = CLIPSegForImageSegmentation.from_pretrained(place, local_files_only=True).eval().requires_grad_(False)
    return Clipseg(model, CLIPTokenizer.from_pretrained(place, local_files_only=True))


class Clipseg:
    """See `capabilities.GuidanceModel`. A region's words are asked for as one phrase."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer

    def __call__(self, pictures: Tensor, words: Sequence[Sequence[str]]) -> Tensor:
        """pictures (B, 3, H, W) in -1..1, R lists of words -> (B, R, H, W) in 0..1; differentiable in the pictures."""
        with full_precision(pictures.device):
            return self._maps(pictures.float(), words)

    def _maps(self, pictures: Tensor, words: Sequence[Sequence[str]]) -> Tensor:
        self._model.to(pictures.device)
        tokens = self._tokenizer([" ".join(one) for one in words], padding=True, truncation=True, return_tensors="pt").to(pictures.device)
        texts = self._model.clip.get_text_features(**tokens)
        maps = torch.stack([self._asked(one[None], texts) for one in self._prepared(pictures)])
        return F.interpolate(maps, pictures.shape[-2:], mode="bilinear", align_corners=False)

    def _prepared(self, pictures: Tensor) -> Tensor:
        side = int(self._model.config.vision_config.image_size)
        mean, deviation = (pictures.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
        return (F.interpolate((pictures + 1) / 2, (side, side), mode="bilinear", align_corners=False) - mean) / deviation

    def _asked(self, picture: Tensor, texts: Tensor) -> Tensor:
        """picture (1, 3, S, S), texts (R, D) -> (R, S, S). By parts, because the model as a whole lets no gradient through."""
        seen = self._model.clip.vision_model(pixel_values=picture, output_hidden_states=True).hidden_states
        layers = [seen[layer + 1].expand(len(texts), -1, -1) for layer in self._model.extract_layers]
        logits = self._model.decoder(layers, texts, return_dict=True).logits
        return torch.sigmoid(logits.view(len(texts), *logits.shape[-2:]))
