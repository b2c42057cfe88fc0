"""UNet work of one step, method by method: the predictions that each of them makes, as rectangles with a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..layout.windows import canvas_of, region_tiles, tiles, widened
from .scene import Job, Scene, base_cover, work_of

if TYPE_CHECKING:
    from collections.abc import Callable

_COUPLE = 0.004
"""Attention couple: extra cost of a region, its keys and values and the calls of the layers."""


def plain(scene: Scene) -> float:
    """A picture by the main prompt alone."""
    return scene.plain


def couple(scene: Scene) -> float:
    """One pass, and a little for every region."""
    return scene.plain * (1 + _COUPLE * len(scene.active))


def whole(scene: Scene) -> float:
    """Every region's prediction covers the whole canvas."""
    return _regional(scene, _whole_jobs)


def cropped(scene: Scene) -> float:
    """Latent couple: the whole canvas, or a crop around each region."""
    return _regional(scene, _crop_jobs if scene.settings.option_of("latent_couple")("mode") == "crop" else _whole_jobs)


def windows(scene: Scene) -> float:
    """MultiDiffusion: windows of the trained size over regions and canvas."""
    return work_of(_window_jobs(scene))


def composite(scene: Scene, after: Callable[[Scene, str], float]) -> float:
    """Latent composite: each region alone in its box first; then ``after(scene, method)`` of the method that goes on."""
    option = scene.settings.option_of("latent_composite")
    if scene.progress < option("alone"):
        return _regional(scene, _alone_jobs)
    return scene.plain if option("after") == "nothing" else after(scene, option("after"))


def bound(scene: Scene) -> float:
    """RAG: each region alone in its box first, and the whole canvas where the base shows; then attention couple."""
    return _regional(scene, _alone_jobs) if scene.progress < scene.settings.option_of("rag")("bind") else couple(scene)


def edit(scene: Scene) -> float:
    """Both trajectories of an edit."""
    return _regional(scene, _edit_jobs)


def _regional(scene: Scene, jobs: Callable[[Scene], Iterator[Job]]) -> float:
    """Work of a method that leaves steps without active regions to the host."""
    return work_of(jobs(scene)) if scene.active else scene.plain


def _whole_jobs(scene: Scene) -> Iterator[Job]:
    for at, _ in scene.active:
        yield from scene.jobs(at, scene.whole)
    yield from scene.base_jobs(scene.whole)


def _crop_jobs(scene: Scene) -> Iterator[Job]:
    option = scene.settings.option_of("latent_couple")
    hard = scene.progress < option("soft_from")
    for at, region in scene.active:
        yield from scene.jobs(at, scene.box(region, option("halo"), hard))
    yield from scene.base_jobs(scene.whole)


def _alone_jobs(scene: Scene) -> Iterator[Job]:
    for at, region in scene.active:
        yield from scene.jobs(at, scene.box(region, 0, hard=True))
    yield from scene.base_jobs(scene.whole)


def _window_jobs(scene: Scene) -> Iterator[Job]:
    option = scene.settings.option_of("multidiffusion")
    side = max(8, int(option("window") / 8 or scene.trained) // 8 * 8)
    hard = scene.progress < option("soft_from")
    for at, region in scene.active:
        area = scene.box(region, 0, hard)
        if option("crop") == "window":
            area = widened(area, scene.canvas, side)
        for window in region_tiles(area, side, option("overlap")):
            bootstrapped = scene.progress < option("bootstrap")  # then no two regions share a latent
            yield from ((window, role, (at, text) if bootstrapped else text) for window, role, text in scene.jobs(at, window))
    joined = option("total") > 0 and scene.progress >= option("total_from")
    for window in tiles(canvas_of(scene.canvas), side, option("overlap")):
        yield from scene.base_jobs(window)
        if joined:
            yield from ((window, "cond", "together"), (window, "uncond", None))


def _edit_jobs(scene: Scene) -> Iterator[Job]:
    """Both trajectories; each of them predicts its regions, its base and, in the end, the whole picture with all texts joined."""
    yield from _trajectory_jobs(scene, "target")
    source = scene.source
    if source is None:
        return
    active = tuple((at, region) for at, region in enumerate(source.layout().regions) if region.enabled and region.prompt)
    yield from _trajectory_jobs(replace(scene, texts=None, active=active, base=base_cover(source, active)), "source")


def _trajectory_jobs(scene: Scene, name: str) -> Iterator[Job]:
    option = scene.settings.option
    jobs = [job for at, region in scene.active for job in scene.jobs(at, scene.box(region, int(option("halo"))))]
    jobs += scene.base_jobs(scene.whole)
    if option("total"):
        jobs.append((scene.whole, "cond", "together"))
        jobs += [(scene.whole, "uncond", None)] if scene.progress >= option("t_total") else []
    yield from ((window, role, (name, text)) for window, role, text in jobs)
