"""Masks and weight maps against the definitions of the design, evaluated point by point."""

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib_regional.request.layout.mask_codecs import encode_rle
from lib_regional.request.layout.regions import Layout, Region
from lib_regional.request.layout.shapes import Box, Ellipse, MaskImage, Polygon
from lib_regional.tensors.masks.decoding import decode_mask
from lib_regional.tensors.masks.weight_maps import (
    feather,
    occlude,
    raster_scale,
    region_mask,
    relative_shares,
    shape_mask,
    strength_maps,
    weight_maps,
)


@st.composite
def boxes(draw):
    x0, y0 = draw(st.integers(0, 90)), draw(st.integers(0, 90))
    return Box(x0 / 100, y0 / 100, draw(st.integers(x0 + 5, 100)) / 100, draw(st.integers(y0 + 5, 100)) / 100)


@st.composite
def regions(draw):
    box = draw(boxes())
    shape = draw(
        st.sampled_from([box, Ellipse(box.x0, box.y0, box.x1, box.y1), Polygon(((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1)))])
    )
    return Region(
        shape,
        weight=draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])),
        base_share=draw(st.sampled_from([0.0, 0.2, 1.0])),
        feather=draw(st.sampled_from([0.0, 0.05, 0.3])),
        priority=draw(st.integers(0, 2)),
        enabled=draw(st.booleans()),
    )


layouts = st.builds(Layout, st.lists(regions(), max_size=5).map(tuple), st.sampled_from(["blend", "over"]))


@settings(max_examples=40, deadline=None)
@given(layout=layouts, height=st.integers(1, 21), width=st.integers(1, 21))
def test_weights_are_not_negative_and_sum_to_one_at_every_cell(layout, height, width):
    maps = weight_maps(layout, height, width)
    assert maps.regions.shape == (len(layout.regions), height, width)
    assert (maps.regions >= 0).all() and (maps.base >= 0).all()
    torch.testing.assert_close(maps.regions.sum(0) + maps.base, torch.ones(height, width), atol=1e-5, rtol=0)
    for r, region in enumerate(layout.regions):
        if not region.enabled or region.weight == 0:
            assert not maps.regions[r].any()


def naive_weights(layout, height, width):
    """Section 0 of the design at one pixel after the other, then the mean of every 8×8 cell."""
    masks = [region_mask(r, height * 8, width * 8).numpy().astype(np.float64) for r in layout.regions]
    out = np.zeros((len(masks) + 1, height, width))
    for y in range(height * 8):
        for x in range(width * 8):
            m = [mask[y, x] for mask in masks]
            if layout.overlap == "over":
                m = [
                    value * np.prod([1 - m[s] for s, other in enumerate(layout.regions) if other.priority > region.priority])
                    for value, region in zip(m, layout.regions, strict=True)
                ]
            cover, total = min(1, sum(m)), sum(r.weight * v for r, v in zip(layout.regions, m, strict=True))
            shares = [(1 - r.base_share) * cover * r.weight * v / total if total else 0 for r, v in zip(layout.regions, m, strict=True)]
            for i, value in enumerate([*shares, 1 - sum(shares)]):
                out[i, y // 8, x // 8] += value / 64
    return out


@pytest.mark.parametrize("overlap", ["blend", "over"])
def test_equals_the_definition(overlap):
    layout = Layout(
        (
            Region(Box(0, 0, 0.6, 1), weight=2, base_share=0.3, feather=0.2),
            Region(Ellipse(0.3, 0.1, 1, 0.9), base_share=0, feather=0, priority=2),
            Region(Polygon(((0, 1), (1, 1), (0.5, 0.2))), weight=0.5, feather=0.1, priority=1),
        ),
        overlap,
    )
    expected = naive_weights(layout, 5, 4)
    maps = weight_maps(layout, 5, 4)
    np.testing.assert_allclose(maps.regions.numpy(), expected[:3], atol=1e-5)
    np.testing.assert_allclose(maps.base.numpy(), expected[3], atol=1e-5)


def test_neighbours_share_their_border_whatever_the_feather():
    thirds = [Box(0, 0, 1 / 3, 1), Box(1 / 3, 0, 2 / 3, 1), Box(2 / 3, 0, 1, 1)]
    for soft in (0.0, 0.07, 0.5):
        layout = Layout(tuple(Region(b, base_share=0, feather=soft) for b in thirds))
        maps = weight_maps(layout, 11, 13)
        torch.testing.assert_close(maps.regions.sum(0), torch.ones(11, 13), atol=1e-5, rtol=0)


def test_feather_is_a_linear_ramp_centred_on_the_edge_and_spares_the_canvas_border():
    mask = shape_mask(Box(0, 0, 0.5, 1), 100, 100)
    soft = feather(mask, 0.2)
    np.testing.assert_allclose(soft[50, 40:61].numpy(), np.clip((60 - np.arange(40, 61)) / 21, 0, 1), atol=1e-5)
    assert soft[0, 0] == 1 and soft[99, 0] == 1 and soft[0, 99] == 0


@settings(max_examples=40, deadline=None)
@given(points=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=3, max_size=8, unique=True))
def test_polygons_fill_by_the_even_odd_rule(points):
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True))
    if area == 0:
        return
    shape = Polygon(tuple((x / 40, y / 40) for x, y in points))
    mask = shape_mask(shape, 23, 19)
    wrong = 0
    for row in range(23):
        for column in range(19):
            y, x, inside = (row + 0.5) / 23, (column + 0.5) / 19, False
            for (x0, y0), (x1, y1) in zip(shape.points, shape.points[1:] + shape.points[:1], strict=True):
                if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside = not inside
            wrong += bool(mask[row, column]) != inside
    assert wrong <= (1 if not mask.sum() > 1 else 0) + 1  # a pixel centre exactly on an edge may fall to either side


def test_the_smallest_shapes_keep_a_pixel():
    assert shape_mask(Box(0.5, 0.5, 0.5001, 0.5001), 8, 8).sum() == 1
    assert shape_mask(Ellipse(0.99, 0.99, 1, 1), 8, 8)[7, 7] == 1


def test_a_muted_region_takes_nothing_from_its_neighbours_cover():
    masks = torch.tensor([[[0.5]], [[1.0]]])
    assert relative_shares(masks, torch.tensor([1.0, 0.0]))[0].item() == pytest.approx(0.5)


def test_occlusion_is_by_priority_alone():
    masks = torch.tensor([[[1.0]], [[0.25]], [[1.0]]])
    assert occlude(masks, [0, 1, 1]).flatten().tolist() == [0.0, 0.25, 1.0]
    assert occlude(masks, [1, 0, 0]).flatten().tolist() == [1.0, 0.0, 0.0]


def test_inactive_regions_leave_their_place_to_the_base():
    layout = Layout((Region(Box(0, 0, 0.5, 1), feather=0), Region(Box(0.5, 0, 1, 1), base_share=0.2, feather=0)))
    maps = weight_maps(layout, 4, 4, active=(1,))
    assert maps.base[:, :2].eq(1).all() and maps.regions[1, :, 2:].allclose(torch.tensor(0.8))


def png(array, mode=None):
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


GREY = (np.arange(48, dtype=np.uint8) * 5).reshape(6, 8)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(GREY), id="grey"),
        pytest.param(png(np.stack([GREY] * 3, -1)), id="rgb"),
        pytest.param(png(np.dstack([np.full((6, 8, 3), 255, np.uint8), GREY])), id="alpha"),
        pytest.param(png(GREY.astype(np.uint16) * 257), id="16 bit"),
        pytest.param(encode_rle(8, 6, GREY.tobytes()), id="run-length"),
    ],
)
def test_every_kind_of_mask_string_gives_the_same_mask(data):
    np.testing.assert_allclose(decode_mask(data).numpy(), GREY / 255, atol=0.003)
    assert shape_mask(MaskImage(data), 12, 16).shape == (12, 16)


def test_large_canvases_are_drawn_with_fewer_pixels_a_cell():
    assert [raster_scale(n, n) for n in (64, 128, 256, 512, 1024)] == [8, 8, 4, 2, 1]


@pytest.mark.parametrize("base", [0.0, 0.4, 1.0])
def test_strength_maps_are_the_normalised_sum_of_strengths(base):
    layout = Layout(
        (Region(Box(0, 0, 0.6, 1), weight=2, feather=0.3, base_share=0.25), Region(Ellipse(0.3, 0.1, 1, 0.9), weight=0.5, feather=0))
    )
    maps = strength_maps(layout, 16, 24, base_strength=base)
    scale = raster_scale(16, 24)
    masks = [region_mask(region, 16 * scale, 24 * scale) for region in layout.regions]
    for row, column in ((0, 0), (8, 12), (8, 16), (15, 23), (3, 15)):
        cells = []
        for pixel in [(row * scale + i, column * scale + j) for i in range(scale) for j in range(scale)]:
            m = [float(mask[pixel]) for mask in masks]
            cover = min(1.0, sum(m))
            loud = [m[0] * 2 * 0.75, m[1] * 0.5]
            quiet = (1 - cover) + base * cover + m[0] * 2 * 0.25
            cells.append([part / (sum(loud) + quiet) for part in (*loud, quiet)])
        expected = torch.tensor(cells).mean(0)
        found = torch.stack([*maps.regions[:, row, column], maps.base[row, column]])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_strength_over_the_whole_canvas_leaves_nothing_to_the_base():
    maps = strength_maps(Layout((Region(Box(0, 0, 1, 1), feather=0),)), 5, 7)
    assert torch.equal(maps.regions[0], torch.ones(5, 7)) and not maps.base.any()
    halved = strength_maps(Layout((Region(Box(0, 0, 1, 1), feather=0),)), 5, 7, base_strength=1.0)
    torch.testing.assert_close(halved.base, torch.full((5, 7), 0.5))
