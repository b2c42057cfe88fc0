"""Scores and candidates in generations of the standalone host."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lib_regional.standalone.pipeline.infotext import parse_generation_parameters
from tests.support.generations import encoded, pictures_of

REGIONS = [{"box": [0, 0, 0.5, 1], "prompt": "a red circle"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square"}]


def asked(method="attention_couple", **scores):
    return {"method": method, "regions": REGIONS, **({"options": {"scores": scores}} if scores else {})}


def info_of(answer):
    assert answer.status_code == 200, answer.text
    return json.loads(answer.json()["info"])


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple", "multidiffusion", "latent_composite", "rag", "mask_conditioning"])
def test_every_picture_of_a_batch_has_a_score_per_region(post, method):
    info = info_of(post(asked(method), batch_size=2))
    data = info["extra_generation_params"]["Regional scores"]
    assert [len(one["regions"]) for one in data] == [2, 2] and data[0] != data[1]
    for one, text in zip(data, info["infotexts"][-2:], strict=True):
        assert one["score"] == min(one["regions"]) and all(0 <= score <= 1 for score in one["regions"])
        written = parse_generation_parameters(text)["Regional score"]
        assert written == f"{one['score']:.2f} (1: {one['regions'][0]:.2f}, 2: {one['regions'][1]:.2f})"


def test_a_picture_of_a_batch_has_the_score_that_it_has_alone(post):
    together = info_of(post(asked(), batch_size=2))["extra_generation_params"]["Regional scores"]
    alone = info_of(post(asked(), seed=12))["extra_generation_params"]["Regional scores"]
    assert together[1]["regions"] == pytest.approx(alone[0]["regions"], abs=0.02)


@pytest.mark.parametrize("method", ["attention_couple", "multidiffusion"])
def test_scores_change_no_picture_and_can_be_off(post, served, method):
    unet = served[1].model.unet
    before = {name: set(vars(module)) for name, module in unet.named_modules()}
    on, off = post(asked(method)), post(asked(method, enabled=False))
    assert (pictures_of(on)[0] == pictures_of(off)[0]).all()
    assert "Regional score" not in off.text
    assert {name: set(vars(module)) for name, module in unet.named_modules()} == before


def test_sequential_inpainting_has_none(post):
    assert "Regional score" not in post(asked("sequential")).text


def test_a_repainted_picture_and_a_collage_have_theirs(post):
    picture = encoded(np.full((64, 48, 3), 200))
    repaint = {"options": {"repaint": {"source": {"regions": [REGIONS[0], {**REGIONS[1], "prompt": "c"}]}}}}
    collage = {"regions": [{**REGIONS[0], "picture": f"data:image/png;base64,{picture}"}, REGIONS[1]]}
    for regional in ({**asked("repaint"), **repaint}, {**asked("collage"), **collage, "options": {"collage": {"colour": "#204060"}}}):
        [one] = info_of(post(regional))["extra_generation_params"]["Regional scores"]
        assert len(one["regions"]) == 2 and all(0 <= score <= 1 for score in one["regions"])


def test_the_best_candidate_is_the_one_of_the_highest_score(post):
    every = info_of(post(asked(candidates=3, keep="all")))
    data = every["extra_generation_params"]["Regional scores"]
    assert sorted(every["all_seeds"]) == [11, 12, 13]
    assert [one["score"] for one in data] == sorted((one["score"] for one in data), reverse=True)
    answer = post(asked(candidates=3))
    best = info_of(answer)
    assert len(answer.json()["images"]) == 1 and best["all_seeds"] == [best["seed"]] == every["all_seeds"][:1]
    assert best["extra_generation_params"]["Regional scores"] == data[:1]


def test_its_infotext_makes_it_alone(post, served):
    answer = post(asked(candidates=3))
    [text] = info_of(answer)["infotexts"]
    again = served[0].post("/sdapi/v1/txt2img", json={"infotext": text})
    assert "candidates" not in text and info_of(again)["all_seeds"] == info_of(answer)["all_seeds"]
    assert abs(pictures_of(again)[0] - pictures_of(answer)[0]).max() <= 1


def test_as_many_are_returned_as_were_asked_for(post):
    info = info_of(post(asked(candidates=2), n_iter=2))
    assert len(info["infotexts"]) == 2 and len(set(info["all_seeds"])) == 2 and set(info["all_seeds"]) <= {11, 12, 13, 14}


def test_candidates_of_a_given_picture(post):
    picture = encoded(np.full((64, 96, 3), 90))
    answer = post(asked(candidates=2), "img2img", init_images=[picture], denoising_strength=0.9, steps=4)
    info = info_of(answer)
    assert len(answer.json()["images"]) == 1 and info["all_seeds"][0] in (11, 12)
    assert 0 <= info["extra_generation_params"]["Regional scores"][0]["score"] <= 1


@pytest.mark.parametrize(
    ("regional", "more", "text"),
    [
        (asked(candidates=0), {}, "candidates must be 1 or more, got 0"),
        (asked(candidates=60), {"n_iter": 2}, "50 or less with a batch count of 2: a WebUI makes 100 batches at most, got 60"),
        (asked("sequential", candidates=2), {}, "options.scores.candidates must be 1 where regions have no scores (method sequential"),
        (asked(candidates=2, enabled=False), {}, "scores off"),
    ],
)
def test_what_cannot_be_is_refused(post, regional, more, text):
    answer = post(regional, **more)
    assert answer.status_code == 422 and text in answer.json()["detail"]
