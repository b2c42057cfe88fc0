"""What an edit has changed, where it should and where it should not."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from edits_suite import Edit, payload
from skimage.metrics import structural_similarity

from lib_regional.request.settings import Settings
from lib_regional.standalone.train.measures.evaluate import Wanted, judge
from lib_regional.tensors.guidance.metrics import ring
from lib_regional.tensors.masks.weight_maps import shape_mask

Picture = np.ndarray
Make = Callable[[dict[str, Any]], Picture]

RING = 16
"""Width in pixels of the ring around the edited place in which SSIM-e is measured."""


@dataclass(frozen=True)
class Outcome:
    """One edit by one method. ``ssim_i`` and ``ssim_e`` compare target and source outside the edited place and around it."""

    edit: Edit
    source: Picture
    target: Picture
    success: bool
    was_there: bool
    ssim_i: float
    ssim_e: float


@dataclass(frozen=True)
class Row:
    """Means over outcomes; ``success`` is a share."""

    count: int
    success: float
    ssim_i: float
    ssim_e: float

    @property
    def error(self) -> float:
        """Standard error of ``success``."""
        return math.sqrt(self.success * (1 - self.success) / max(1, self.count))


def place(edit: Edit) -> np.ndarray:
    """(H, W) bool: the place that was to change."""
    layout = Settings.parse({"enabled": True, "regions": [{**edit.edited, "prompt": "x"}]}).layout()
    return shape_mask(layout.regions[0].shape, edit.size[1], edit.size[0]).numpy() > 0.5


def similarity(first: Picture, second: Picture) -> np.ndarray:
    """(H, W, 3) uint8 twice -> (H, W) SSIM at each pixel, the channels' mean (7×7 windows, as scikit-image does it)."""
    _, full = structural_similarity(first, second, channel_axis=2, full=True, data_range=255)
    return np.asarray(full).mean(-1)


def assess(edit: Edit, source: Picture, target: Picture) -> Outcome:
    """Compare a pair of pictures."""
    area = place(edit)
    full = similarity(source, target)
    around = ring(torch.from_numpy(area).float(), RING).numpy()
    return Outcome(
        edit, source, target, _succeeded(edit, area, target), _holds(area, source), float(full[~area].mean()), float(full[around].mean())
    )


def _holds(area: np.ndarray, picture: Picture) -> bool:
    return not judge(picture, [Wanted(area, "red", "circle")]).regions[0].missing


def _succeeded(edit: Edit, area: np.ndarray, picture: Picture) -> bool:
    """The place shows the object asked for; after a removal it shows none."""
    if edit.wanted is None:
        return not _holds(area, picture)
    return judge(picture, [Wanted(area, edit.wanted.colour, edit.wanted.form)]).regions[0].right


def run(
    edits: Iterable[Edit], variants: dict[str, dict[str, Any]], make: Make, note: Callable[[str, Outcome], object] = lambda *_: None
) -> dict[str, list[Outcome]]:
    """Make and compare every pair by every variant, pair after pair; ``note`` is called with each outcome."""
    results: dict[str, list[Outcome]] = {name: [] for name in variants}
    for edit in edits:
        for name, options in variants.items():
            source = make(payload(edit, options, edited=False))
            results[name].append(assess(edit, source, make(payload(edit, options, edited=True))))
            note(name, results[name][-1])
    return results


def means(outcomes: list[Outcome]) -> Row:
    """Means of a list that is not empty."""
    success = sum(outcome.success for outcome in outcomes) / len(outcomes)
    ssim_i, ssim_e = (statistics.fmean(getattr(outcome, name) for outcome in outcomes) for name in ("ssim_i", "ssim_e"))
    return Row(len(outcomes), success, ssim_i, ssim_e)
