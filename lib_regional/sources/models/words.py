"""Masks from words: CLIPSeg's maps, and Grounding DINO's boxes with SAM's outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...request.errors import RegionalError
from ..channels import Bytes, FoundMask, reduced
from ..clipseg import Clipseg
from .folders import FoundModel
from .loading import OpenModel, PictureModels
from .outlines import box_outlines

_SAME = 0.7
"""Boxes of one phrase that overlap by more (intersection over union) are the same object."""
MOST_BOXES = 64


@dataclass(frozen=True)
class WordBox:
    """A box x0, y0, x1, y1 of the unit square, the number of its phrase, and how sure the model is."""

    box: tuple[float, float, float, float]
    phrase: int
    score: float


def word_maps(models: PictureModels, found: FoundModel, picture: Image.Image, phrases: Sequence[str]) -> Tensor:
    """CLIPSeg's maps (R, h, w) in 0..1 of R phrases."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB"), np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    with models.opened(found) as opened:
        maps = Clipseg(opened.model, opened.processor("CLIPTokenizer"))(pixels.to(opened.device), [[phrase] for phrase in phrases])
    return maps[0].float().cpu()


def word_masks(maps: Tensor, phrases: Sequence[str], threshold: float | None) -> list[FoundMask]:
    """Maps (R, h, w) cut at ``threshold`` (None: kept as greys) -> one mask per phrase. Raises RegionalError for a phrase without any."""
    masks = []
    for one, phrase in zip(maps, phrases, strict=True):
        inside = one if threshold is None else (one >= threshold).float()
        mask = (inside * 255).round().to(torch.uint8).numpy()
        if not mask.any():
            raise RegionalError(f'"{phrase}" was not found: the highest value is {float(one.max()):.2f}, below the threshold {threshold}.')
        masks.append(FoundMask(reduced(mask), phrase))
    return masks


def word_boxes(opened: OpenModel, picture: Image.Image, phrases: Sequence[str], threshold: float) -> list[WordBox]:
    """Grounding DINO's boxes of score ``threshold`` and more, each for the phrase that fits it best, the surest first."""
    processor = opened.processor("GroundingDinoProcessor")
    text, spans = _joined(phrases)
    inputs = processor(images=picture.convert("RGB"), text=text, return_tensors="pt").to(opened.device)
    most = int(getattr(opened.model.config, "max_text_len", 256))
    tokens = processor.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    if len(tokens) > most:
        raise RegionalError(f"The words have {len(tokens)} tokens: this model reads at most {most}.")
    found = opened.model(**inputs)
    scores = phrase_scores(found.logits[0].float().cpu(), tokens, spans)
    return best_boxes(found.pred_boxes[0].float().cpu(), scores, threshold)


def _joined(phrases: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The phrases as the model wants them (lower case, each with a full stop), and where each lies in it."""
    text, spans = "", []
    for phrase in phrases:
        low = phrase.lower()
        spans.append((len(text), len(text) + len(low)))
        text += f"{low}. "
    return text.strip(), spans


def phrase_scores(logits: Tensor, tokens: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> Tensor:
    """Logits (queries, tokens) -> probabilities (queries, phrases): of each phrase its best token."""
    sure = logits.sigmoid()
    columns = []
    for start, end in spans:
        own = [at for at, (first, last) in enumerate(tokens) if start <= first < last <= end]
        columns.append(sure[:, own].amax(1) if own else torch.zeros(len(sure)))
    return torch.stack(columns, 1)


def best_boxes(boxes: Tensor, scores: Tensor, threshold: float) -> list[WordBox]:
    """Boxes (queries, 4) as centre and size, scores (queries, phrases) -> the boxes in order of score, doubles of a phrase left out."""
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = torch.cat([middle - half, middle + half], 1).clamp(0, 1)
    best, phrase = scores.max(1)
    kept: list[WordBox] = []
    for at in best.argsort(descending=True).tolist():
        if float(best[at]) < threshold or len(kept) == MOST_BOXES:
            break
        x0, y0, x1, y1 = corners[at].tolist()
        box = WordBox((x0, y0, x1, y1), int(phrase[at]), float(best[at]))
        if x1 > x0 and y1 > y0 and all(one.phrase != box.phrase or _overlap(one.box, box.box) <= _SAME for one in kept):
            kept.append(box)
    return kept


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width, height = (max(0.0, min(one[at + 2], other[at + 2]) - max(one[at], other[at])) for at in (0, 1))
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / max(sum(areas) - width * height, 1e-12)


def boxed_masks(
    models: PictureModels,
    detector: FoundModel,
    outliner: FoundModel | None,
    picture: Image.Image,
    phrases: Sequence[str],
    threshold: float,
    separate: bool,
) -> list[FoundMask]:
    """One mask per phrase, or one per object (``separate``): SAM's outlines of the boxes, without ``outliner`` the boxes themselves.

    Raises RegionalError naming the phrases without a box.
    """
    with models.opened(detector) as opened:
        boxes = word_boxes(opened, picture, phrases, threshold)
    absent = [phrase for at, phrase in enumerate(phrases) if all(box.phrase != at for box in boxes)]
    if absent:
        raise RegionalError(f"Not found with a score of {threshold} or more: {', '.join(absent)}.")
    boxes = sorted(boxes, key=lambda box: box.phrase)
    masks = [_filled(box.box, picture.size) for box in boxes]
    if outliner is not None:
        with models.opened(outliner) as opened:
            masks = box_outlines(opened, picture, [box.box for box in boxes])
    if separate:
        return [FoundMask(reduced(mask), phrases[box.phrase]) for box, mask in zip(boxes, masks, strict=True)]
    unions = [np.maximum.reduce([mask for box, mask in zip(boxes, masks, strict=True) if box.phrase == at]) for at in range(len(phrases))]
    return [FoundMask(reduced(mask), phrase) for mask, phrase in zip(unions, phrases, strict=True)]


def _filled(box: Sequence[float], size: tuple[int, int]) -> Bytes:
    width, height = size
    mask: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    x0, x1 = (round(edge * width) for edge in (box[0], box[2]))
    y0, y1 = (round(edge * height) for edge in (box[1], box[3]))
    mask[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = 255
    return mask
