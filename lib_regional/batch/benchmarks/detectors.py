"""Where in a picture a phrase is: by CLIPSeg or Grounding DINO from a folder on disk, or by analysis of the small model's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...request.errors import RegionalError
from ..layouts.boxes import Box

Picture = NDArray[np.uint8]
"""(H, W, 3)"""
CLIPSEG_LEVEL = 0.4
"""A pixel belongs to a phrase from this probability on."""
DINO_LEVEL = 0.3
"""Its authors' own threshold of boxes."""


class Detector(Protocol):
    """Finds phrases."""

    name: str

    def __call__(self, picture: Picture, phrases: Sequence[str]) -> list[list[Box]]:
        """picture (H, W, 3) -> for each phrase the boxes where it is, in the unit square."""
        ...


class Analytic:
    """Objects of the small model's world, `train.measures.evaluate.find_objects`: phrases such as "red circle"."""

    name = "analytic"

    def __call__(self, picture: Picture, phrases: Sequence[str]) -> list[list[Box]]:
        """See `Detector`."""
        from ...standalone.train.measures.evaluate import find_objects

        found = find_objects(picture)
        height, width = picture.shape[:2]
        sides = (width, height, width, height)
        boxes = [(one, tuple(edge / side for edge, side in zip(one.box, sides, strict=True))) for one in found]
        split = [phrase.split()[-2:] for phrase in phrases]
        return [[box for one, box in boxes if len(box) == 4 and one.matches(colour, shape)] for colour, shape in split]


class ByClipseg:
    """The largest connected area of each phrase's map."""

    name = "CLIPSeg"

    def __init__(self, folder: Path) -> None:
        from ...sources.clipseg import find_clipseg

        model = find_clipseg(str(folder))
        if model is None:
            raise RegionalError(f"--clipseg must be a folder with a CLIPSeg model; there is no config.json in {folder}.")
        self._model = model

    def __call__(self, picture: Picture, phrases: Sequence[str]) -> list[list[Box]]:
        """See `Detector`."""
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            maps = self._model(pixels, [[phrase] for phrase in phrases])[0]
        return [largest_area(one.numpy() >= CLIPSEG_LEVEL) for one in maps]


def largest_area(mask: NDArray[np.bool_]) -> list[Box]:
    """(H, W) -> the box of the largest connected area; none for an empty mask."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if not count:
        return []
    largest = int(np.argmax(ndimage.sum_labels(mask, labels, range(1, count + 1)))) + 1
    rows, columns = ndimage.find_objects(labels)[largest - 1]
    height, width = mask.shape
    return [(columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)]


class ByGroundingDino:
    """The boxes of each phrase, asked for alone."""

    name = "Grounding DINO"

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise RegionalError(f"--grounding-dino must be a folder with a Grounding DINO model; there is no config.json in {folder}.")
        from transformers import GroundingDinoForObjectDetection, GroundingDinoProcessor

        self._model: Any = GroundingDinoForObjectDetection.from_pretrained(folder, local_files_only=True).eval()
        self._processor: Any = GroundingDinoProcessor.from_pretrained(folder, local_files_only=True)

    def __call__(self, picture: Picture, phrases: Sequence[str]) -> list[list[Box]]:
        """See `Detector`."""
        return [self._asked(picture, phrase) for phrase in phrases]

    def _asked(self, picture: Picture, phrase: str) -> list[Box]:
        import torch

        given = self._processor(images=picture, text=f"{phrase.lower().rstrip('. ')}.", return_tensors="pt")
        with torch.no_grad():
            answer = self._model(**given)
        scores = answer.logits[0].sigmoid().max(-1).values
        boxes = answer.pred_boxes[0][scores >= DINO_LEVEL]
        corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], -1).clamp(0, 1)
        return [(x0, y0, x1, y1) for x0, y0, x1, y1 in corners.tolist()]
