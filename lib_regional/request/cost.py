"""Estimate of a generation's cost: UNet work relative to the plain picture. Arithmetic on rectangles, no model.

An estimate counts what every step predicts, as the methods do (`methods.work`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .detail.passes import GROWTH, details_of, working_size
from .edit.pairing import read_source
from .layout.regions import Region
from .layout.windows import Grid
from .methods.scene import Scene, base_cover, plain_work
from .methods.specs import METHODS
from .prompt.region_prompts import ImageTexts
from .settings import Settings
from .words.search import probe_of
from .words.shape import Words

TRAINED = 64
"""Default side in cells of the latents that a model is trained on (SD1)."""


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

    ``texts`` are the regions' prompts where they are known; else every region counts as having a text of its own. ``trained`` is
    the side of the model's own latents in cells. Raises SettingsError for layouts that cannot be read.
    """
    layout = settings.layout()
    if not settings.enabled:
        return Cost(1.0)
    canvas = (max(1, size[1] // 8), max(1, size[0] // 8))
    spec = METHODS[settings.method]
    own = (float(settings.option(name)) for name in spec.edges)
    ranges = [region.steps for region in layout.regions] + [r.reference.steps for r in layout.regions if r.reference is not None]
    edges = sorted({0.0, 1.0, *(edge for span in ranges for edge in span), *own, probe_of(layout.regions)})
    scenes = ((after - before, _scene(settings, layout.regions, canvas, texts, trained, before)) for before, after in pairwise(edges))
    work = sum(share * spec.work(scene) for share, scene in scenes) + _detail_work(settings, layout.regions, size, trained)
    return Cost(work / plain_work(canvas))


def _detail_work(settings: Settings, regions: tuple[Region, ...], size: tuple[int, int], trained: int) -> float:
    """GFLOP of the detail passes per step of the picture, as if all had the picture's number of steps."""
    work = 0.0
    for at, detail in details_of(settings):
        bounds = regions[at].shape.bounds
        (left, right), (top, bottom) = (
            (low * side, high * side) for low, high, side in ((bounds.x0, bounds.x1, size[0]), (bounds.y0, bounds.y1, size[1]))
        )
        more = detail.margin + GROWTH * min(right - left, bottom - top)
        wide, high = min(size[0], right + more) - max(0, left - more), min(size[1], bottom + more) - max(0, top - more)
        width, height = working_size((max(1, round(wide)), max(1, round(high))), trained * 8, detail.scale)
        work += detail.denoise * plain_work((height // 8, width // 8))
    return work


def _scene(settings: Settings, regions: tuple[Region, ...], canvas: Grid, texts: ImageTexts | None, trained: int, progress: float) -> Scene:
    """The step at ``progress``: regions inside their step range that have a text, a negative, a CFG scale or a reference that acts."""
    probing = progress < probe_of(regions)
    acting = ((at, region) for at, region in enumerate(regions) if region.enabled and region.steps[0] <= progress < region.steps[1])
    now = [(at, region) for at, region in acting if not (probing and isinstance(region.shape, Words))]
    active = tuple((at, region) for at, region in now if _has_text(at, region, texts) or region.refers(progress))
    given = settings.option("source") if METHODS[settings.method].edits else None
    source = None if given is None else read_source(settings, given, settings.method)
    return Scene(settings, canvas, texts, trained, progress, active, base_cover(settings, active), source)


def _has_text(at: int, region: Region, texts: ImageTexts | None) -> bool:
    if texts is None:
        return True
    return bool(texts.regions[at]) or texts.region_negatives[at] is not None or region.cfg_scale is not None
