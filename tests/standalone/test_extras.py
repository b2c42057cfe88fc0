"""The WebUI's routes beside sampling: upscaling, and a sentence for what this host does not have."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from lib_regional.standalone.server.api.extras import ABSENT


def encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).copy()


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (12, 20, 3), dtype=np.uint8))


def single(client: TestClient, picture: Image.Image, **more: object) -> Image.Image:
    answer = client.post("/sdapi/v1/extra-single-image", json={"image": encoded(picture), **more})
    assert answer.status_code == 200, answer.text
    return decoded(answer.json()["image"])


def test_a_picture_is_upscaled_by_a_factor(client, picture):
    made = single(client, picture, upscaler_1="Nearest", upscaling_resize=3)
    assert np.array_equal(np.asarray(made), np.asarray(picture).repeat(3, 0).repeat(3, 1))
    lanczos = single(client, picture, upscaler_1="Lanczos", upscaling_resize=2.5)
    assert lanczos == picture.resize((50, 30), Image.Resampling.LANCZOS)


def test_a_picture_is_brought_to_a_size_cropped_or_whole(client, picture):
    to = {"resize_mode": 1, "upscaling_resize_w": 40, "upscaling_resize_h": 40, "upscaler_1": "Nearest"}
    assert single(client, picture, **to).size == (40, 40)
    assert single(client, picture, **to, upscaling_crop=False).size == (40, 24)


def test_a_second_upscaler_is_laid_over_the_first_by_its_visibility(client, picture):
    asked = {"upscaler_1": "Nearest", "upscaler_2": "Lanczos", "upscaling_resize": 2}
    near, soft = (np.asarray(single(client, picture, upscaler_1=name, upscaling_resize=2), float) for name in ("Nearest", "Lanczos"))
    half = np.asarray(single(client, picture, **asked, extras_upscaler_2_visibility=0.5), float)
    assert np.abs(half - (near + soft) / 2).max() <= 1 and np.abs(near - soft).max() > 10
    assert np.array_equal(np.asarray(single(client, picture, **asked)), near), "invisible unless it is asked for"


def test_several_pictures_come_in_order(client, picture):
    files = [{"data": encoded(picture.rotate(angle)), "name": f"{angle}.png"} for angle in (0, 180)]
    answer = client.post("/sdapi/v1/extra-batch-images", json={"imageList": files, "upscaler_1": "Nearest", "upscaling_resize": 1}).json()
    assert [decoded(image) for image in answer["images"]] == [picture, picture.rotate(180)] and "Nearest" in answer["html_info"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"upscaler_1": "R-ESRGAN 4x+"}, "upscaler_1 must be one of None, Lanczos, Nearest"),
        ({"upscaler_2": "SwinIR"}, "upscaler_2 must be one of"),
        ({"gfpgan_visibility": 0.5}, "gfpgan_visibility must be 0"),
        ({"codeformer_visibility": 1}, "restores no faces"),
        ({"upscaling_resize": 0}, "upscaling_resize"),
        ({"resize_mode": 1, "upscaling_resize_w": 200000, "upscaling_resize_h": 200000}, "megapixels"),
        ({"image": "nonsense"}, "Invalid encoded image"),
        ({"image": ""}, "Invalid encoded image"),
    ],
    ids=str,
)
def test_bad_input_is_refused_by_name(client, picture, more, words):
    answer = client.post("/sdapi/v1/extra-single-image", json={"image": encoded(picture), **more})
    assert answer.status_code == 422 and words in answer.text


def test_an_empty_batch_is_refused(client):
    answer = client.post("/sdapi/v1/extra-batch-images", json={"imageList": []})
    assert answer.status_code == 422 and "imageList" in answer.text


@pytest.mark.parametrize("name", ABSENT)
def test_a_route_that_this_host_does_not_have_says_why(client, name):
    answer = client.post(f"/sdapi/v1/{name}", json={})
    assert answer.status_code == 404 and answer.json()["detail"] == f"The standalone host has no {name}: {ABSENT[name]}."
