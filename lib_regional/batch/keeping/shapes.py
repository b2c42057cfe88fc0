"""Regions as outlines: points for a drawing, and SVG for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ...request.errors import SettingsError
from ...request.layout.boxes import Ellipse
from ...request.layout.regions import Region
from ...request.layout.shapes import Polygon
from ..jobs.requests import Job

COLOURS = ("#ff5d5d", "#ffb000", "#4dd26b", "#38c6ff", "#a98bff", "#ff7ad9", "#c0d500", "#00d5b0")
_CORNERS = 40
Points = Sequence[tuple[float, float]]


def regions_of(job: Job) -> tuple[Region, ...]:
    """The regions of a job's settings; none where it has none, or where they cannot be read any more."""
    try:
        settings = job.settings
        return () if settings is None else settings.layout().regions
    except SettingsError:
        return ()


def colour_of(at: int) -> str:
    """The colour of a region by its position."""
    return COLOURS[at % len(COLOURS)]


def outline(region: Region) -> tuple[Points, bool]:
    """(corners in the unit square, whether they are exact): of masks and computed shapes the box around them."""
    shape = region.shape
    if isinstance(shape, Polygon):
        return shape.points, True
    box = shape.bounds
    if isinstance(shape, Ellipse):
        turns = [2 * math.pi * at / _CORNERS for at in range(_CORNERS)]
        middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        half = (box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2
        return [(middle[0] + half[0] * math.cos(turn), middle[1] + half[1] * math.sin(turn)) for turn in turns], True
    return [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)], shape.KIND == "box"


def svg(regions: Sequence[Region]) -> str:
    """The regions over a picture, in units of a thousandth of its sides."""
    parts = []
    for at, region in enumerate(regions):
        corners, exact = outline(region)
        points = " ".join(f"{1000 * x:.0f},{1000 * y:.0f}" for x, y in corners)
        dashes = "" if exact else ' stroke-dasharray="6 4"'
        title = escape(region.prompt)
        parts.append(f'<polygon points="{points}" stroke="{colour_of(at)}"{dashes}><title>{at + 1}. {title}</title></polygon>')
    return f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none">{"".join(parts)}</svg>'
