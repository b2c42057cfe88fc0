"""Clip skip and schedule names do what the host lists."""

from __future__ import annotations

import json

import pytest

REQUEST = {"prompt": "a red circle on grass", "width": 64, "height": 64, "steps": 2, "seed": 3, "cfg_scale": 5}


def made(client, **fields):
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, **fields})
    assert answer.status_code == 200, answer.text[:300]
    return answer.json()["images"][0], json.loads(answer.json()["info"])


def test_clip_skip_takes_an_earlier_layer_and_is_noted(client):
    plain, _ = made(client)
    skipped, info = made(client, override_settings={"CLIP_stop_at_last_layers": 2})
    assert plain != skipped
    assert info["clip_skip"] == 2 and "Clip skip: 2" in info["infotexts"][0]
    again, info = made(client)
    assert again == plain and info["clip_skip"] == 1 and "Clip skip" not in info["infotexts"][0]


def test_more_layers_than_there_are_is_refused(client):
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, "override_settings": {"CLIP_stop_at_last_layers": 12}})
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert "layers of this text encoder" in answer.text


@pytest.mark.parametrize("listed", ["name", "label"])
def test_every_schedule_that_is_listed_is_taken(client, listed):
    for schedule in client.get("/sdapi/v1/schedulers").json():
        made(client, scheduler=schedule[listed])
