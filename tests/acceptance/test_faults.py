"""Whatever goes wrong is said before sampling, and the next picture is the baseline again."""

import json

import pytest
from client import FULL, HALVES, regional

TINY = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
JPEG = "data:image/png;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRof"

TWO, THREE = ({"ratios": ratios, "direction": "columns"} for ratios in ("1,1", "1,1,1"))

BAD = [
    pytest.param({"enabled": True, "grid": {"ratios": "1,x", "direction": "columns"}}, "grid.ratios", id="malformed ratios"),
    pytest.param(regional([{"box": [0, 0, 1.5, 1], "prompt": "a"}]), "regions[0].box", id="outside the canvas"),
    pytest.param(regional([{"box": [0.5, 0, 0.5, 1], "prompt": "a"}]), "regions[0].box", id="empty box"),
    pytest.param(regional([{"mask": "hello", "prompt": "a"}]), "regions[0].mask", id="no image"),
    pytest.param(regional([{"mask": JPEG, "prompt": "a"}]), "regions[0].mask", id="not a PNG"),
    pytest.param(regional([{**FULL, "colour": "red"}]), "colour", id="unknown key"),
    pytest.param(regional([{**FULL, "weight": -1}]), "regions[0].weight", id="negative weight"),
    pytest.param(regional([{**FULL, "steps": [0.5, 0.2]}]), "regions[0].steps", id="steps backwards"),
    pytest.param(regional([{**FULL, "prompt": 7}]), "regions[0].prompt", id="wrong type"),
    pytest.param(regional([FULL], method="magic"), "method", id="unknown method"),
    pytest.param({"enabled": True, "grid": TWO, "regions": [{"prompt": "a"}] * 3}, "grid", id="more regions than cells"),
    pytest.param({"enabled": True, "grid": THREE, "regions": [{"prompt": "a"}]}, "grid", id="fewer regions than cells"),
    pytest.param({"enabled": True, "text_from": "break", "grid": TWO}, "text_from", id="fewer prompts than regions"),
    pytest.param(regional([FULL], version=999), "version", id="newer version"),
    pytest.param({"regions": []}, "enabled", id="enabled missing"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "field"), BAD)
def test_bad_input_is_refused_with_its_field(webui, settings, field):
    assert field in webui.refused(settings)


def test_not_a_number_is_refused(webui):
    import requests

    body = json.dumps(webui.request(regional([{**FULL, "weight": float("nan")}])))
    answer = requests.post(f"{webui.url}/sdapi/v1/txt2img", data=body, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code >= 400


def test_after_a_refusal_the_next_plain_picture_is_the_baseline(webui, plain):
    webui.refused(regional([{**FULL, "weight": -1}]))
    again = webui.make()
    assert again.pngs == plain.pngs and again.infotexts == plain.infotexts


def test_after_an_interrupt_the_next_plain_picture_is_the_baseline(webui, plain):
    regions = [{**HALVES[0], "prompt": "a red circle"}, {**HALVES[1], "prompt": "a blue square"}]
    webui.interrupted(regional(regions), steps=150, n_iter=4)
    assert webui.make().pngs == plain.pngs


def test_after_a_regional_picture_the_next_plain_picture_is_the_baseline(webui, plain):
    webui.make(regional([{**HALVES[0], "prompt": "a blue square"}]))
    assert webui.make().pngs == plain.pngs


def test_a_valid_mask_is_taken(webui, plain):
    assert webui.make(regional([{"mask": TINY, "prompt": "a blue square"}])).pngs
