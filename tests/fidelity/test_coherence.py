"""The measures of coherence on drawn pictures, whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from coherence import (
    across_borders,
    across_cases,
    background_mask,
    coherence_table,
    colour_gap,
    is_one,
    phase_agreement,
    seeds_cases,
    variety,
)
from measure import assess
from results import Results, Row, digest
from suite import BACKGROUNDS, SAMPLING, cases, payload, sampling_text

from lib_regional.standalone.train.data.drawing import draw, texture
from lib_regional.standalone.train.data.scene import Scene, Thing

LEFT = np.zeros((128, 128), bool)
LEFT[:, :64] = True
TWO = next(cases())
"""Two columns."""


def plain(background):
    return np.clip(texture(background, 128, 128) + 0.5, 0, 255).astype(np.uint8)


def scene(*things, background="grass"):
    return draw(Scene(width=128, height=128, backgrounds=(background,), things=things))


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_one_background_runs_on_and_a_moved_one_does_not(background):
    picture = plain(background)
    assert phase_agreement(picture, LEFT, ~LEFT, background) == pytest.approx(1, abs=1e-6)
    moved = picture.copy()
    moved[:, 64:] = np.roll(picture, (8, 4), (0, 1))[:, 64:]
    assert phase_agreement(moved, LEFT, ~LEFT, background) < 0.5


def test_a_step_of_brightness_is_the_colour_gap_and_no_change_of_phase():
    picture = plain("snow") - np.uint8(20)
    picture[:, 64:] += np.uint8(8)
    assert colour_gap(picture, LEFT, ~LEFT) == pytest.approx(8, abs=0.1)
    assert phase_agreement(picture, LEFT, ~LEFT, "snow") == pytest.approx(1, abs=1e-3)


def test_a_side_without_texture_has_no_phase():
    picture = plain("brick")
    picture[:, 64:] = 120
    assert np.isnan(phase_agreement(picture, LEFT, ~LEFT, "brick"))


def test_objects_are_no_background():
    things = Thing("circle", "red", 32, 64, 20, 0.0), Thing("square", "blue", 96, 64, 20, 0.0)
    picture = scene(*things, background=TWO.background)
    mask = background_mask(picture)
    assert not mask[64, 32] and not mask[64, 96] and mask[4, 4]
    ((gap, phase),) = across_borders(TWO, picture)
    assert gap < 1.5 and phase > 0.97


def test_neighbours_alone_are_compared():
    quadrants = next(case for case in cases() if case.kind == "quadrants")
    assert len(list(across_borders(quadrants, plain(quadrants.background)))) == 4
    diagonal = next(case for case in cases() if case.kind == "diagonal")
    assert list(across_borders(diagonal, plain(diagonal.background))) == []


def test_an_object_across_a_border_is_one_or_not():
    case = across_cases(1)[0]
    (wish,) = case.wishes
    other = "red" if wish.colour != "red" else "blue"
    whole = Thing(wish.form, wish.colour, 64, 64, 28, 0.0)
    assert is_one(case, scene(whole, background=case.background))
    assert not is_one(case, scene(background=case.background))
    assert not is_one(case, scene(replace(whole, colour=other), background=case.background))
    assert not is_one(case, scene(replace(whole, x=32), background=case.background))
    pair = [replace(whole, x=x, radius=20) for x in (32, 96)]
    assert not is_one(case, scene(*pair, background=case.background))


def test_layouts_of_coherence_ask_for_what_they_measure():
    settings = payload(across_cases(1)[0], "rag")["alwayson_scripts"]["Regional"]["args"][0]
    assert settings["overlap"] == "over" and [region.get("priority", 0) for region in settings["regions"]] == [0, 0, 1]
    case = across_cases(1)[0]
    assert [region["prompt"] for region in settings["regions"][:2]] == [case.background] * 2
    layouts = seeds_cases(2)
    assert len({one.seed for one in layouts}) == len(layouts) == 8 and len({one.wishes[0].text for one in layouts}) <= 2


def test_variety():
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert variety([grey, grey, grey]) == 0
    assert variety([grey, grey + np.uint8(10)]) == pytest.approx(10)


def test_the_table_is_made_from_kept_pictures(tmp_path):
    results = Results(tmp_path, {"host": "test"})
    text = sampling_text(SAMPLING)

    def keep(case, picture):
        marks = assess(case, "rag", picture).marks
        results.add(Row("rag", text, case.kind, case.number, case.seed, digest(payload(case, "rag")), 1.0, marks), picture)

    keep(TWO, plain(TWO.background))
    across = across_cases(2)
    keep(across[0], scene(Thing(across[0].wishes[0].form, across[0].wishes[0].colour, 64, 64, 28, 0.0), background=across[0].background))
    keep(across[1], plain(across[1].background))
    for at, case in enumerate(seeds_cases(1)):
        keep(case, np.full((128, 128, 3), 10 * at, np.uint8))
    line = coherence_table(results, text, ["rag", "plain"], 2, 1).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[0] == "rag" and cells[2:5] == ["0.00", "1.00", "1"] and cells[5:] == ["1 of 2", "16.7"]
