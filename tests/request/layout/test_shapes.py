"""Shapes: what they refuse, and how they meet pixels."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lib_regional.request.errors import SettingsError
from lib_regional.request.layout.shapes import SHAPES, Box, Ellipse, MaskImage, Polygon, read_shape

fractions = st.floats(0, 1)
sizes = st.integers(1, 5000)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, x1 = sorted((draw(fractions), draw(fractions)))
    y0, y1 = sorted((draw(fractions), draw(fractions)))
    assume(x0 < x1 and y0 < y1)
    return Box(x0, y0, x1, y1)


BAD_CORNERS = [
    pytest.param([0, 0, 1], "four numbers", id="three numbers"),
    pytest.param([0, 0, 1, 1, 1], "four numbers", id="five numbers"),
    pytest.param("0,0,1,1", "four numbers", id="a string"),
    pytest.param(None, "four numbers", id="null"),
    pytest.param({"x0": 0}, "four numbers", id="an object"),
    pytest.param([-0.1, 0, 1, 1], "x0 must be 0 or more, got -0.1", id="left of the canvas"),
    pytest.param([0, 0, 1, 1.5], "y1 must be 1 or less, got 1.5", id="below the canvas"),
    pytest.param([2, 0, 3, 1], "x0 must be 1 or less", id="outside"),
    pytest.param([0, 0, 512, 512], "x1 must be 1 or less, got 512", id="pixels"),
    pytest.param([0.5, 0, 0.5, 1], "x0 < x1", id="no width"),
    pytest.param([0, 0.7, 1, 0.3], "y0 < y1", id="upside down"),
    pytest.param([0, 0, math.nan, 1], "x1 must be a number", id="nan"),
    pytest.param([0, 0, math.inf, 1], "x1 must be 1 or less", id="infinite"),
    pytest.param([0, 0, True, 1], "x1 must be a number", id="boolean"),
    pytest.param([0, 0, "1", 1], "x1 must be a number", id="text"),
    pytest.param([0, 0, 10**400, 1], "x1 must be 1 or less", id="huge integer"),
]


@pytest.mark.parametrize("kind", ["box", "ellipse"])
@pytest.mark.parametrize(("value", "text"), BAD_CORNERS)
def test_bad_corners(kind: str, value: object, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_shape(kind, value)
    assert text in str(caught.value)
    assert all(problem.field.startswith(kind) for problem in caught.value.problems)


def test_every_bad_corner_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Box(-1, 0, 2, math.nan)
    assert [problem.field for problem in caught.value.problems] == ["box[0]", "box[2]", "box[3]"]


BAD_POLYGONS = [
    pytest.param([[0, 0], [1, 1]], "3 to 512 points, got 2", id="two points"),
    pytest.param([], "got 0", id="none"),
    pytest.param([[0, 0]] * 513, "got 513", id="too many"),
    pytest.param("abc", "got no list", id="a string"),
    pytest.param([[0, 0], [1, 1], [0.5]], "polygon[2] must be two numbers", id="half a point"),
    pytest.param([[0, 0], [1, 1], [0.5, 1.2]], "polygon[2] must be two numbers from 0 to 1", id="outside"),
    pytest.param([[0, 0], [1, 1], [0.5, math.nan]], "polygon[2]", id="nan"),
    pytest.param([[0, 0], [1, 1], None], "polygon[2]", id="null"),
    pytest.param([[0, 0], [0.5, 0.5], [1, 1]], "no area", id="on a line"),
    pytest.param([[0.5, 0.5]] * 3, "no area", id="one place"),
    pytest.param([[0, 0], [1, 0], [1, 1], [1, 0]], "no area", id="there and back"),
]


@pytest.mark.parametrize(("value", "text"), BAD_POLYGONS)
def test_bad_polygons(value: object, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_shape("polygon", value)
    assert text in str(caught.value)


def test_a_figure_eight_has_an_area() -> None:
    eight = Polygon(((0, 0), (1, 1), (1, 0), (0, 1)))
    assert eight.bounds == Box(0, 0, 1, 1)


def test_bounds() -> None:
    assert Polygon(((0.2, 0.3), (0.8, 0.4), (0.5, 0.9))).bounds == Box(0.2, 0.3, 0.8, 0.9)
    assert Ellipse(0.1, 0.2, 0.3, 0.4).bounds == Box(0.1, 0.2, 0.3, 0.4)
    mask = MaskImage("rle:2x1:0,255")
    assert (mask.bounds, mask.size) == (Box(0, 0, 1, 1), (2, 1))


PIXELS = [
    pytest.param(Box(0, 0, 1, 1), (512, 768), (0, 0, 512, 768), id="everything"),
    pytest.param(Box(0, 0, 0.5, 1), (513, 10), (0, 0, 257, 10), id="half rounds up"),
    pytest.param(Box(0.5, 0, 1, 1), (513, 10), (257, 0, 513, 10), id="its neighbour"),
    pytest.param(Box(0.5, 0.5, 0.5001, 0.5001), (100, 100), (50, 50, 51, 51), id="a pixel at least"),
    pytest.param(Box(0.999, 0.999, 1, 1), (10, 10), (9, 9, 10, 10), id="a pixel at the end"),
]


@pytest.mark.parametrize(("box", "size", "pixels"), PIXELS)
def test_pixels(box: Box, size: tuple[int, int], pixels: tuple[int, int, int, int]) -> None:
    assert box.pixels(*size) == pixels


@given(boxes(), sizes, sizes)
def test_pixels_lie_inside_and_are_not_empty(box: Box, width: int, height: int) -> None:
    left, top, right, bottom = box.pixels(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(st.lists(fractions, min_size=1, max_size=8, unique=True), st.integers(200, 3000))
def test_neighbours_share_their_border(cuts: list[float], width: int) -> None:
    edges = sorted({0.0, 1.0, *cuts})
    assume(all(b - a > 1 / width for a, b in zip(edges, edges[1:])))
    spans = [Box(a, 0, b, 1).pixels(width, 1) for a, b in zip(edges, edges[1:])]
    assert [right for _, _, right, _ in spans[:-1]] == [left for left, _, _, _ in spans[1:]]
    assert (spans[0][0], spans[-1][2]) == (0, width)


@given(boxes())
def test_boxes_round_trip(box: Box) -> None:
    assert Box.from_json(box.to_json()["box"]) == box
    assert Ellipse.from_json([box.x0, box.y0, box.x1, box.y1]).bounds == box


@given(st.lists(st.tuples(fractions, fractions), min_size=3, max_size=12))
def test_polygons_round_trip_or_are_refused_by_name(points: list[tuple[float, float]]) -> None:
    try:
        polygon = Polygon(tuple(points))
    except SettingsError as error:
        assert "no area" in str(error)
    else:
        assert read_shape("polygon", polygon.to_json()["polygon"]) == polygon
        assert polygon.bounds


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=5)
)


@given(st.sampled_from(sorted(SHAPES)), anything)
def test_whatever_comes_is_a_shape_or_a_settings_error(kind: str, value: object) -> None:
    try:
        assert read_shape(kind, value).to_json().keys() == {kind}
    except SettingsError as error:
        assert all(problem.field.startswith(kind) for problem in error.problems)


def test_shapes_are_values() -> None:
    assert len({Box(0, 0, 1, 1), Box(0.0, 0.0, 1.0, 1.0), Ellipse(0, 0, 1, 1)}) == 2
    with pytest.raises(AttributeError):
        Box(0, 0, 1, 1).x0 = 0.5  # type: ignore[misc]
