"""Masks by models through the routes: what is listed, what is found, what is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import picture_models
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_regional.api import masks
from lib_regional.api.routes import add_routes
from lib_regional.request.presets import PresetStore
from lib_regional.request.settings import Settings
from lib_regional.sources.models.loading import PictureModels
from lib_regional.tensors.masks.weight_maps import weight_maps

ROUTE = "/regional/v1/masks"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    picture_models.dpt(root / "dpt")
    app = FastAPI()
    add_routes(app, PresetStore(root / "presets"), models=PictureModels(lambda: [root]))
    return TestClient(app)


@pytest.fixture(scope="module")
def picture():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_the_list_names_ways_models_and_what_is_missing(client):
    listed = client.get(ROUTE).json()
    assert [source["name"] for source in listed["sources"]] == ["colours", "channels", "grey"]
    assert [way["name"] for way in listed["ways"]] == ["words", "boxes", "click", "depth", "slice"]
    assert listed["ways"][3]["fields"]["slices"] == {
        "type": "integer", "minimum": 2, "maximum": 32, "description": "How many slices, from near to far.", "default": 3,
    }  # fmt: skip
    kinds = {kind["name"]: kind for kind in listed["kinds"]}
    assert kinds["depth"]["models"] == ["dpt"] and "facebook/sam-vit-base" in kinds["sam"]["missing"]
    assert listed["models"] == [{"name": "dpt", "kind": "depth", "type": "dpt", "usable": True, "fault": None}]


def test_slices_as_regions_have_shares_of_1_everywhere(client, picture):
    answer = client.post(ROUTE, json={"picture": picture, "kind": "depth", "slices": 4, "softness": 0.2}).json()
    assert answer["notes"] == ["4 regions found: near, depth 2, depth 3, far."]
    regions = [{"mask": region["mask"], "name": region["name"]} for region in answer["regions"]]
    maps = weight_maps(Settings.parse({"enabled": True, "regions": regions}).layout(), 8, 12)
    assert maps.regions.sum(0).sub(1).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "depth", "slices": 99}, "slices"), ({"kind": "depth", "words": "hat"}, "words"),
        ({"kind": "depth", "model": "x"}, "model"),
        ({"kind": "slice", "far": 0}, "far"), ({"kind": "heads"}, "kind"), ({"kind": "depth", "picture": 3}, "picture"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(client, picture, given, field):
    answer = client.post(ROUTE, json={"picture": picture, **given})
    assert answer.status_code == 422 and [problem["field"] for problem in answer.json()["problems"]] == [field]


def test_a_flow_answers_settings_and_what_comes_next(client, picture):
    listed = client.get("/regional/v1/flows").json()["flows"]
    assert [(flow["name"], flow["needs"]) for flow in listed] == [("depth", ["depth"]), ("background", []), ("object", [])]
    answer = client.post("/regional/v1/flows", json={"picture": picture, "kind": "background", "shape": {"box": [0, 0, 0.5, 1]}}).json()
    Settings.parse({"enabled": True, **answer["settings"]}).check_method()
    assert answer["settings"]["method"] == "repaint" and "img2img" in answer["notes"][0]
    refused = client.post("/regional/v1/flows", json={"picture": picture, "kind": "weather"})
    assert refused.status_code == 422 and "depth, background, object" in refused.json()["detail"]


def test_a_way_without_its_model_says_which_is_missing(client, picture):
    answer = client.post(ROUTE, json={"picture": picture, "kind": "words", "words": "hat"})
    assert answer.status_code == 422 and "CIDAS/clipseg-rd64-refined" in answer.json()["detail"]


def test_more_requests_than_may_wait_are_refused(client, picture):
    for _ in range(masks.MOST_WAITING):
        masks._waiting.acquire()
    try:
        assert client.post(ROUTE, json={"picture": picture, "kind": "depth"}).status_code == 429
        assert client.post(ROUTE, json={"picture": picture, "kind": "grey"}).status_code == 200, "others still work"
    finally:
        masks._waiting.release(masks.MOST_WAITING)
    assert client.post(ROUTE, json={"picture": picture, "kind": "depth"}).status_code == 200
