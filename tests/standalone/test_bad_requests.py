"""What a caller did wrong is a 422 with a sentence, on every route: never a 500, never a picture."""

from __future__ import annotations

import json

import pytest

REQUEST = {"prompt": "a", "width": 64, "height": 64, "steps": 1, "seed": 1}
MASK = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


BODIES = [
    ('{"prompt": "\\ud800", "steps": 1}', "prompt"),
    ('{"prompt": "a", "cfg_scale": NaN}', "cfg_scale"),
    ('{"prompt": "a", "cfg_scale": 1e999}', "cfg_scale"),
    (
        '{"prompt": "a", "alwayson_scripts": {"Regional": {"args": [{"enabled": true, "x": -Infinity}]}}}',
        "alwayson_scripts.Regional.args[0].x",
    ),
    (f'{{"prompt": "a", "styles": {deep(900)}}}', "nested"),
    (f'{{"prompt": "a", "alwayson_scripts": {{"Regional": {{"args": {deep(5000)}}}}}}}', ""),
    ('{"prompt": "a", "steps": ' + "9" * 5000 + "}", ""),
    ('{"prompt": ', "JSON"),
]


@pytest.mark.parametrize("route", ["/sdapi/v1/txt2img", "/sdapi/v1/img2img", "/sdapi/v1/options", "/sdapi/v1/png-info"])
@pytest.mark.parametrize(("body", "says"), BODIES, ids=[body[:60] for body, _ in BODIES])
def test_json_that_nothing_can_hold(client, route, body, says):
    answer = client.post(route, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text[:300]
    assert says in answer.text


FIELDS = [
    {"override_settings": {"CLIP_stop_at_last_layers": "2"}},
    {"override_settings": {"CLIP_stop_at_last_layers": 0}},
    {"override_settings": {"CLIP_stop_at_last_layers": 10**30}},
    {"override_settings": {"randn_source": "TPU"}},
    {"override_settings": {"samples_format": "exe"}},
    {"override_settings": {"img2img_background_color": "no colour"}},
    {"override_settings": {"samples_save": "yes"}},
    {"override_settings": {"outdir_samples": 5}},
    {"cfg_scale": 1e308},
    {"cfg_scale": -1e308},
    {"enable_hr": True, "hr_scale": 0, "denoising_strength": 0.5},
    {"enable_hr": True, "hr_scale": -1, "denoising_strength": 0.5},
    {"enable_hr": True, "hr_scale": 1e9, "denoising_strength": 0.5},
    {"enable_hr": True, "hr_second_pass_steps": 10**9, "denoising_strength": 0.5},
    {"enable_hr": True, "hr_upscaler": "Nothing", "denoising_strength": 0.5},
    {"subseed_strength": 1e308},
    {"eta": 1e308},
    {"s_noise": 1e308},
    {"s_churn": -5},
    {"seed": 10**30},
    {"scheduler": "No such schedule"},
    {"sampler_name": "No such sampler"},
    {"enable_hr": True, "hr_second_pass_steps": 10**400, "denoising_strength": 0.5},
    {"enable_hr": True, "hr_sampler_name": "No such sampler", "denoising_strength": 0.5},
    {"enable_hr": True, "hr_scheduler": "No such schedule", "denoising_strength": 0.5},
    {"denoising_strength": 1e308},
    {"infotext": "a\nSteps: 1, Sampler: Euler, CFG scale: nan, Seed: 1"},
    {"infotext": "a\nSteps: 1, Sampler: Euler, CFG scale: 1, Variation seed: " + "9" * 5000},
    {"alwayson_scripts": {"Regional": {}}},
    {"alwayson_scripts": {"Regional": {"args": {}}}},
    {"alwayson_scripts": {"Regional": 5}},
    {
        "alwayson_scripts": {
            "Regional": {"args": [{"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "(a:" + "9" * 400 + ")"}]}]}
        }
    },
]


@pytest.mark.parametrize("fields", FIELDS, ids=lambda fields: json.dumps(fields)[:70])
def test_values_that_nothing_can_be_made_of(served, fields):
    client, host = served
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, **fields})
    assert answer.status_code == 422, answer.text[:300]
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "prompt", ["(x:" + "9" * 400 + ")", "(" * 5000, "[a:b:1e999]", "(a:1e9)"], ids=["huge weight", "open", "when", "weight"]
)
def test_prompts_of_any_kind_are_answered(client, prompt):
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, "prompt": prompt}).status_code in (200, 422)


def test_null_is_the_default_and_a_strength_of_nothing_is_answered(client):
    nothing = dict.fromkeys(("batch_size", "n_iter", "cfg_scale", "hr_scale", "styles", "sampler_name"))
    assert client.post("/sdapi/v1/txt2img", json={**REQUEST, **nothing}).status_code == 200
    body = {**REQUEST, "enable_hr": True, "hr_scale": 1, "denoising_strength": 1e-320}
    assert client.post("/sdapi/v1/txt2img", json=body).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [{"resize_mode": 9}, {"inpainting_fill": 99}, {"mask_blur": 10**400}, {"init_images": [MASK, MASK]}],
    ids=lambda one: next(iter(one)),
)
def test_values_of_img2img_that_nothing_can_be_made_of(client, fields):
    answer = client.post("/sdapi/v1/img2img", json={**REQUEST, "init_images": [MASK], **fields})
    assert answer.status_code == 422 and answer.json()["detail"]
