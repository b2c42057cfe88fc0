"""The WebUI's HTTP interface: shapes, defaults, refusals, progress and interrupts."""

from __future__ import annotations

import base64
import io
import json
import threading
import time

import numpy as np
import pytest
import requests
from PIL import Image

from lib_regional.standalone.server.app import free_port, serve

REQUEST = {"prompt": "a red circle, (on:1.1) grass", "width": 64, "height": 64, "steps": 2, "seed": 5}

INFO_KEYS = """prompt all_prompts negative_prompt all_negative_prompts seed all_seeds subseed all_subseeds subseed_strength width
height sampler_name cfg_scale steps batch_size restore_faces face_restoration_model sd_model_name sd_model_hash sd_vae_name sd_vae_hash
seed_resize_from_w seed_resize_from_h denoising_strength extra_generation_params index_of_first_image infotexts styles job_timestamp
clip_skip is_using_inpainting_conditioning version""".split()


def picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def init() -> str:
    return encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))


def make(client, route: str = "txt2img", **fields) -> dict:
    answer = client.post(f"/sdapi/v1/{route}", json={**REQUEST, **fields})
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()


def test_an_answer_has_the_webuis_shape(client):
    body = make(client, batch_size=2, negative_prompt="snow")
    info = json.loads(body["info"])
    assert body.keys() == {"images", "parameters", "info"} and set(INFO_KEYS) == set(info)
    assert (info["seed"], info["all_seeds"], info["all_prompts"]) == (5, [5, 6], [REQUEST["prompt"]] * 2)
    assert body["parameters"]["prompt"] == REQUEST["prompt"] and body["parameters"]["sampler_index"] == "Euler"
    for text, infotext in zip(body["images"], info["infotexts"], strict=True):
        image = picture(text)
        assert image.format == "PNG" and image.size == (64, 64) and image.info["parameters"] == infotext
    lines = info["infotexts"][1].split("\n")
    assert lines[:2] == [REQUEST["prompt"], "Negative prompt: snow"]
    assert lines[2].startswith("Steps: 2, Sampler: Euler, Schedule type: Automatic, CFG scale: 7.0, Seed: 6, Size: 64x64, Model hash: ")


def test_an_infotext_makes_the_picture_again(client):
    first = make(client, sampler_name="DPM++ 2M Karras", negative_prompt="a, b", cfg_scale=4.5, enable_hr=True, hr_scale=1.5,
                 denoising_strength=0.6, hr_second_pass_steps=3, hr_prompt="more: detail")  # fmt: skip
    infotext = json.loads(first["info"])["infotexts"][0]
    again = client.post("/sdapi/v1/txt2img", json={"infotext": infotext}).json()
    assert json.loads(again["info"])["infotexts"] == [infotext] and again["images"] == first["images"]


def test_png_info_reads_it_back(client):
    body = make(client)
    infotext = json.loads(body["info"])["infotexts"][0]
    got = client.post("/sdapi/v1/png-info", json={"image": "data:image/png;base64," + body["images"][0]}).json()
    assert got["info"] == infotext and got["parameters"]["Seed"] == "5" and got["parameters"]["Size-1"] == "64" and got["items"] == {}
    assert client.post("/sdapi/v1/png-info", json={"image": encoded(Image.new("L", (8, 8)))}).json()["info"] == ""


def test_random_seeds_are_answered(client):
    seeds = [json.loads(make(client, seed=-1)["info"])["all_seeds"][0] for _ in range(2)]
    assert seeds[0] != seeds[1] and min(seeds) >= 0


def test_pictures_are_sent_only_if_wanted(client):
    assert make(client, send_images=False)["images"] == []


def test_pictures_are_saved_only_if_wanted(client, host):
    folder = host.output / "outputs"
    make(client, save_images=True)  # so that there is a folder of the day with a number taken
    before = set(folder.rglob("*.png"))
    make(client)
    assert set(folder.rglob("*.png")) == before
    body = make(client, save_images=True, batch_size=2)
    saved = sorted(set(folder.rglob("*.png")) - before)
    first = 1 + max(int(path.name.split("-")[0]) for path in before if path.parent == saved[0].parent)
    assert [path.name for path in saved] == [f"{first:05}-5.png", f"{first + 1:05}-6.png"]
    assert Image.open(saved[0]).info["parameters"] == json.loads(body["info"])["infotexts"][1]
    assert len(body["images"]) == 3, "a grid goes before the pictures when they are saved"


def test_unknown_fields_and_nulls_are_left_aside(client):
    plain = make(client)
    assert make(client, nonsense=1, hr_additional_modules=["Use same choices"], cfg_scale=None, styles=None)["images"] == plain["images"]


def test_img2img_keeps_init_images_to_itself_unless_asked(client, init):
    body = make(client, "img2img", init_images=[init], mask=init)
    assert body["parameters"]["init_images"] is None and body["parameters"]["mask"] is None
    assert make(client, "img2img", init_images=["data:image/png;base64," + init], include_init_images=True)["parameters"]["init_images"]


REFUSED = {
    "width": ({"width": 100}, "width must be between 8 and 8192, a multiple of 8, got 100"),
    "height": ({"height": 0}, "height must be between"),
    "steps": ({"steps": 0}, "steps must be between 1 and 1000, got 0"),
    "batch size": ({"batch_size": -1}, "batch_size must be"),
    "sampler": ({"sampler_name": "Magic"}, "Magic"),
    "schedule": ({"scheduler": "Magic"}, "Magic"),
    "upscaler": ({"enable_hr": True, "hr_upscaler": "Magic"}, "Magic"),
    "script": ({"alwayson_scripts": {"Nobody": {"args": []}}}, "Script 'Nobody' not found"),
    "strength": ({"denoising_strength": 1.5}, "denoising_strength must be a number from 0 to 1"),
    "seed": ({"seed": 2**64}, "seed"),
    "type": ({"steps": "many"}, "steps"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_requests_are_refused_with_their_field(client, fields, message):
    answer = client.post("/sdapi/v1/txt2img", json={**REQUEST, **fields})
    assert answer.status_code == 422 and message in json.dumps(answer.json()["detail"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "init_images"),
        ({"init_images": []}, "init_images"),
        ({"init_images": ["no base64!"]}, "Invalid encoded image"),
        ({"init_images": ["http://127.0.0.1/x.png"]}, "Requests not allowed"),
        ({"init_images": ["MASK", "MASK"]}, "Invalid encoded image"),
    ],
)
def test_bad_pictures_are_refused(client, fields, message):
    answer = client.post("/sdapi/v1/img2img", json={**REQUEST, **fields})
    assert answer.status_code == 422 and message in answer.json()["detail"]


def test_two_pictures_for_a_batch_of_three_are_refused(client, init):
    answer = client.post("/sdapi/v1/img2img", json={**REQUEST, "init_images": [init, init], "batch_size": 3})
    assert answer.status_code == 422 and "init_images must be one picture, or one for each of 3" in answer.json()["detail"]


def test_not_a_number_is_refused(client):
    body = json.dumps({**REQUEST, "cfg_scale": float("nan")})
    answer = client.post("/sdapi/v1/txt2img", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_an_unexpected_error_is_a_500_of_the_webuis_form_and_the_next_picture_is_the_baseline(client, host):
    plain = make(client)

    def broken(_):
        raise RuntimeError("broken pipe")

    host.model.call_listeners.append(broken)
    answer = client.post("/sdapi/v1/txt2img", json=REQUEST)
    host.model.call_listeners.clear()
    assert answer.status_code == 500
    assert answer.json() == {"error": "RuntimeError", "detail": "broken pipe", "body": "", "errors": "broken pipe"}
    assert make(client)["images"] == plain["images"]


LISTS = {
    "samplers": ("name", "Euler a"),
    "schedulers": ("label", "Karras"),
    "upscalers": ("name", "Lanczos"),
    "latent-upscale-modes": ("name", "Latent (nearest)"),
    "sd-models": ("model_name", "random"),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(client, name):
    key, value = LISTS[name]
    assert value in [entry[key] for entry in client.get(f"/sdapi/v1/{name}").json()]


def test_everything_listed_can_be_used(client):
    for sampler in client.get("/sdapi/v1/samplers").json():
        for schedule in ("Automatic", "Karras"):
            assert make(client, sampler_name=sampler["aliases"][0], scheduler=schedule, steps=1)["images"]


def test_options(client):
    assert client.get("/sdapi/v1/options").json()["pad_cond_uncond"] is False
    assert client.post("/sdapi/v1/options", json={"pad_cond_uncond": True}).json() is None
    assert client.get("/sdapi/v1/options").json()["pad_cond_uncond"] is True
    for bad in ({"nonsense": 1}, {"pad_cond_uncond": "yes"}, {"sd_model_checkpoint": "other"}):
        answer = client.post("/sdapi/v1/options", json={"jpeg_quality": 7, **bad})
        assert answer.status_code == 422 and next(iter(bad)).split("_")[-1] in answer.text + "checkpoint"
        assert client.get("/sdapi/v1/options").json()["jpeg_quality"] == 80


def test_nothing_runs_at_rest(client):
    body = client.get("/sdapi/v1/progress").json()
    assert body["progress"] == 0 and body["state"]["job_count"] == 0 and body["current_image"] is None


# ---------------------------------------------------------------- over a real connection


@pytest.fixture(scope="module")
def served(model):
    with serve(model=model, scripts=[]) as running:
        yield running


def test_progress_shows_a_picture_and_an_interrupt_ends_it(served):
    answers = []
    body = {**REQUEST, "steps": 200, "n_iter": 5}
    worker = threading.Thread(target=lambda: answers.append(requests.post(f"{served.url}/sdapi/v1/txt2img", json=body, timeout=120)))
    worker.start()
    end, seen = time.monotonic() + 60, []
    while time.monotonic() < end and len(seen) < 3:
        now = requests.get(f"{served.url}/sdapi/v1/progress", timeout=30).json()
        if now["current_image"] and now["state"]["sampling_step"] > (seen[-1]["state"]["sampling_step"] if seen else 1):
            seen.append(now)
    assert requests.post(f"{served.url}/sdapi/v1/interrupt", timeout=30).json() == {}
    worker.join(60)
    assert [entry["progress"] for entry in seen] == sorted(entry["progress"] for entry in seen) and 0 < seen[0]["progress"] < 0.9
    assert picture(seen[0]["current_image"]).size == (64, 64) and seen[0]["state"]["job_count"] == 5 and seen[0]["eta_relative"] > 0
    assert len(answers[0].json()["images"]) < 5 and answers[0].status_code == 200
    assert requests.get(f"{served.url}/sdapi/v1/progress", timeout=30).json()["progress"] == 0


def test_one_generation_at_a_time(served):
    most, running = [0], [0]

    def count(_):
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.005)
        running[0] -= 1

    served.host.model.call_listeners.append(count)
    post = lambda: requests.post(f"{served.url}/sdapi/v1/txt2img", json=REQUEST, timeout=60)  # noqa: E731
    workers = [threading.Thread(target=post) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    served.host.model.call_listeners.clear()
    assert most == [1]


def test_a_busy_port_is_left_to_who_has_it(served):
    port = int(served.url.rsplit(":", 1)[1])
    assert served.url.startswith("http://127.0.0.1:") and free_port(port) > port
