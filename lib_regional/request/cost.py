"""What a generation will cost, said before it is made: UNet work relative to the plain picture. Arithmetic on rectangles, no model.

An estimate counts what every step predicts, as the methods do: rectangles of the latent, each with a text, those that are the same
once. Masks that are pictures count as the whole canvas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from .edit.pairing import read_source
from .layout.regions import Layout, Region
from .layout.shapes import Box, Ellipse, Polygon, Shape
from .layout.windows import Window, canvas_of, fitted, region_tiles, tiles, widened
from .prompt.lora_tags import raw_tags
from .prompt.region_prompts import ImageTexts
from .settings import Settings

_LINEAR, _QUADRATIC, _FIXED = 0.1655, 7.3e-6, 3.0
"""GFLOP of one row of a UNet of SD1.5's dimensions by latent cells n: fixed + linear·n + quadratic·n² (counted for 8² to 128²)."""

_COUPLE = 0.004
"""Attention couple: extra cost of a region, its keys and values and the calls of the layers."""

_GRAIN = 48
"""Points a side at which it is looked whether the base is heard."""

_ROUNDING = 1e-6
"""Cells that floating point may be off."""

TRAINED = 64
"""Side in cells of the latents that a model is trained on unless it says otherwise (SD1)."""

_Job = tuple[Window, str, object]
"""One prediction: where, cond or uncond, and the text."""


@dataclass(frozen=True)
class Cost:
    """``ratio``: UNet work of all steps ÷ that of the plain picture."""

    ratio: float

    @property
    def text(self) -> str:
        """``about 1.1 × a plain picture``"""
        return f"about {self.ratio:.1f} × a plain picture" if self.ratio < 10 else f"about {self.ratio:.0f} × a plain picture"


def estimate(settings: Settings, size: tuple[int, int], texts: ImageTexts | None = None, trained: int = TRAINED) -> Cost:
    """Cost of a picture of ``size`` (width, height) in pixels.

    ``texts`` are what the regions are told where that is known; else every region counts as having a text of its own. ``trained`` is
    the side of the model's own latents in cells. Raises SettingsError for layouts that are none.
    """
    layout = settings.layout()
    if not settings.enabled:
        return Cost(1.0)
    canvas = (max(1, size[1] // 8), max(1, size[0] // 8))
    edges = sorted({0.0, 1.0, *(edge for region in layout.regions for edge in region.steps), *_own_edges(settings)})
    total = sum((after - before) * _stretch(settings, layout, canvas, texts, trained, before) for before, after in pairwise(edges))
    return Cost(total / _work([(canvas_of(canvas), "cond", None), (canvas_of(canvas), "uncond", None)]))


def _own_edges(settings: Settings) -> Iterator[float]:
    for name in ("alone", "total_from", "bootstrap"):
        if name in _OPTIONS_WITH_STEPS.get(settings.method, ()):
            yield settings.option(name)


_OPTIONS_WITH_STEPS = {
    "latent_composite": ("alone",),
    "multidiffusion": ("total_from", "bootstrap"),
    "mrgd": ("t_total",),
    "p2p": ("t_total",),
}


def _work(jobs: list[_Job]) -> float:
    return sum(_FIXED + window.cells * (_LINEAR + window.cells * _QUADRATIC) for window, _, _ in dict.fromkeys(jobs))


def _stretch(settings: Settings, layout: Layout, canvas: tuple[int, int], texts: ImageTexts | None, trained: int, progress: float) -> float:
    """Work of a step at ``progress``."""
    active = [(at, region) for at, region in enumerate(layout.regions) if region.enabled and region.steps[0] <= progress < region.steps[1]]
    told = [(at, region) for at, region in active if _speaks(at, region, texts)]
    method = settings.method
    if method == "latent_composite":
        alone = progress < settings.option("alone")
        method = "latent_composite" if alone else {"nothing": "", **{m: m for m in _MAKERS}}[settings.option("after")]
    whole = canvas_of(canvas)
    plain: list[_Job] = [(whole, "cond", None), (whole, "uncond", None)]
    if method == "attention_couple":
        return _work(plain) * (1 + _COUPLE * len(told))
    if method == "" or (not told and method != "multidiffusion"):
        return _work(plain)
    scene = _Scene(settings, canvas, texts, trained, progress, told, _heard(settings, told))
    return _work(list(_MAKERS[method](scene)))


def _speaks(at: int, region: Region, texts: ImageTexts | None) -> bool:
    if texts is None:
        return True
    return bool(texts.regions[at]) or texts.region_negatives[at] is not None or region.cfg_scale is not None


@dataclass(frozen=True)
class _Scene:
    settings: Settings
    canvas: tuple[int, int]
    texts: ImageTexts | None
    trained: int
    progress: float
    told: list[tuple[int, Region]]
    base: _Heard

    def jobs(self, at: int, window: Window) -> Iterator[_Job]:
        """Predictions of region ``at`` in a window: its text, and its negative, the base's where it has none and no LoRAs either."""
        if self.texts is None:
            yield from ((window, "cond", at), (window, "uncond", None))
            return
        yield window, "cond", self.texts.regions[at] or None
        loras, negative = raw_tags(self.texts.regions[at]), self.texts.region_negatives[at]
        yield window, "uncond", (negative, loras) if loras else negative

    def base_jobs(self, window: Window) -> Iterator[_Job]:
        if self.base.within(window, self.canvas):
            yield from ((window, "cond", None), (window, "uncond", None))

    def box(self, region: Region, halo: int, hard: bool = False) -> Window:
        """Cells of the region's box with its soft border, or ``hard`` without."""
        rows, columns = self.canvas
        soft = 0 if hard else round(region.feather * min(rows, columns) * 4) / 8
        bounds = region.shape.bounds
        top, bottom = max(0, math.floor(bounds.y0 * rows - soft + _ROUNDING)), min(rows, math.ceil(bounds.y1 * rows + soft - _ROUNDING))
        left = max(0, math.floor(bounds.x0 * columns - soft + _ROUNDING))
        right = min(columns, math.ceil(bounds.x1 * columns + soft - _ROUNDING))
        return fitted(Window(top, left, max(bottom, top + 1), max(right, left + 1)), self.canvas, halo)


def _full(scene: _Scene) -> Iterator[_Job]:
    whole = canvas_of(scene.canvas)
    for at, _ in scene.told:
        yield from scene.jobs(at, whole)
    yield from scene.base_jobs(whole)


def _couple(scene: _Scene) -> Iterator[_Job]:
    option = scene.settings.option_of("latent_couple")
    if option("mode") == "full":
        yield from _full(scene)
        return
    for at, region in scene.told:
        yield from scene.jobs(at, scene.box(region, option("halo")))
    yield from scene.base_jobs(canvas_of(scene.canvas))


def _composite(scene: _Scene) -> Iterator[_Job]:
    for at, region in scene.told:
        yield from scene.jobs(at, scene.box(region, 0, hard=True))
    yield from scene.base_jobs(canvas_of(scene.canvas))


def _multidiffusion(scene: _Scene) -> Iterator[_Job]:
    option = scene.settings.option_of("multidiffusion")
    side = max(8, int(option("window") / 8 or scene.trained) // 8 * 8)
    for at, region in scene.told:
        area = scene.box(region, 0)
        if option("crop") == "window":
            area = widened(area, scene.canvas, side)
        for window in region_tiles(area, side, option("overlap")):
            apart = scene.progress < option("bootstrap")  # then no two regions see the same
            yield from ((window, role, (at, text) if apart else text) for window, role, text in scene.jobs(at, window))
    canvas = tiles(canvas_of(scene.canvas), side, option("overlap"))
    joined = option("total") > 0 and scene.progress >= option("total_from")
    for window in canvas:
        yield from scene.base_jobs(window)
        if joined:
            yield from ((window, "cond", "together"), (window, "uncond", None))


def _edit(scene: _Scene) -> Iterator[_Job]:
    """Both trajectories; each of them predicts its regions, its base and, in the end, the whole picture with all texts joined."""
    yield from _side(scene, "target")
    given = scene.settings.option("source")
    if given is None:
        return
    settings = read_source(scene.settings, given, scene.settings.method)
    told = [(at, region) for at, region in enumerate(settings.layout().regions) if region.enabled and region.prompt]
    yield from _side(replace(scene, texts=None, told=told, base=_heard(settings, told)), "source")


def _side(scene: _Scene, name: str) -> Iterator[_Job]:
    whole, option = canvas_of(scene.canvas), scene.settings.option
    jobs = [job for at, region in scene.told for job in scene.jobs(at, scene.box(region, int(option("halo"))))]
    jobs += scene.base_jobs(whole)
    if option("total"):
        jobs.append((whole, "cond", "together"))
        jobs += [(whole, "uncond", None)] if scene.progress >= option("t_total") else []
    yield from ((window, role, (name, text)) for window, role, text in jobs)


_MAKERS = {
    "mrgd": _edit,
    "p2p": _edit,
    "attention_couple": _full,
    "latent_couple": _couple,
    "multidiffusion": _multidiffusion,
    "latent_composite": _composite,
    "mask_conditioning": _full,
}


@dataclass(frozen=True)
class _Heard:
    """Where the base is heard: ``sums[i][j]`` counts the points with that in the first i rows and j columns of `_GRAIN` squared."""

    sums: tuple[tuple[int, ...], ...]

    def within(self, window: Window, canvas: tuple[int, int]) -> bool:
        """Whether the base is heard in a window of the canvas."""
        top, bottom = _points(window.top, window.bottom, canvas[0])
        left, right = _points(window.left, window.right, canvas[1])
        return self.sums[bottom][right] - self.sums[top][right] - self.sums[bottom][left] + self.sums[top][left] > 0


def _points(first: int, last: int, size: int) -> tuple[int, int]:
    """The points that lie between two edges of a side of ``size`` cells, at least one."""
    begin, end = (math.ceil(edge * _GRAIN / size - 0.5) for edge in (first, last))
    begin = min(begin, _GRAIN - 1)
    return begin, max(end, begin + 1)


def _heard(settings: Settings, told: list[tuple[int, Region]]) -> _Heard:
    """Where the base is heard: through a base share, in a hole, or by a strength of its own."""
    everywhere = not told or (settings.method == "mask_conditioning" and settings.option("base_strength") > 0)
    loud = [region for _, region in told if region.weight > 0]

    def heard(x: float, y: float) -> bool:
        here = [region for region in loud if _holds(region.shape, x, y)]
        return not here or any(region.base_share > 0 for region in here)

    sums = [(0,) * (_GRAIN + 1)]
    for row in range(_GRAIN):
        y = (row + 0.41) / _GRAIN  # off all diagonals
        line = accumulate((everywhere or heard((column + 0.5) / _GRAIN, y) for column in range(_GRAIN)), initial=0)
        sums.append(tuple(above + so_far for above, so_far in zip(sums[-1], line, strict=True)))
    return _Heard(tuple(sums))


def _holds(shape: Shape, x: float, y: float) -> bool:
    if isinstance(shape, Box):
        return shape.x0 <= x <= shape.x1 and shape.y0 <= y <= shape.y1
    if isinstance(shape, Ellipse):
        across, down = (2 * x - shape.x0 - shape.x1) / (shape.x1 - shape.x0), (2 * y - shape.y0 - shape.y1) / (shape.y1 - shape.y0)
        return across * across + down * down <= 1
    if isinstance(shape, Polygon):
        return _in_polygon(shape, x, y)
    return False


def _in_polygon(shape: Polygon, x: float, y: float) -> bool:
    inside = False
    for (x0, y0), (x1, y1) in zip(shape.points, (*shape.points[1:], shape.points[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside
