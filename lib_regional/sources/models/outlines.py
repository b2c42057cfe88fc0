"""Outlines from clicks and boxes with SAM (Kirillov et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from ...request.errors import RegionalError
from ..channels import Bytes, FoundMask, reduced
from .loading import OpenModel

Box = tuple[float, float, float, float]
Click = tuple[float, float, int]
"""x, y in the unit square, and 1 (inside) or 0 (outside)."""


def box_outlines(opened: OpenModel, picture: Image.Image, boxes: Sequence[Box]) -> list[Bytes]:
    """The outline of what lies in each box, as masks (h, w) of the picture's size."""
    corners = [[_pixels(box, picture.size) for box in boxes]]
    masks, _ = _run(opened, picture, multimask=False, input_boxes=corners)
    return [_bytes(mask[0]) for mask in masks]


def clicked_mask(opened: OpenModel, picture: Image.Image, clicks: Sequence[Click], box: Box | None) -> FoundMask:
    """What the clicks and the box mean: of SAM's three proposals the one that it rates highest; one alone with a box or several clicks.

    Raises RegionalError where nothing lies there.
    """
    given: dict[str, Any] = {}
    if clicks:
        given["input_points"] = [[_pixels((x, y), picture.size) for x, y, _ in clicks]]
        given["input_labels"] = [[label for *_, label in clicks]]
    if box:
        given["input_boxes"] = [[_pixels(box, picture.size)]]
    several = len(clicks) == 1 and box is None
    masks, scores = _run(opened, picture, multimask=several, **given)
    mask = _bytes(masks[0][int(scores[0].argmax())])
    if not mask.any():
        raise RegionalError("Nothing was found there: click on another place, or draw a box.")
    return FoundMask(reduced(mask), "outline")


def _pixels(place: Sequence[float], size: tuple[int, int]) -> list[float]:
    return [each * size[at % 2] for at, each in enumerate(place)]


def _run(opened: OpenModel, picture: Image.Image, multimask: bool, **given: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(masks (N, proposals, h, w) as logits at the picture's size, scores (N, proposals))."""
    processor = opened.processor("SamProcessor")
    inputs = processor(picture.convert("RGB"), return_tensors="pt", **given)
    sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
    single = {name: value.float() if value.is_floating_point() else value for name, value in inputs.items()}
    found = opened.model(**{name: value.to(opened.device) for name, value in single.items()}, multimask_output=multimask)
    masks = processor.image_processor.post_process_masks(found.pred_masks.float().cpu(), *sizes, binarize=False)
    return masks[0], found.iou_scores[0].cpu()


def _bytes(logits: torch.Tensor) -> Bytes:
    mask: Bytes = ((logits > 0).to(torch.uint8) * 255).numpy()
    return mask
