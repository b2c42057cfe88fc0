"""Windows: boxes around maps, crops that fit the UNet, tiles whose weights sum to 1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib_regional.tensors.latents.windows import Window, canvas_of, fitted, support, tile_weights, tiles


def test_support_is_the_box_around_what_counts():
    weight = torch.zeros(9, 12)
    weight[2:5, 7] = 0.3
    weight[8, 0] = 1e-6
    assert support(weight) == Window(2, 7, 5, 8)
    assert support(torch.zeros(4, 4)) is None


def test_a_window_is_a_view():
    canvas = torch.zeros(2, 9, 12)
    window = Window(2, 7, 5, 8)
    window.of(canvas).add_(1)
    assert canvas.sum() == 6 and window.grid == (3, 1) and window.cells == 3 and canvas_of((9, 12)).of(canvas) is not None


FITTED = [
    pytest.param(Window(3, 9, 5, 12), (64, 64), 0, Window(0, 8, 8, 16), id="to multiples of 8"),
    pytest.param(Window(0, 0, 64, 32), (64, 64), 8, Window(0, 0, 64, 40), id="halo"),
    pytest.param(Window(60, 63, 65, 65), (65, 65), 0, Window(56, 56, 65, 65), id="odd canvas"),
    pytest.param(Window(64, 64, 65, 65), (65, 65), 0, Window(57, 57, 65, 65), id="at least 8 at an odd edge"),
    pytest.param(Window(0, 0, 5, 5), (5, 6), 3, Window(0, 0, 5, 6), id="canvas smaller than a crop"),
]  # fmt: skip


@pytest.mark.parametrize(("box", "canvas", "halo", "expected"), FITTED)
def test_crops_fit_the_unet(box, canvas, halo, expected):
    assert fitted(box, canvas, halo) == expected


@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_a_crop_holds_its_box_inside_the_canvas(height, width, data):
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Window(top, left, data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width)))
    crop = fitted(box, (height, width), data.draw(st.integers(0, 10)))
    assert 0 <= crop.top <= box.top and box.bottom <= crop.bottom <= height
    assert 0 <= crop.left <= box.left and box.right <= crop.right <= width
    assert crop.grid[0] >= min(8, height) and crop.grid[1] >= min(8, width)


@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from([8, 16, 64]), st.sampled_from([0.0, 0.1, 0.5, 0.75]))
def test_tiles_cover_the_area_and_their_weights_sum_to_one(height, width, side, overlap):
    area = Window(3, 5, 3 + height, 5 + width)
    windows = tiles(area, side, overlap)
    total, count = torch.zeros(200, 200), torch.zeros(200, 200)
    for window, weight in zip(windows, tile_weights(windows), strict=True):
        assert weight.shape == window.grid and float(weight.min()) > 0 and max(window.grid) <= side
        window.of(total).add_(weight)
        window.of(count).add_(1)
    inside = area.of(torch.ones(200, 200))
    torch.testing.assert_close(area.of(total), inside)
    assert total.sum() == pytest.approx(height * width, rel=1e-4) and len(set(windows)) == len(windows)


def test_neighbours_overlap_by_the_share_asked_for():
    for overlap in (0.25, 0.5, 0.75):
        lefts = sorted({w.left for w in tiles(canvas_of((64, 300)), 64, overlap)})
        assert all(0 < b - a <= 64 * (1 - overlap) for a, b in zip(lefts, lefts[1:], strict=False)) and lefts[-1] == 300 - 64


def test_weights_fade_towards_neighbours_and_not_towards_the_border():
    first, last = tile_weights(tiles(canvas_of((8, 24)), 16, 0.5))
    assert first[0].tolist() == pytest.approx([1.0] * 8 + [(7.5 - i) / 8 for i in range(8)])
    torch.testing.assert_close(first.flip(1), last)
