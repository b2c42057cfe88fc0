"""Detects the objects in a picture of the small model by saturation, hue and template overlap, without a network.

Only numpy and scipy are used, so that tests of regional methods can import this without torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.drawing import coverage
from ..data.scene import BASE_SHAPES, COLOURS, EXTRA_SHAPES, Thing

Array = NDArray[Any]
Box = tuple[float, float, float, float]
SHAPES = (*BASE_SHAPES, *EXTRA_SHAPES)

CHROMA = 62
"""Backgrounds stay below a third of it, objects above twice of it."""
SMALLEST = 110
"""Pixels. The smallest thing that is ever drawn has 570."""
SECOND_SHARE = 0.18
CLEAR = 0.80
INSIDE = 0.70
_GRID = 48
_SPAN = 1.5
_ANGLES = tuple(math.radians(a) for a in (-14, -7, 0, 7, 14))


@dataclass(frozen=True)
class Found:
    """One object of a picture.

    `box` is x0, y0, x1, y1 and `centroid` x, y in pixels; `area` in pixels; `confidence` is the overlap 0..1 with the best template.
    `second_colour` is set when a fifth or more of it has another colour; `clear`: whether any template fits well.
    """

    colour: str
    shape: str
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    area: int
    confidence: float
    second_colour: str | None = None
    clear: bool = True
    mask: Array | None = None
    """(H,W) bool."""

    @property
    def straddling(self) -> bool:
        """Two colours or no clear shape: what an object on the border of two regions looks like."""
        return self.second_colour is not None or not self.clear

    def matches(self, colour: str, shape: str) -> bool:
        """One clear object of this colour and shape."""
        return not self.straddling and (self.colour, self.shape) == (colour, shape)


def _hue(colour: Array) -> Array:
    """(...,3) -> hue in turns."""
    r, g, b = (colour[..., i] for i in range(3))
    hue: Array = np.arctan2(math.sqrt(3) * (g - b), 2 * r - g - b) / (2 * math.pi) % 1
    return hue


_NAMES = tuple(COLOURS)
_HUES = _hue(np.asarray([COLOURS[name] for name in _NAMES], np.float32))


def _nearest_colour(picture: Array) -> Array:
    """(H,W,3) -> (H,W) index into COLOURS of the nearest hue."""
    gap = np.abs(_hue(picture)[..., None] - _HUES)
    nearest: Array = np.minimum(gap, 1 - gap).argmin(-1)
    return nearest


def _normalised(soft: Array) -> Array:
    """Soft mask (h,w) in 0..1 -> (48,48) with the centroid in the middle and unit area."""
    mass = soft.sum()
    cy, cx = (float((soft * axis).sum() / mass) for axis in np.indices(soft.shape))
    step = 2 * _SPAN * math.sqrt(mass / math.pi) / _GRID
    middle = (_GRID - 1) / 2
    offset = (cy - middle * step, cx - middle * step)
    centred: Array = ndimage.affine_transform(soft.astype(np.float32), np.diag((step, step)), offset, (_GRID, _GRID), order=1)
    return centred


@lru_cache(maxsize=1)
def _templates() -> tuple[tuple[str, ...], Array]:
    names, masks = [], []
    for shape in SHAPES:
        for angle in _ANGLES if shape not in ("circle", "ring") else (0.0,):
            names.append(shape)
            masks.append(_normalised(coverage(Thing(shape, "red", 48, 48, 30, angle), 96, 96)))
    return tuple(names), np.stack(masks)


def shape_scores(soft: Array) -> dict[str, float]:
    """Soft mask (h,w) in 0..1 of one object -> overlap 0..1 (intersection over union) with the best template of every shape."""
    names, templates = _templates()
    mask = _normalised(soft)
    both = np.minimum(templates, mask).sum((1, 2)) / np.maximum(templates, mask).sum((1, 2))
    scores: dict[str, float] = {}
    for name, value in zip(names, both, strict=True):
        scores[name] = max(scores.get(name, 0.0), float(value))
    return scores


def find_objects(image: Array) -> list[Found]:
    """Picture (H,W,3) uint8 -> its objects, the biggest first."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H,W,3), got {image.shape}")
    picture = ndimage.gaussian_filter(image.astype(np.float32), (0.6, 0.6, 0))
    chroma = picture.max(-1) - picture.min(-1)
    colours = _nearest_colour(picture)
    labels, _ = ndimage.label(chroma > CHROMA)
    found = []
    for i, window in enumerate(ndimage.find_objects(labels), 1):
        mask = labels == i
        if mask.sum() >= SMALLEST:
            found += _split(mask, chroma, colours, window)
    return sorted(found, key=lambda one: -one.area)


def _split(mask: Array, chroma: Array, colours: Array, window: tuple[slice, slice]) -> list[Found]:
    """One connected patch: one object, or several that touch if every part has one colour and a clear shape."""
    whole = _describe(mask, chroma, colours)
    if not whole.straddling:
        return [whole]
    parts = []
    for k in range(len(_NAMES)):
        # Opening cuts the thin rim of a third hue where two colours blend.
        labels, count = ndimage.label(ndimage.binary_opening(mask & (colours == k), iterations=2))
        sizes = ndimage.sum_labels(labels > 0, labels, range(1, count + 1))
        parts += [ndimage.binary_dilation(labels == n, iterations=1) & mask for n, size in enumerate(sizes, 1) if size >= SMALLEST]
    described = [_describe(part, chroma, colours) for part in parts]
    if len(described) > 1 and all(one.clear for one in described):
        return described
    return [whole]


def _describe(mask: Array, chroma: Array, colours: Array) -> Found:
    rows, columns = np.nonzero(mask)
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    core = ndimage.binary_erosion(mask, iterations=2)
    core = core if core.sum() >= 20 else mask
    votes = np.bincount(colours[core], minlength=len(_NAMES)) / core.sum()
    first, second = np.argsort(-votes)[:2]
    # The outline lies where the chroma has fallen to half: the level differs from colour to colour.
    level = float(np.median(chroma[core]))
    soft = np.clip(2.5 * (chroma / level - 0.5) + 0.5, 0, 1) * ndimage.binary_dilation(mask, iterations=2)
    pad = (slice(max(0, y0 - 2), y1 + 2), slice(max(0, x0 - 2), x1 + 2))
    scores = shape_scores(soft[pad])
    best = max(scores, key=scores.__getitem__)
    return Found(
        colour=_NAMES[first],
        shape=best,
        box=(int(x0), int(y0), int(x1), int(y1)),
        centroid=(float(columns.mean() + 0.5), float(rows.mean() + 0.5)),
        area=int(mask.sum()),
        confidence=scores[best],
        second_colour=_NAMES[second] if votes[second] >= SECOND_SHARE else None,
        clear=scores[best] >= CLEAR,
        mask=mask,
    )


@dataclass(frozen=True)
class Wanted:
    """What a region should show. `area` is a box x0, y0, x1, y1 in the unit square or a mask (H,W) bool of the picture's size."""

    area: Box | Array
    colour: str
    shape: str

    def mask(self, height: int, width: int) -> Array:
        """(H,W) bool."""
        if isinstance(self.area, np.ndarray):
            if self.area.shape != (height, width):
                raise ValueError(f"The mask of the {self.colour} {self.shape} must be {(height, width)}, got {self.area.shape}")
            return self.area.astype(bool)
        x0, y0, x1, y1 = self.area
        mask = np.zeros((height, width), bool)
        mask[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)] = True
        return mask


@dataclass(frozen=True)
class RegionResult:
    """How one region came out.

    `right`: a clear object of the colour and shape lies in the region. `colour_right`: one of the colour does, whatever its shape.
    `missing`: the region holds no object at all. `leak`: number of objects in it that another region asked for and this one did not
    (by colour). `extra`: number of other objects in it beyond the one wanted.
    """

    wanted: Wanted
    right: bool
    colour_right: bool
    missing: bool
    leak: int
    extra: int
    objects: tuple[Found, ...]


@dataclass(frozen=True)
class Judgement:
    """A picture against its regions. `straddling`: objects of two colours, of no clear shape or across a border.

    `outside`: objects that lie in no region. `seams`: one seam energy per border asked for.
    """

    regions: tuple[RegionResult, ...]
    straddling: int
    outside: int
    seams: tuple[float, ...] = ()

    @property
    def all_right(self) -> bool:
        return all(region.right for region in self.regions)

    @property
    def share_right(self) -> float:
        """Share of the regions that are right."""
        return sum(region.right for region in self.regions) / max(1, len(self.regions))


@dataclass(frozen=True)
class Border:
    """A straight border: `axis` 0 is a horizontal line at y = `position`, 1 a vertical one at x; `position` in the unit interval."""

    axis: int
    position: float


def judge(
    image: Array,
    regions: Sequence[Wanted | tuple[Box | Array, str, str]],
    borders: Sequence[Border | tuple[int, float]] = (),
) -> Judgement:
    """Picture (H,W,3) uint8 against regions (area, colour, shape); `borders` are (axis, position) lines to measure seams at.

    An object belongs to the region that holds at least 70 % of its pixels.
    """
    wanted = [one if isinstance(one, Wanted) else Wanted(*one) for one in regions]
    masks = [one.mask(*image.shape[:2]) for one in wanted]
    held: list[list[Found]] = [[] for _ in wanted]
    straddling = outside = 0
    for found in find_objects(image):
        shares = [float(mask[found.mask].mean()) for mask in masks]
        homes = [i for i, share in enumerate(shares) if share >= INSIDE]
        for i in homes:
            held[i].append(found)
        across = not homes and sum(share > 0.1 for share in shares) > 1
        straddling += found.straddling or across
        outside += not homes and not across
    results = tuple(_region_result(one, objects, wanted) for one, objects in zip(wanted, held, strict=True))
    seams = tuple(seam_energy(image, border if isinstance(border, Border) else Border(*border)) for border in borders)
    return Judgement(results, straddling, outside, seams)


def _region_result(wanted: Wanted, objects: list[Found], everything: list[Wanted]) -> RegionResult:
    elsewhere = {one.colour for one in everything} - {wanted.colour}
    right = any(one.matches(wanted.colour, wanted.shape) for one in objects)
    mine = [one for one in objects if one.colour == wanted.colour and one.second_colour is None]
    leak = [one for one in objects if one.colour in elsewhere and not one.straddling]
    return RegionResult(wanted, right, bool(mine), not objects, len(leak), max(0, len(objects) - len(leak) - bool(mine)), tuple(objects))


def seam_energy(image: Array, border: Border) -> float:
    """How much stronger the jump across a border is than across the parallel lines 16 pixels and more away; 1 means no seam.

    The lines compared lie on the same phase of the 8-pixel grid, on which the textures repeat.
    """
    picture = image.astype(np.float32).mean(-1)
    jumps = np.abs(np.diff(picture, axis=border.axis)).mean(1 - border.axis)
    line = min(max(1, round(border.position * image.shape[border.axis])), len(jumps)) - 1
    others = [i for i in range(line % 8, len(jumps), 8) if abs(i - line) >= 16]
    return float(jumps[line] / max(1e-6, np.mean(jumps[others]))) if others else math.nan
