"""Whether a point of the unit square lies in a shape."""

from __future__ import annotations

from .boxes import Box, Ellipse
from .shapes import Polygon, Shape


def contains(shape: Shape, x: float, y: float) -> bool:
    """Whether ``shape`` contains (x, y). A mask that is a picture contains nothing: its pixels are decoded elsewhere."""
    if isinstance(shape, Box):
        return shape.x0 <= x <= shape.x1 and shape.y0 <= y <= shape.y1
    if isinstance(shape, Ellipse):
        across, down = (2 * x - shape.x0 - shape.x1) / (shape.x1 - shape.x0), (2 * y - shape.y0 - shape.y1) / (shape.y1 - shape.y0)
        return across * across + down * down <= 1
    return isinstance(shape, Polygon) and _in_polygon(shape, x, y)


def _in_polygon(shape: Polygon, x: float, y: float) -> bool:
    """Even-odd rule."""
    inside = False
    for (x0, y0), (x1, y1) in zip(shape.points, (*shape.points[1:], shape.points[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside
