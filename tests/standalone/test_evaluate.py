"""The evaluator on pictures whose content is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lib_regional.standalone.train.data.drawing import draw
from lib_regional.standalone.train.data.scene import BACKGROUNDS, COLOURS, SIZES, Scene, Thing, random_scene
from lib_regional.standalone.train.measures.evaluate import SHAPES, Border, Wanted, find_objects, judge, seam_energy

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


def picture(*things: Thing, ground: str = "sky") -> np.ndarray:
    return draw(Scene(128, 128, (ground,), things))


def test_every_drawn_thing_is_found() -> None:
    rng = np.random.default_rng(11)
    for i in range(90):
        made = random_scene(rng, SIZES[i % 3], shapes=SHAPES)
        found = find_objects(draw(made))
        assert len(found) == len(made.things)
        for thing in made.things:
            one = min(found, key=lambda f: abs(f.centroid[0] - thing.x) + abs(f.centroid[1] - thing.y))
            assert (one.colour, one.shape, one.straddling) == (thing.colour, thing.shape, False)
            assert np.hypot(one.centroid[0] - thing.x, one.centroid[1] - thing.y) < 8


def test_blur_and_noise_as_a_decoder_makes_them_do_no_harm() -> None:
    rng = np.random.default_rng(12)
    wrong = total = 0
    for _ in range(40):
        made = random_scene(rng)
        blurred = ndimage.gaussian_filter(draw(made).astype(float), (1.6, 1.6, 0)) + rng.normal(0, 6, (128, 128, 3))
        found = find_objects(np.clip(blurred, 0, 255).astype(np.uint8))
        total += len(made.things)
        wrong += sum(not any(one.matches(t.colour, t.shape) for one in found) for t in made.things)
    assert wrong <= 0.05 * total


@pytest.mark.parametrize("ground", BACKGROUNDS)
def test_empty_ground_has_no_objects(ground: str) -> None:
    assert find_objects(picture(ground=ground)) == []


def test_box_is_in_pixels() -> None:
    (one,) = find_objects(picture(Thing("square", "red", 40, 60, 25)))
    assert np.allclose(one.box, (19, 39, 61, 81), atol=1)
    assert one.mask is not None and one.mask[60, 40]


def test_one_shape_of_two_colours_straddles() -> None:
    one, other = picture(Thing("circle", "red", 64, 64, 26)), picture(Thing("circle", "blue", 64, 64, 26))
    both = np.concatenate([one[:, :64], other[:, 64:]], 1)
    (found,) = find_objects(both)
    assert found.straddling and {found.colour, found.second_colour} == {"red", "blue"}


def test_touching_things_are_distinguished() -> None:
    found = find_objects(picture(Thing("square", "red", 40, 64, 24), Thing("circle", "cyan", 84, 64, 24)))
    assert {(one.colour, one.shape) for one in found} == {("red", "square"), ("cyan", "circle")}


def test_half_a_shape_is_not_clear() -> None:
    whole = picture(Thing("ring", "green", 64, 64, 30))
    (found,) = find_objects(np.concatenate([whole[:, :64], picture()[:, 64:]], 1))
    assert found.straddling


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("ground", BACKGROUNDS)
def test_colour_on_every_ground(colour: str, ground: str) -> None:
    (found,) = find_objects(picture(Thing("diamond", colour, 64, 64, 22, 0.1, 0.92), ground=ground))
    assert found.matches(colour, "diamond")


class TestJudge:
    red, blue = Thing("circle", "red", 32, 64, 22), Thing("square", "blue", 96, 64, 22)
    wanted = [(LEFT, "red", "circle"), (RIGHT, "blue", "square")]

    def test_right(self) -> None:
        result = judge(picture(self.red, self.blue), self.wanted)
        assert result.all_right and result.share_right == 1
        assert [(r.missing, r.leak, r.extra) for r in result.regions] == [(False, 0, 0)] * 2

    def test_missing(self) -> None:
        result = judge(picture(self.red), self.wanted)
        assert [r.missing for r in result.regions] == [False, True]
        assert result.share_right == 0.5

    def test_swapped_colours_leak(self) -> None:
        swapped = picture(Thing("circle", "blue", 32, 64, 22), Thing("square", "red", 96, 64, 22))
        result = judge(swapped, self.wanted)
        assert [(r.right, r.leak) for r in result.regions] == [(False, 1)] * 2

    def test_extra(self) -> None:
        result = judge(picture(Thing("circle", "red", 32, 34, 20), Thing("cross", "green", 32, 96, 20), self.blue), self.wanted)
        assert result.all_right and [r.extra for r in result.regions] == [1, 0]

    def test_wrong_shape_has_the_right_colour(self) -> None:
        result = judge(picture(Thing("cross", "red", 32, 64, 22), self.blue), self.wanted)
        assert (result.regions[0].right, result.regions[0].colour_right) == (False, True)

    def test_across_the_border(self) -> None:
        result = judge(picture(Thing("circle", "red", 64, 64, 22)), self.wanted)
        assert result.straddling == 1 and all(r.missing for r in result.regions)

    def test_masks_do_as_well_as_boxes(self) -> None:
        mask = np.zeros((128, 128), bool)
        mask[:, :64] = True
        result = judge(picture(self.red, self.blue), [Wanted(mask, "red", "circle"), Wanted(~mask, "blue", "square")])
        assert result.all_right

    def test_outside(self) -> None:
        assert judge(picture(self.blue), [(LEFT, "red", "circle")]).outside == 1

    def test_mask_of_another_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="must be"):
            judge(picture(), [(np.ones((8, 8), bool), "red", "circle")])


def test_seam_energy_sees_a_hard_border_and_nothing_else() -> None:
    plain = picture(ground="sand")
    seamed = draw(Scene(128, 128, ("sand", "night"), axis=1, split=64))
    assert seam_energy(plain, Border(1, 0.5)) == pytest.approx(1, abs=0.3)
    assert seam_energy(seamed, Border(1, 0.5)) > 5
    assert judge(seamed, [], [(1, 0.5)]).seams[0] > 5
