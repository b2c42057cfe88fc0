"""Scenes and their pictures."""

from __future__ import annotations

import numpy as np
import pytest

from lib_regional.standalone.train.data import drawing, scene
from lib_regional.standalone.train.data.scene import BACKGROUNDS, BASE_SHAPES, COLOURS, EXTRA_SHAPES, SIZES, Scene, Thing


def chroma(picture: np.ndarray) -> np.ndarray:
    picture = picture.astype(int)
    return picture.max(-1) - picture.min(-1)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_picture_has_the_size_asked_for(size: tuple[int, int]) -> None:
    picture = drawing.draw(scene.random_scene(np.random.default_rng(0), size))
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


def test_same_seed_same_picture() -> None:
    first, second = (drawing.draw(scene.random_scene(np.random.default_rng(4))) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_backgrounds_are_unsaturated(name: str) -> None:
    assert chroma(drawing.draw(Scene(128, 128, (name,)))).max() < 40


@pytest.mark.parametrize("colour", COLOURS)
def test_objects_are_saturated(colour: str) -> None:
    picture = drawing.draw(Scene(64, 64, ("sky",), (Thing("square", colour, 32, 32, 20, shade=0.9),)))
    assert chroma(picture)[32, 32] > 120


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_textures_repeat_on_the_latent_grid(name: str) -> None:
    picture = drawing.draw(Scene(128, 128, (name,)))
    assert np.array_equal(picture[:96], picture[32:]) and np.array_equal(picture[:, :96], picture[:, 32:])


@pytest.mark.parametrize("shape", (*BASE_SHAPES, *EXTRA_SHAPES))
def test_shape_stays_within_its_reach(shape: str) -> None:
    thing = Thing(shape, "red", 48, 48, 30, 0.15)
    share = drawing.coverage(thing, 96, 96)
    rows, columns = np.nonzero(share > 0.5)
    assert np.hypot(rows + 0.5 - 48, columns + 0.5 - 48).max() <= thing.reach + 1.5
    assert share.sum() > 0.3 * 30**2


def test_ring_has_a_hole_and_the_cross_has_none() -> None:
    assert drawing.coverage(Thing("ring", "red", 48, 48, 22), 96, 96)[48, 48] == 0
    assert drawing.coverage(Thing("cross", "red", 48, 48, 22), 96, 96)[48, 48] == 1


def test_things_neither_overlap_nor_leave_the_picture() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        made = scene.random_scene(rng, count=3)
        total = sum(drawing.coverage(thing, 128, 128) for thing in made.things)
        assert total.max() <= 1.0 + 1e-6
        assert max(total[0].max(), total[-1].max(), total[:, 0].max(), total[:, -1].max()) == 0


def test_the_base_set_leaves_the_star_out() -> None:
    rng = np.random.default_rng(2)
    shapes = {thing.shape for _ in range(200) for thing in scene.random_scene(rng).things}
    assert shapes == set(BASE_SHAPES)


def test_two_backgrounds_meet_at_the_split() -> None:
    picture = drawing.draw(Scene(128, 128, ("night", "snow"), axis=1, split=64))
    assert picture[:, :64].mean() < 80 < 200 < picture[:, 64:].mean()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Thing("blob", "red", 0, 0, 1), "shape must be one of"),
        (lambda: Thing("ring", "pink", 0, 0, 1), "colour must be one of"),
        (lambda: Scene(100, 128, ("sky",)), "multiples of 8"),
        (lambda: Scene(128, 128, ("moon",)), "backgrounds"),
        (lambda: scene.place(np.random.default_rng(0), (128, 128), [("square", "red")] * 12), "do not fit"),
    ],
    ids=["shape", "colour", "size", "background", "crowd"],
)
def test_impossible_scenes_say_why(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_sheet_lays_pictures_in_rows() -> None:
    board = drawing.sheet([np.zeros((8, 8, 3), np.uint8)] * 5, columns=3)
    assert board.shape == (18, 28, 3)
