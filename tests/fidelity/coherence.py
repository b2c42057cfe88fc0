"""The other side of placing: whether the regions are still one picture.

*Seam*: see the evaluator. *Colour* and *phase*: both sides of a border ask for the same background; how far its colour and its texture
differ. *One*: an object that is asked for across a border, over two regions of background, is one. *Variety*: how pictures of one layout
differ over seeds. All of it comes from finished pictures.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from statistics import mean, median

import numpy as np
from measure import Picture, areas, borders
from report import table
from results import Results, Row
from scipy import ndimage
from suite import BACKGROUNDS, COLOURS, KINDS, SEED, SHAPES, Case, Wish, box, cases, cells

from lib_regional.standalone.train.data.drawing import texture
from lib_regional.standalone.train.measures.evaluate import Border, find_objects

PERIOD = 32
"""Pixels after which every background repeats, in both directions."""
LEAST = 600
"""Background pixels that a side must have for its colour and texture to count."""
FAINT = 0.2
"""Likeness below which no texture is found that could run on."""


def background_mask(picture: Picture) -> np.ndarray:
    """(H, W) bool: what belongs to no object, with three pixels around each left out."""
    mask = np.ones(picture.shape[:2], bool)
    for found in find_objects(picture):
        mask &= ~ndimage.binary_dilation(found.mask, iterations=3)
    return mask


def folded(picture: Picture, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the brightness less its mean, and number of pixels, at every place of the background's period: (32, 32) each."""
    grey = picture.astype(np.float64).mean(-1)
    grey = (grey - grey[mask].mean()) * mask
    rows, columns = np.indices(mask.shape) % PERIOD
    sums, counts = np.zeros((PERIOD, PERIOD)), np.zeros((PERIOD, PERIOD))
    np.add.at(sums, (rows, columns), grey)
    np.add.at(counts, (rows, columns), mask)
    return sums, counts


@lru_cache(maxsize=len(BACKGROUNDS))
def moved_textures(background: str) -> np.ndarray:
    """(1024, 32, 32): the brightness of a background less its mean, moved by every number of rows and columns."""
    wave = texture(background, PERIOD, PERIOD).astype(np.float64).mean(-1)
    wave = wave - wave.mean()
    return np.stack([np.roll(wave, (dy, dx), (0, 1)) for dy in range(PERIOD) for dx in range(PERIOD)])


def fits(picture: Picture, mask: np.ndarray, background: str) -> np.ndarray:
    """(32, 32): likeness -1..1 of the masked pixels with the background's texture, moved by (rows, columns)."""
    sums, counts = folded(picture, mask)
    grey = picture.astype(np.float64).mean(-1)[mask]
    energy = np.sqrt(((grey - grey.mean()) ** 2).sum())
    moved = moved_textures(background)
    norms = np.sqrt((counts * moved**2).sum((1, 2)))
    found: np.ndarray = ((sums * moved).sum((1, 2)) / np.maximum(1e-9, norms * energy)).reshape(PERIOD, PERIOD)
    return found


def phase_agreement(picture: Picture, one: np.ndarray, other: np.ndarray, background: str) -> float:
    """Likeness of ``other``'s pixels with the texture where ``one`` has it ÷ that where they have it themselves; 1: one texture runs on.

    NaN where a side has none.
    """
    first, second = fits(picture, one, background), fits(picture, other, background)
    if min(first.max(), second.max()) < FAINT:
        return math.nan
    return float((second.flat[first.argmax()] / second.max() + first.flat[second.argmax()] / first.max()) / 2)


def colour_gap(picture: Picture, one: np.ndarray, other: np.ndarray) -> float:
    """Distance of the mean colours of two sets of pixels, in 8-bit levels (root of the mean square over the channels)."""
    gap = picture[one].astype(np.float64).mean(0) - picture[other].astype(np.float64).mean(0)
    return float(np.sqrt((gap**2).mean()))


def sides(case: Case, border: Border) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Masks of the pairs of regions that meet at a border."""
    for one, other in combinations(areas(case), 2):
        axis = border.axis
        line = round(border.position * case.size[1 - axis])
        before, after = np.take(one, line - 1, axis), np.take(other, line, axis)
        if (before & after).any() and not np.take(one, line, axis).any():
            yield one, other


def across_borders(case: Case, picture: Picture) -> Iterator[tuple[float, float]]:
    """(colour gap, phase agreement) of every pair of neighbours with enough background on both sides."""
    background = background_mask(picture)
    for border in borders(case):
        for pair in sides(case, border):
            one, other = (side & background for side in pair)
            if min(one.sum(), other.sum()) >= LEAST:
                yield colour_gap(picture, one, other), phase_agreement(picture, one, other, case.background)


def is_one(case: Case, picture: Picture) -> bool:
    """Whether the picture has one object alone, clear and as asked for, that lies on both sides of the middle."""
    found = find_objects(picture)
    (wish,) = case.wishes
    if len(found) != 1 or not found[0].matches(wish.colour, wish.form):
        return False
    middle, (x0, _, x1, _) = case.size[0] / 2, found[0].box
    return bool(x0 < middle < x1)


def variety(pictures: Sequence[Picture]) -> float:
    """Mean over all pairs of the root mean square difference, in 8-bit levels."""
    pairs = combinations([picture.astype(np.float64) for picture in pictures], 2)
    return mean(float(np.sqrt(((a - b) ** 2).mean())) for a, b in pairs)


def across_cases(count: int) -> list[Case]:
    """Two halves of one background, and over their border a box of 64 pixels with an object."""
    rng = random.Random(f"{SEED}-across")
    found = []
    for number in range(count):
        wish = Wish(rng.choice(COLOURS), rng.choice(SHAPES), box(0.25, 0.25, 0.75, 0.75))
        background, seed = rng.choice(BACKGROUNDS), rng.randrange(2**31)
        found.append(Case("across", number, (128, 128), background, (wish,), seed, tuple(cells(2, 1))))
    return found


def seeds_cases(layouts: int, seeds: int = 4) -> list[Case]:
    """The first layouts of two columns, each with several seeds."""
    first = [case for case in cases() if case.kind == "2 columns" and case.number < layouts]
    return [replace(case, kind="seeds", number=case.number * seeds + at, seed=case.seed + 1 + at) for case in first for at in range(seeds)]


def figures_of(results: Results, variant: str, sampling: str, across: int, layouts: int) -> list[object]:
    """A line of the table."""
    wanted = {(case.kind, case.number): case for case in [*cases(), *across_cases(across), *seeds_cases(layouts)]}
    rows = [row for row in results.of(variant, sampling) if (row.kind, row.number) in wanted]

    def pictures(found: Iterable[Row]) -> Iterator[tuple[Case, Picture]]:
        return ((wanted[row.kind, row.number], np.asarray(results.picture(row))) for row in found)

    suite = [row for row in rows if row.kind in KINDS]
    pairs = [pair for case, picture in pictures(suite) for pair in across_borders(case, picture)]
    seams = [seam for row in suite for seam in row.marks.seams]
    ones = [is_one(case, picture) for case, picture in pictures(row for row in rows if row.kind == "across")]
    by_layout: dict[str, list[Picture]] = {}
    for case, picture in pictures(row for row in rows if row.kind == "seeds"):
        by_layout.setdefault(case.joined, []).append(picture)
    varied = [variety(group) for group in by_layout.values() if len(group) > 1]
    measured = (seams, [gap for gap, _ in pairs], [phase for _, phase in pairs if math.isfinite(phase)])
    texts = [f"{median(values):.2f}" if values else "–" for values in measured]
    across_one = f"{sum(ones)} of {len(ones)}" if ones else "–"
    return [variant, *texts, len(pairs), across_one, f"{mean(varied):.1f}" if varied else "–"]


def coherence_table(results: Results, sampling: str, variants: Sequence[str], across: int, layouts: int) -> str:
    """The table, a line per variant that has pictures."""
    lines = (figures_of(results, variant, sampling, across, layouts) for variant in variants if results.of(variant, sampling))
    heads = ["method", "seam", "colour gap", "phase", "pairs of neighbours", "one object across", "variety"]
    return table(heads, lines)
