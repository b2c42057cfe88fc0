"""One sampling step as the cost estimate sees it: rectangles of the latent with a text each. Arithmetic, no model.

Masks that are pictures count as the whole canvas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from ..layout.containment import contains
from ..layout.regions import Layout, Region
from ..layout.windows import Grid, Window, canvas_of, fitted
from ..prompt.lora_tags import raw_tags

_LINEAR, _QUADRATIC, _FIXED = 0.1655, 7.3e-6, 3.0
"""GFLOP of one row of a UNet of SD1.5's dimensions by latent cells n: fixed + linear·n + quadratic·n² (counted for 8² to 128²)."""

_GRAIN = 48
"""Points per side at which the base's contribution is sampled."""

_ROUNDING = 1e-6
"""Cells that floating point may be off."""


class MethodSettings(Protocol):
    """What the cost of a step needs of the settings, which read the table of methods themselves; `settings.Settings` is one."""

    @property
    def method(self) -> str: ...

    def option(self, name: str) -> Any: ...

    def option_of(self, method: str) -> Callable[[str], Any]: ...

    def layout(self) -> Layout: ...


class RegionTexts(Protocol):
    """Per region its text and its own negative (None: the main one); `region_prompts.ImageTexts` is one."""

    @property
    def regions(self) -> tuple[str, ...]: ...

    @property
    def region_negatives(self) -> tuple[str | None, ...]: ...


Job = tuple[Window, str, object]
"""One prediction: window, cond or uncond, and a key of its text."""


def work_of(jobs: Iterable[Job]) -> float:
    """GFLOP of predictions; the same window, role and text count once."""
    return sum(_FIXED + window.cells * (_LINEAR + window.cells * _QUADRATIC) for window, _, _ in dict.fromkeys(jobs))


def plain_work(canvas: Grid) -> float:
    """GFLOP of a plain step: one cond and one uncond row of the whole canvas."""
    return work_of([(canvas_of(canvas), "cond", None), (canvas_of(canvas), "uncond", None)])


@dataclass(frozen=True)
class BaseCover:
    """Where the base contributes: ``sums[i][j]`` counts the points with it in the first i rows and j columns of `_GRAIN` squared."""

    sums: tuple[tuple[int, ...], ...]

    def within(self, window: Window, canvas: Grid) -> bool:
        """Whether the base contributes in a window of the canvas."""
        top, bottom = _points(window.top, window.bottom, canvas[0])
        left, right = _points(window.left, window.right, canvas[1])
        return self.sums[bottom][right] - self.sums[top][right] - self.sums[bottom][left] + self.sums[top][left] > 0


@dataclass(frozen=True)
class Scene:
    """A step at ``progress`` (share of the steps): ``canvas`` (H, W) in cells, ``active`` regions with a text, and the base's cover.

    ``texts`` where the regions' prompts are known; else every region counts as having a text of its own. ``trained`` is the side in
    cells of the latents that the model was trained on. ``source``: the layout that an edit starts from.
    """

    settings: MethodSettings
    canvas: Grid
    texts: RegionTexts | None
    trained: int
    progress: float
    active: tuple[tuple[int, Region], ...]
    base: BaseCover
    source: MethodSettings | None = None

    @property
    def whole(self) -> Window:
        """The window of the whole canvas."""
        return canvas_of(self.canvas)

    @property
    def plain(self) -> float:
        """GFLOP of a plain step."""
        return plain_work(self.canvas)

    def jobs(self, at: int, window: Window) -> Iterator[Job]:
        """Predictions of region ``at`` in a window: its text, and its negative, the base's where it has neither one nor LoRAs.

        A region whose reference acts shares no prediction with others.
        """
        if any(number == at and region.refers(self.progress) for number, region in self.active):
            yield from ((window, "cond", ("reference", at)), (window, "uncond", ("reference", at)))
            return
        if self.texts is None:
            yield from ((window, "cond", at), (window, "uncond", None))
            return
        yield window, "cond", self.texts.regions[at] or None
        loras, negative = raw_tags(self.texts.regions[at]), self.texts.region_negatives[at]
        yield window, "uncond", (negative, loras) if loras else negative

    def base_jobs(self, window: Window) -> Iterator[Job]:
        """Predictions of the base in a window, where it contributes."""
        if self.base.within(window, self.canvas):
            yield from ((window, "cond", None), (window, "uncond", None))

    def box(self, region: Region, halo: int, hard: bool = False) -> Window:
        """Cells of the region's box with its soft border, or ``hard`` without, grown by ``halo``."""
        rows, columns = self.canvas
        soft = 0 if hard else round(region.feather * min(rows, columns) * 4) / 8
        bounds = region.shape.bounds
        top, bottom = max(0, math.floor(bounds.y0 * rows - soft + _ROUNDING)), min(rows, math.ceil(bounds.y1 * rows + soft - _ROUNDING))
        left = max(0, math.floor(bounds.x0 * columns - soft + _ROUNDING))
        right = min(columns, math.ceil(bounds.x1 * columns + soft - _ROUNDING))
        return fitted(Window(top, left, max(bottom, top + 1), max(right, left + 1)), self.canvas, halo)


def _points(first: int, last: int, size: int) -> tuple[int, int]:
    """The sample points between two edges of a side of ``size`` cells, at least one."""
    begin, end = (math.ceil(edge * _GRAIN / size - 0.5) for edge in (first, last))
    begin = min(begin, _GRAIN - 1)
    return begin, max(end, begin + 1)


def base_cover(settings: MethodSettings, active: Iterable[tuple[int, Region]]) -> BaseCover:
    """Where the base contributes: through a base share, in a hole, or by a strength of its own."""
    regions = [region for _, region in active]
    everywhere = not regions or (settings.method == "mask_conditioning" and settings.option("base_strength") > 0)
    weighted = [region for region in regions if region.weight > 0]

    def contributes(x: float, y: float) -> bool:
        here = [region for region in weighted if contains(region.shape, x, y)]
        return not here or any(region.base_share > 0 for region in here)

    sums = [(0,) * (_GRAIN + 1)]
    for row in range(_GRAIN):
        y = (row + 0.41) / _GRAIN  # off all diagonals
        line = accumulate((everywhere or contributes((column + 0.5) / _GRAIN, y) for column in range(_GRAIN)), initial=0)
        sums.append(tuple(above + so_far for above, so_far in zip(sums[-1], line, strict=True)))
    return BaseCover(tuple(sums))
