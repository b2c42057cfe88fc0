"""Procedural masks and operations against their definitions, evaluated pixel by pixel."""

import math

import numpy as np
import pytest
import torch

from lib_regional.request.layout.procedural import GLYPHS, has_glyph
from lib_regional.request.layout.regions import Layout, Region
from lib_regional.request.layout.shapes import read_shape
from lib_regional.tensors.masks.combining import blurred, dilated
from lib_regional.tensors.masks.procedural import FONT, perlin_noise, value_noise
from lib_regional.tensors.masks.weight_maps import shape_mask, weight_maps

HEIGHT, WIDTH = 24, 40


def drawn(kind: str, **parameters) -> np.ndarray:
    return shape_mask(read_shape("procedural", {"kind": kind, **parameters}), HEIGHT, WIDTH).numpy()


def combined(op: str, *of: dict, **more) -> np.ndarray:
    return shape_mask(read_shape("combined", {"op": op, "of": list(of), **more}), HEIGHT, WIDTH).numpy()


def point_by_point(value) -> np.ndarray:
    """``value(x, y)`` in pixels at every pixel's centre."""
    return np.array([[value(column + 0.5, row + 0.5) for column in range(WIDTH)] for row in range(HEIGHT)])


def between(stops, at: float) -> float:
    """Linear between the stops, constant beyond them."""
    if at <= stops[0][0]:
        return stops[0][1]
    for (low, first), (high, second) in zip(stops, stops[1:], strict=False):
        if at <= high and high > low:
            return first + (second - first) * (at - low) / (high - low)
    return stops[-1][1]


STOPS = [[0.1, 0.2], [0.4, 1], [0.9, 0]]


def test_a_linear_gradient():
    (x0, y0), (x1, y1) = (0.25 * WIDTH, 0.5 * HEIGHT), (0.75 * WIDTH, 1 * HEIGHT)
    long = math.hypot(x1 - x0, y1 - y0)

    def value(x, y):
        angle = math.atan2(y1 - y0, x1 - x0)
        return between(STOPS, ((x - x0) * math.cos(angle) + (y - y0) * math.sin(angle)) / long)

    found = drawn("linear", **{"from": [0.25, 0.5], "to": [0.75, 1], "stops": STOPS})
    assert np.allclose(found, point_by_point(value), atol=1e-6)


def test_a_radial_gradient_is_a_circle_in_every_format():
    centre, radius = (0.5 * WIDTH, 0.25 * HEIGHT), 0.5 * WIDTH
    found = drawn("radial", **{"from": [0.5, 0.25], "to": [1, 0.25], "stops": STOPS})
    assert np.allclose(found, point_by_point(lambda x, y: between(STOPS, math.dist((x, y), centre) / radius)), atol=1e-6)


def test_an_angular_gradient_goes_round_clockwise():
    centre = (0.5 * WIDTH, 0.5 * HEIGHT)

    def value(x, y):
        degrees = math.degrees(math.atan2(y - centre[1], x - centre[0])) - 90  # the second point lies below the centre
        return between(STOPS, (degrees % 360) / 360)

    found = drawn("angular", **{"from": [0.5, 0.5], "to": [0.5, 1], "stops": STOPS})
    assert np.allclose(found, point_by_point(value), atol=1e-6)


def test_a_gradient_and_its_reverse_share_every_cell():
    ways = ({"from": [0, 0.2], "to": [1, 0.9]}, {"from": [1, 0.9], "to": [0, 0.2]})
    regions = tuple(Region(read_shape("procedural", {"kind": "linear", **way}), prompt="a", feather=0) for way in ways)
    maps = weight_maps(Layout(regions), 16, 24)
    assert torch.allclose(maps.regions.sum(0), torch.ones(16, 24), atol=1e-6) and maps.base.abs().max() < 1e-6


@pytest.mark.parametrize(("angle", "share", "phase"), [(0, 0.5, 0), (30, 0.25, 0.4), (-90, 0.7, 0)])
def test_stripes(angle, share, phase):
    turn = math.radians(angle)

    def value(x, y):
        across = (x - WIDTH / 2) * math.cos(turn) + (y - HEIGHT / 2) * math.sin(turn) + WIDTH / 2
        return float((across * 5 / HEIGHT + phase) % 1 < share)

    assert np.array_equal(drawn("stripes", count=5, angle=angle, share=share, phase=phase), point_by_point(value))


def test_checks():
    value = lambda x, y: float((math.floor(2 * (3 * x / HEIGHT)) + math.floor(2 * (3 * y / HEIGHT))) % 2 == 0)  # noqa: E731
    assert np.array_equal(drawn("checks", count=3), point_by_point(value))


def corner_number(column: int, row: int, seed: int) -> float:
    """The random number of a corner, by arithmetic modulo 2**64."""

    def mixed(value: int) -> int:
        value = (value + 0x9E3779B97F4A7C15) % 2**64
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
        return value ^ (value >> 31)

    return (mixed(mixed(seed ^ mixed(row)) ^ mixed(column)) >> 11) / 2**53


def noise_at(x: float, y: float, seed: int, corner) -> float:
    """Both noises at one point: ``corner(number, x from there, y from there)`` blended over four corners."""
    fade = lambda t: 6 * t**5 - 15 * t**4 + 10 * t**3  # noqa: E731
    column, row = math.floor(x), math.floor(y)
    total = 0.0
    for right in (0, 1):
        for low in (0, 1):
            weight = (fade(x - column) if right else 1 - fade(x - column)) * (fade(y - row) if low else 1 - fade(y - row))
            total += weight * corner(corner_number(column + right, row + low, seed), x - column - right, y - row - low)
    return total


CORNERS = {
    value_noise: (lambda number, x, y: number, lambda total: total),
    perlin_noise: (
        lambda number, x, y: math.cos(2 * math.pi * number) * x + math.sin(2 * math.pi * number) * y,
        lambda total: 0.5 + total / math.sqrt(2),
    ),
}


@pytest.mark.parametrize("kind", CORNERS, ids=lambda kind: kind.__name__)
def test_noise_is_its_definition_at_every_point(kind):
    x, y = np.linspace(0.05, 3.7, 9), np.linspace(0.3, 2.9, 7)
    corner, scaled = CORNERS[kind]
    wanted = [[scaled(noise_at(across, down, 11, corner)) for across in x] for down in y]
    assert np.allclose(kind(x, y, 11), wanted, atol=1e-9)


@pytest.mark.parametrize("kind", ["value_noise", "perlin_noise"])
def test_noise_is_the_same_at_every_size_and_another_by_seed(kind):
    shape = read_shape("procedural", {"kind": kind, "cells": 4, "octaves": 2})
    small, large = shape_mask(shape, 32, 48), shape_mask(shape, 96, 144)
    assert torch.allclose(large[1::3, 1::3], small, atol=1e-6)
    assert np.abs(drawn(kind, seed=1) - drawn(kind, seed=2)).max() > 0.1
    assert large.min() >= 0 and large.max() <= 1 and large.std() > 0.05


def test_octaves_are_added_at_half_the_strength_and_twice_the_frequency():
    x, y = (np.arange(WIDTH) + 0.5) * 4 / HEIGHT, (np.arange(HEIGHT) + 0.5) * 4 / HEIGHT
    layers = [value_noise(x * 2**level, y * 2**level, 7 + (level << 32)) for level in range(3)]
    assert np.allclose(drawn("value_noise", seed=7, octaves=3), (layers[0] + layers[1] / 2 + layers[2] / 4) / 1.75, atol=1e-6)


def test_a_threshold_cuts_and_its_softness_is_a_ramp():
    plain = drawn("value_noise", cells=3)
    assert np.array_equal(drawn("value_noise", cells=3, threshold=0.4), (plain >= 0.4).astype(np.float32))
    assert np.allclose(drawn("value_noise", cells=3, threshold=0.4, softness=0.2), np.clip((plain - 0.3) / 0.2, 0, 1), atol=1e-5)


def test_a_text_fills_its_box_in_one_direction_and_stays_inside():
    found = drawn("text", text="Ab\nЖ", box=[0.25, 0.1, 0.95, 0.9])
    rows, columns = np.nonzero(found)
    box = (0.25 * WIDTH, 0.1 * HEIGHT, 0.95 * WIDTH, 0.9 * HEIGHT)
    assert columns.min() >= math.floor(box[0]) and columns.max() < math.ceil(box[2])
    assert rows.min() >= math.floor(box[1]) and rows.max() < math.ceil(box[3])
    assert rows.max() - rows.min() + 1 >= 0.8 * (box[3] - box[1]) - 2 or columns.max() - columns.min() + 1 >= 0.8 * (box[2] - box[0]) - 2
    assert np.abs(drawn("text", text="A") - drawn("text", text="B")).sum() > 10


def test_the_font_has_the_letters_that_are_allowed():
    ttLib = pytest.importorskip("fontTools.ttLib")
    letters = set(ttLib.TTFont(FONT).getBestCmap())
    assert letters == {code for first, last in GLYPHS for code in range(first, last + 1)}
    assert has_glyph("Ж") and not has_glyph("帽")


SOFT = {"procedural": {"kind": "perlin_noise", "cells": 3}}
BOX = {"box": [0.25, 0.25, 0.75, 0.75]}


def test_operations_on_several_masks():
    soft, box = drawn("perlin_noise", cells=3), combined("union", BOX, BOX)
    assert np.array_equal(combined("union", SOFT, BOX), np.maximum(soft, box))
    assert np.array_equal(combined("intersection", SOFT, BOX), np.minimum(soft, box))
    assert np.allclose(combined("difference", SOFT, BOX, BOX), np.minimum(soft, 1 - box))


def test_operations_on_one_mask():
    soft = drawn("perlin_noise", cells=3)
    assert np.array_equal(combined("invert", SOFT), 1 - soft)
    assert np.array_equal(combined("mirror", SOFT), soft[:, ::-1]) and np.array_equal(combined("mirror", SOFT, axis="y"), soft[::-1])
    assert np.array_equal(combined("threshold", SOFT, amount=0.5), (soft >= 0.5).astype(np.float32))
    assert np.array_equal(combined("invert", {"combined": {"op": "invert", "of": [SOFT]}}), 1 - (1 - soft))


@pytest.mark.parametrize("radius", [0.5, 1, 2.3, 6])
def test_growing_is_the_largest_value_within_a_distance_and_shrinking_its_dual(radius):
    soft = drawn("perlin_noise", cells=5)
    cells = [(row, column) for row in range(-7, 8) for column in range(-7, 8) if row * row + column * column <= radius * radius]

    def widest(mask):
        found = np.zeros_like(mask)
        for row in range(HEIGHT):
            for column in range(WIDTH):
                near = [(row + down, column + across) for down, across in cells]
                found[row, column] = max(mask[at] for at in near if 0 <= at[0] < HEIGHT and 0 <= at[1] < WIDTH)
        return found

    noise = {"procedural": {"kind": "perlin_noise", "cells": 5}}
    amount = radius / HEIGHT
    assert np.array_equal(combined("grow", noise, amount=amount), widest(soft))
    assert np.allclose(combined("shrink", noise, amount=amount), 1 - widest(1 - soft), atol=1e-7)


def test_a_disc_grows_into_a_disc():
    point = torch.zeros(41, 41)
    point[20, 20] = 1
    wanted = [[float(math.hypot(row - 20, column - 20) <= 41 * 0.2) for column in range(41)] for row in range(41)]
    assert torch.equal(dilated(point, 0.2), torch.tensor(wanted))


def test_blur_is_a_gaussian_that_keeps_the_border():
    sigma = 0.1 * HEIGHT
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-10, 11)]
    box = combined("union", BOX, BOX)

    def value(row, column):
        total = 0.0
        for down, first in zip(range(-10, 11), weights, strict=True):
            for across, second in zip(range(-10, 11), weights, strict=True):
                inside = min(HEIGHT - 1, max(0, row + down)), min(WIDTH - 1, max(0, column + across))
                total += first * second * box[inside]
        return total / sum(weights) ** 2

    found = combined("blur", BOX, amount=0.1)
    for at in ((0, 0), (6, 9), (12, 20), (17, 30), (23, 39)):
        assert found[at] == pytest.approx(value(*at), abs=2e-4)
    assert torch.allclose(blurred(torch.ones(8, 9), 0.2), torch.ones(8, 9))
