"""The Python client ``webuiapi``, call by call: whatever it asks of a WebUI the standalone host answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import webuiapi
from PIL import Image

from lib_regional.standalone.server.app import serve

SMALL = {"width": 64, "height": 64, "steps": 2, "seed": 7, "prompt": "a red circle on grass"}
SETTINGS = {
    "enabled": True,
    "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a red circle"}, {"box": [0.5, 0, 1, 1], "prompt": "a blue square"}],
}
LISTS = (
    "get_samplers", "get_schedulers", "get_upscalers", "get_latent_upscale_modes", "get_sd_models", "get_loras", "get_sd_vae",
    "get_hypernetworks", "get_face_restorers", "get_realesrgan_models", "get_prompt_styles",
)  # fmt: skip


@pytest.fixture(scope="module")
def url():
    with serve() as own:
        yield own.url


@pytest.fixture(scope="module")
def client(url):
    return webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", sampler="Euler a", steps=2)


@pytest.fixture(scope="module")
def made(client):
    return client.txt2img(**SMALL)


def test_a_picture_from_a_prompt(made):
    assert made.image.size == (64, 64) and made.info["seed"] == 7 and made.parameters["steps"] == 2


def test_regions_go_through_the_scripts_that_always_run(client, made):
    got = client.txt2img(**SMALL, alwayson_scripts={"Regional": {"args": [SETTINGS]}})
    assert "Regional" in got.info["infotexts"][0] and got.image.tobytes() != made.image.tobytes()


def test_a_second_pass_and_batches(client):
    got = client.txt2img(
        **SMALL, enable_hr=True, hr_scale=2, hr_upscaler=webuiapi.HiResUpscaler.Latent, hr_second_pass_steps=2, batch_size=2
    )
    assert [image.size for image in got.images][-2:] == [(128, 128)] * 2


def test_a_picture_from_a_picture_and_inpainting(client, made):
    assert client.img2img(images=[made.image], denoising_strength=0.5, **SMALL).image.size == (64, 64)
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    assert client.img2img(images=[made.image], mask_image=mask, inpainting_fill=1, **SMALL).image.size == (64, 64)


def test_pictures_are_upscaled(client, made):
    once = client.extra_single_image(made.image, upscaler_1="Lanczos", upscaling_resize=1.5)
    assert once.image.size == (96, 96) and once.info is not None
    several = client.extra_batch_images([made.image, once.image], upscaler_1="Nearest", upscaling_resize=2)
    assert [image.size for image in several.images] == [(128, 128), (192, 192)]


def test_the_parameters_of_a_picture(client, made):
    assert "Seed: 7" in client.png_info(made.image).info


@pytest.mark.parametrize("name", LISTS)
def test_what_there_is(client, name):
    assert isinstance(getattr(client, name)(), list)


def test_names_and_the_model(client):
    assert "Euler a" in client.util_get_sampler_names() and "automatic" in client.util_get_scheduler_names()
    models = client.util_get_model_names()
    client.util_set_model(client.util_get_current_model() or models[0])
    assert client.util_get_current_model() is None or client.util_get_current_model() in models


def test_the_state_of_the_host(client):
    assert {"progress", "state"} <= set(client.get_progress()) and "ram" in client.get_memory()
    assert client.get_cmd_flags()["api"] in (True, False) and "txt2img" in client.get_scripts() and "loaded" in client.get_embeddings()
    client.util_wait_for_ready(check_interval=0.1)
    client.refresh_checkpoints()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_a_client_in_javascript_call_by_call(url):
    done = subprocess.run(["node", str(Path(__file__).with_name("client.mjs")), url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    calls = json.loads(done.stdout)
    assert len(calls) >= 20 and not [call for call in calls if call["status"] != call["expected"]], calls


BUILT_IN = {
    "Refiner": {"args": [False, "", 0.8]},
    "Seed": {"args": [7, False, -1, 0, 0, 0]},
    "Sampler": {"args": [2, "Euler a", "Automatic"]},
    "ControlNet": {"args": [{"enabled": False, "module": "none"}]},
    "comments": {"args": []},
}


def test_a_payload_that_lists_a_webuis_own_scripts_runs(client, made):
    assert client.txt2img(**SMALL, scheduler="Automatic", alwayson_scripts=BUILT_IN).image.tobytes() == made.image.tobytes()
    for scripts in ({"Refiner": {"args": [True, "x", 0.8]}}, {"ControlNet": {"args": [{"enabled": True}]}}, {"Seed": {"args": [8]}}):
        with pytest.raises(RuntimeError, match="422"):
            client.txt2img(**SMALL, alwayson_scripts=scripts)


@pytest.mark.parametrize("unit", [{"model": "canny"}, {"enabled": 1}, {"enabled": "yes", "module": "none"}], ids=str)
def test_a_unit_that_does_not_say_that_it_is_off_is_on(client, unit):
    """As sd-webui-controlnet takes it: what it lacks is named, and no picture comes without it."""
    with pytest.raises(RuntimeError, match=r"422.*ControlNet unit 0: model must be the name of a ControlNet model"):
        client.txt2img(**SMALL, alwayson_scripts={"ControlNet": {"args": [unit]}})


def test_options_are_set_and_read(client):
    before = client.get_options()["samples_save"]
    client.set_options({"samples_save": before})
    assert client.get_options()["samples_save"] == before


def test_stopping_while_nothing_runs(client, made):
    client.interrupt()
    client.skip()
    assert client.txt2img(**SMALL).image.tobytes() == made.image.tobytes()


@pytest.mark.parametrize("model", ["clip", "deepdanbooru"])
def test_what_the_host_has_no_model_for_is_refused_with_a_sentence(client, made, model):
    with pytest.raises(RuntimeError, match="has no model that describes pictures") as caught:
        client.interrogate(image=made.image, model=model)
    assert caught.value.args[0] == 404
    assert client.custom_get("no/such/route").get("detail")
