"""The detail pass: region after region of a finished picture, inpainted by the host with the region's own prompt.

What was made is kept as patches and blended into the pictures that the host decodes, so that a pixel outside every mask keeps its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...engine.capabilities import ModelFacts
from ...engine.hooks import PictureHook
from ...engine.plan import PassPlan, Plan
from ...request.detail.passes import GROWTH, Detail, details_of, working_size
from ...request.edit.repaint import repainted
from ...request.prompt.lora_tags import raw_tags
from ...request.prompt.negative_weights import without_negative
from ...tensors.masks.growth import bounding_box, faded_inside, grown
from ...tensors.masks.weight_maps import shape_mask
from . import host

Box = tuple[int, int, int, int]

CELL = 8
"""Pixels per side of a latent cell; networks that see four cells as one token have sides of twice that."""


@dataclass(frozen=True)
class Patch:
    """``pixels`` (3, h, w) in 0..1 that count with ``alpha`` (h, w) at ``box`` (left, top, right, bottom)."""

    box: Box
    alpha: Tensor
    pixels: Tensor

    def on(self, image: Tensor) -> Tensor:
        """image (3, H, W) with the patch on it; where alpha is 0 the value is the very one that was there."""
        left, top, right, bottom = self.box
        result = image.clone()
        part = result[:, top:bottom, left:right]
        alpha, pixels = self.alpha.to(part), self.pixels.to(part)
        part.copy_(torch.where(alpha > 0, part + alpha * (pixels - part), part))
        return result


@dataclass(frozen=True)
class Area:
    """Where a region's pass acts on a picture: what is made anew (H, W) of 0 and 1, what of it shows (H, W), and the cut-out."""

    mask: Tensor
    alpha: Tensor
    box: Box


def area_of(plan: Plan, region: int, detail: Detail, size: tuple[int, int], image: int = 0) -> Area | None:
    """The area of ``region`` on picture ``image`` of ``size`` (height, width); None where its words were found nowhere."""
    shape = plan.layout_of(image, (region,)).regions[region].shape
    mask = (shape_mask(shape, *size) > 0.5).float()
    if not mask.any():
        mask = (shape_mask(shape, *size) > 0).float()
    if not mask.any():
        return None
    left, top, right, bottom = bounding_box(mask)
    mask = grown(mask, round(GROWTH * min(right - left, bottom - top)))
    return Area(mask, faded_inside(mask, round(detail.mask_feather * min(size))), bounding_box(mask, detail.margin))


class DetailPass:
    """The detail passes of one batch. ``trained``: side in pixels of the pictures that the model was trained on."""

    def __init__(self, plan: Plan, trained: int, multiple: int) -> None:
        self._plan = plan
        self._trained = trained
        self._multiple = multiple
        again = repainted(plan.settings) if plan.settings.method == "repaint" else None
        self.regions = [(at, detail) for at, detail in details_of(plan.settings) if again is None or at in again]

    def run(self, p: Any, samples: Any, finish: PictureHook | None, prompts: Sequence[str]) -> list[list[Patch]]:
        """What ``p.sample`` gave -> the patches of every picture, ``finish`` being the method's own work on decoded pictures.

        The LoRA tags of ``prompts``, one per picture, act on the whole picture, so also here. Stops where the host is asked to; the
        region that was being made then keeps its pixels.
        """
        if host.stopped():
            return [[] for _ in samples]
        pictures = host.decoded(p, samples)
        pictures = pictures if finish is None else finish(pictures)
        tags = [host_tags(prompt) for prompt in prompts] or [""] * len(pictures)
        found: list[list[Patch]] = [[] for _ in pictures]
        for image, picture in enumerate(pictures):
            for region, detail in self.regions:
                if host.stopped():
                    return found
                patch = self._patch(p, picture, image, region, detail, tags[image])
                if patch is not None:
                    found[image].append(patch)
                    picture = patch.on(picture)
        return found

    def _patch(self, p: Any, picture: Tensor, image: int, region: int, detail: Detail, tags: str) -> Patch | None:
        area = area_of(self._plan, region, detail, (picture.shape[1], picture.shape[2]), image)
        if area is None:
            return None
        left, top, right, bottom = area.box
        size = working_size((right - left, bottom - top), self._trained, detail.scale, self._multiple)
        asked = host.Inpainting(
            to_pil(picture[:, top:bottom, left:right]).resize(size, Image.Resampling.LANCZOS),
            to_mask(area.mask[top:bottom, left:right]).resize(size, Image.Resampling.NEAREST),
            *self._texts(image, region, tags),
            seed=self._seed(p, image, region),
            denoise=detail.denoise,
            steps=detail.steps or p.steps,
            cfg_scale=self._cfg_scale(p, region),
            job=f"Detail of {self._plan.layout.regions[region].label(region)}",
        )
        made = host.inpainted(p, asked)
        if made is None:
            return None
        pixels = to_tensor(made.resize((right - left, bottom - top), Image.Resampling.LANCZOS))
        return Patch(area.box, area.alpha[top:bottom, left:right], pixels)

    def _pass(self) -> PassPlan:
        return self._plan.hires or self._plan.first

    def _texts(self, image: int, region: int, tags: str) -> tuple[str, str]:
        """(prompt, negative) of a region; a region without a text has the picture's. Negative weights that act elsewhere (`Plan.signed`)
        are left out: no extension runs in these passes."""
        texts = self._pass().texts[image]
        negative = texts.region_negatives[region]
        both = ((texts.regions[region] or texts.base) + tags, texts.negative if negative is None else negative)
        return (without_negative(both[0]), without_negative(both[1])) if self._plan.signed else both

    def _seed(self, p: Any, image: int, region: int) -> int:
        own = self._plan.layout.regions[region].seed
        return int(p.seeds[image] if own is None else own)

    def _cfg_scale(self, p: Any, region: int) -> float:
        own = self._plan.layout.regions[region].cfg_scale
        return float(p.cfg_scale if own is None else own)


def detail_pass(plan: Plan, facts: ModelFacts, p: Any, first: bool) -> DetailPass | None:
    """The detail pass of the batch that is about to be sampled, None where no region has one.

    Raises `RegionalError` on a host that cannot inpaint. With the ``first`` batch all inner generations join the progress bar.
    """
    made = DetailPass(plan, facts.trained * CELL, CELL if facts.cross_attention else 2 * CELL)
    if not made.regions:
        return None
    host.check()
    if first:
        host.announce(len(made.regions) * len(p.all_prompts))
    return made


def host_tags(prompt: str) -> str:
    """The LoRA tags of ``prompt``, which the host applies to the whole picture."""
    return "".join(raw_tags(prompt))


def patched(images: Sequence[Tensor], patches: Sequence[Sequence[Patch]]) -> list[Tensor]:
    """images (3, H, W) with their patches, in order."""
    result = []
    for at, image in enumerate(images):
        for patch in patches[at] if patches else ():
            image = patch.on(image)
        result.append(image)
    return result


def to_pil(image: Tensor) -> Image.Image:
    """(3, H, W) in 0..1 -> an RGB picture, its levels cut off below as hosts do it."""
    return Image.fromarray((image.clamp(0, 1) * 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def to_mask(mask: Tensor) -> Image.Image:
    """(H, W) of 0 and 1 -> a picture of grey levels."""
    return Image.fromarray((mask * 255).to(torch.uint8).cpu().numpy())


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB picture -> (3, H, W) in 0..1."""
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)
