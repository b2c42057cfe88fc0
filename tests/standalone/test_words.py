"""Masks from words in generations of the standalone host: every picture has its own, and its parameters bring it back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lib_regional.request.infotext import find_in_text
from lib_regional.request.layout.mask_codecs import check_mask
from tests.support.generations import pictures_of

PROMPT = "a red star on grass"


def asked(words="star", **more):
    region = {"words": {"text": words, "probe": 0.5}, "prompt": "a blue circle", "weight": 2}
    return {"regions": [region, {"words": "grass", "prompt": "sand", "enabled": False}], **more}


def infos(answer):
    assert answer.status_code == 200, answer.text
    return json.loads(answer.json()["info"])["infotexts"]


@pytest.mark.parametrize("method", ["attention_couple", "latent_couple"])
def test_every_picture_has_its_mask_and_brings_it_back(post, method):
    answer = post(asked(method=method), prompt=PROMPT, cfg_scale=30, steps=6, batch_size=2)
    pictures, texts = pictures_of(answer)[-2:], infos(answer)[-2:]
    settings = [find_in_text(text) for text in texts]
    masks = [one.regions[0].shape.found for one in settings]
    assert masks[0] != masks[1] and all(check_mask(mask) for mask in masks)
    assert all(one.regions[1].shape.found is None for one in settings)
    again = pictures_of(post(settings[1].to_json(), prompt=PROMPT, cfg_scale=30, steps=6, seed=12))[0]
    assert np.abs(again - pictures[1]).max() <= 1
    plain = pictures_of(post({"enabled": False}, prompt=PROMPT, cfg_scale=30, steps=6, seed=12))[0]
    assert np.abs(plain - pictures[1]).max() > 1


def test_words_that_are_not_in_the_prompt_are_refused_before_sampling(post):
    answer = post(asked("moon"), prompt=PROMPT)
    assert answer.status_code >= 400 and "which has a, red, star, on, grass" in answer.text


def test_scores_and_detail_passes_use_the_found_masks(post):
    regional = asked()
    regional["regions"][0]["detail"] = True
    answer = post(regional, prompt=PROMPT)
    assert "Regional score" in infos(answer)[0] and "Regional words" in infos(answer)[0]
