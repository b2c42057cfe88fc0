"""The routes under /regional/v1/, over HTTP."""

from __future__ import annotations

import base64
import io
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from lib_regional.api import body, routes
from lib_regional.api.palette import BASE_COLOUR, region_colour
from lib_regional.api.routes import add_routes
from lib_regional.request.attention_maps import AttentionMaps, RegionMap
from lib_regional.request.presets import PresetStore

HALVES = {"enabled": True, "regions": [{"prompt": "a red circle"}, {"prompt": "a blue square"}], "grid": {"ratios": "1,1"}}


@pytest.fixture
def app(tmp_path):
    application = FastAPI()
    add_routes(application, PresetStore(tmp_path))
    return application


@pytest.fixture
def client(app):
    return TestClient(app, raise_server_exceptions=False)


def post(client, route, **body):
    return client.post(f"/regional/v1/{route}", json=body)


def picture(answer) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def test_schema_is_served(client):
    schema = client.get("/regional/v1/schema").json()
    assert schema["$schema"].endswith("2020-12/schema")
    assert "regions" in schema["properties"]


def test_the_cost_is_that_of_the_model_that_is_loaded(tmp_path):
    """A canvas that is one window for one model is nine for another."""
    ratios = []
    for side in (128, 64):
        application = FastAPI()
        add_routes(application, PresetStore(tmp_path), trained_side=lambda side=side: side)
        settings = {"enabled": True, "method": "multidiffusion", "regions": [{"box": [0, 0, 1, 1], "prompt": "", "negative": ""}]}
        data = post(TestClient(application), "validate", settings=settings, width=1024, height=1024).json()
        ratios.append(data["cost"]["ratio"])
    assert ratios[0] == 1.0 and ratios[1] > 1.4


def test_good_settings_come_back_canonical_with_the_texts(client):
    answer = post(client, "validate", settings={**HALVES, "common": "best"}, prompt="grass", negative="ugly")
    assert answer.status_code == 200
    data = answer.json()
    assert data["ok"] is True
    assert data["settings"]["grid"] == {"ratios": "1,1", "direction": "columns"}
    assert data["texts"]["base"] == "grass"
    assert data["texts"]["regions"] == ["best, a red circle", "best, a blue square"]
    assert data["warnings"] == []
    assert data["cost"] == {"ratio": 1.008, "text": "about 1.0 × a plain picture"}


@pytest.mark.parametrize("settings", [None, "", {}, {"enabled": False}])
def test_settings_that_are_off_are_fine(client, settings):
    data = post(client, "validate", settings=settings).json()
    assert data["ok"] is True
    assert data["settings"]["enabled"] is False
    assert data["texts"] is None and data["cost"] is None and data["edit"] is None


def test_settings_may_be_a_json_text(client):
    assert post(client, "validate", settings=json.dumps(HALVES)).json()["ok"] is True


BAD_SETTINGS = {
    "weight": ({**HALVES, "regions": [{"weight": -1}, {}]}, "regions[0].weight"),
    "text for a number": ({**HALVES, "regions": [{}, {"feather": "abc"}]}, "regions[1].feather"),
    "unknown key": ({**HALVES, "colour": 1}, "colour"),
    "no switch": ({"regions": []}, "enabled"),
    "no place": ({"enabled": True, "regions": [{"prompt": "x"}]}, "regions[0]"),
    "grid": ({**HALVES, "grid": {"ratios": "1,,1"}}, "grid.ratios"),
    "too few regions": ({**HALVES, "grid": {"ratios": "1,1,1"}}, "grid"),
    "split into other parts": ({**HALVES, "text_from": "break"}, "text_from"),
    "no mask": ({"enabled": True, "regions": [{"mask": ""}]}, "regions[0].mask"),
    "newer": ({"version": 99, "enabled": True}, "version"),
}


@pytest.mark.parametrize(("settings", "field"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_are_named(client, settings, field):
    answer = post(client, "validate", settings=settings, prompt="a")
    assert answer.status_code == 422
    data = answer.json()
    assert data["error"] == "SettingsError"
    assert data["detail"]
    assert [problem["field"] for problem in data["problems"]] == [field]
    assert set(data["problems"][0]) == {"field", "value", "allowed", "message"}


BAD_REQUESTS = {
    "no JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 422),
    "no UTF-8": ({"content": b"\xff\xfe{}", "headers": {"content-type": "application/json"}}, 422),
    "deep": ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 422),
    "a list": ({"json": []}, 422),
    "another type": ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    "no type": ({"content": b"{}"}, 415),
    "settings are a list": ({"json": {"settings": []}}, 422),
    "settings are a number": ({"json": {"settings": 3}}, 422),
    "width": ({"json": {"settings": HALVES, "width": 0}}, 422),
    "width is a text": ({"json": {"settings": HALVES, "width": "512"}}, 422),
    "width is true": ({"json": {"settings": HALVES, "width": True}}, 422),
    "width is huge": ({"json": {"settings": HALVES, "width": 1e9}}, 422),
    "width is no number": ({"content": b'{"width": NaN}', "headers": {"content-type": "application/json"}}, 422),
}


def test_validate_says_what_an_edit_changes(client):
    left, right = {"box": [0, 0, 0.5, 1], "prompt": "a"}, {"box": [0.5, 0, 1, 1], "prompt": "b"}
    source = {"regions": [left, right]}
    edit = {"enabled": True, "method": "mrgd", "regions": [left, {**right, "prompt": "c"}], "options": {"mrgd": {"source": source}}}
    kinds = [pair["kind"] for pair in post(client, "validate", settings=edit).json()["edit"]]
    assert kinds == ["inherent", "reworded"]
    assert post(client, "validate", settings={**edit, "options": {}}).json()["edit"] is None
    edit["options"]["mrgd"]["pairs"] = [[5, 0]]
    answer = post(client, "validate", settings=edit)
    assert answer.status_code == 422 and "options.mrgd.pairs[0][0]" in answer.text


@pytest.mark.parametrize("route", ["validate", "preview"])
@pytest.mark.parametrize(("request_", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_requests_are_refused_with_words(client, route, request_, status):
    answer = client.post(f"/regional/v1/{route}", **request_)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("body", [{"prompt": 3}, {"negative": None}])
def test_prompts_are_texts(client, body):
    assert post(client, "validate", settings=HALVES, **body).status_code == 422


@pytest.mark.parametrize("body", [{"scale": 3}, {"scale": True}, {"scale": "8"}, {"scale": [8]}, {"scale": None}, {"labels": "yes"}])
def test_preview_options_are_checked(client, body):
    assert post(client, "preview", settings=HALVES, **body).status_code == 422


def test_large_requests_are_refused(client, monkeypatch):
    monkeypatch.setattr(body, "LARGEST_REQUEST", 1000)
    answer = post(client, "validate", settings=HALVES, prompt="x" * 1000)
    assert answer.status_code == 413
    assert answer.json()["error"] == "RequestTooLarge"


def test_faults_inside_are_not_shown(client, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret path /home/me")

    monkeypatch.setattr(routes, "validate", fail)
    answer = post(client, "validate", settings=HALVES)
    assert answer.status_code == 500
    assert "secret" not in answer.text


WARNINGS = {
    "no prompt": (
        {**HALVES, "regions": [{"prompt": "a"}, {"name": "sky"}]}, "", 'Region 2 ("sky") has no prompt, and the background is empty.'
    ),
    "all off": ({**HALVES, "regions": [{"enabled": False}, {"enabled": False}]}, "", "No region is on"),
    "nothing there": ({"enabled": True}, "", "There is no region yet."),
    "weight 0": ({**HALVES, "regions": [{"prompt": "a", "weight": 0}, {"prompt": "b"}]}, "", "has weight 0"),
    "base share 1": ({**HALVES, "regions": [{"prompt": "a", "base_share": 1}, {"prompt": "b"}]}, "", "has base share 1"),
    "covered": (
        {"enabled": True, "overlap": "over",
         "regions": [{"box": [0, 0, 0.5, 0.5], "prompt": "a"}, {"box": [0, 0, 1, 1], "prompt": "b", "priority": 1}]},
        "", "is covered by other regions.",
    ),
    "tiny": ({"enabled": True, "regions": [{"box": [0, 0, 0.01, 1], "prompt": "a", "feather": 0}]}, "", "smaller than one cell"),
    "BREAK in the main prompt": (HALVES, "a BREAK b", "The main prompt has BREAK"),
    "words found too late": (
        {"enabled": True, "regions": [{"words": "hat", "prompt": "a", "steps": [0, 0.2]}]}, "a hat", "never acts: its steps end at 0.2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "prompt", "text"), WARNINGS.values(), ids=WARNINGS)
def test_warnings(client, settings, prompt, text):
    warnings = post(client, "validate", settings=settings, prompt=prompt, width=512, height=512).json()["warnings"]
    assert len(warnings) == 1
    assert text in warnings[0]


def test_preview_shows_the_regions_in_their_colours(client):
    regions = [{"box": [0, 0, 0.5, 1], "base_share": 0, "feather": 0}, {"box": [0.5, 0, 1, 0.5], "base_share": 0, "feather": 0}]
    image = picture(post(client, "preview", settings={"enabled": True, "regions": regions}, width=512, height=256, labels=False))
    assert image.size == (512, 256)
    assert image.getpixel((10, 10)) == region_colour(0)
    assert image.getpixel((500, 10)) == region_colour(1)
    assert image.getpixel((500, 250)) == BASE_COLOUR
    assert image.getpixel((256, 10)) != region_colour(1), "a border"


def test_preview_has_the_colours_of_the_numbers(client):
    regions = [{"box": [0, 0, 0.5, 1], "feather": 0}, {"box": [0.5, 0, 1, 1], "feather": 0}]
    body = {"settings": {"enabled": True, "regions": regions}, "width": 512, "height": 256, "labels": False}
    plain, named = picture(post(client, "preview", **body)), picture(post(client, "preview", **body, numbers=[2, 1]))
    assert named.getpixel((100, 100)) == plain.getpixel((400, 100)) and named.getpixel((400, 100)) == plain.getpixel((100, 100))
    assert picture(post(client, "preview", **body, numbers=[2])).getpixel((400, 100)) == plain.getpixel((400, 100))
    for wrong in ("1,2", [0], [True], [1.5], [10000]):
        answer = post(client, "preview", **body, numbers=wrong)
        assert answer.status_code == 422 and answer.json()["problems"][0]["field"] == "numbers"


def test_preview_has_a_regions_own_colour(client):
    regions = [{"box": [0, 0, 0.5, 1], "feather": 0, "colour": "#1020F0"}, {"box": [0.5, 0, 1, 1], "feather": 0}]
    body = {"settings": {"enabled": True, "regions": regions}, "width": 512, "height": 256, "labels": False}
    image = picture(post(client, "preview", **body))
    assert image.getpixel((100, 100)) == (16, 32, 240) and image.getpixel((400, 100)) == region_colour(1)
    regions[0]["colour"] = "blue"
    problem = post(client, "preview", **body).json()["problems"][0]
    assert problem["field"] == "regions[0].colour" and "#rrggbb" in problem["message"]


def test_a_report_of_the_checks_is_an_answer_too(client):
    wrong = {"enabled": True, "regions": [{"box": [0, 0, 1, 1], "weight": "much"}]}
    refused, reported = post(client, "validate", settings=wrong), post(client, "validate", settings=wrong, report=True)
    assert (refused.status_code, reported.status_code) == (422, 200)
    assert reported.json() == {"ok": False, **refused.json()} and reported.json()["problems"][0]["field"] == "regions[0].weight"
    assert post(client, "validate", settings=HALVES, report=True).json()["ok"] is True


def test_preview_mixes_by_weight(client):
    settings = {"enabled": True, "regions": [{"box": [0, 0, 1, 1], "base_share": 0.5, "feather": 0}]}
    pixel = picture(post(client, "preview", settings=settings, labels=False)).getpixel((100, 100))
    assert all(abs(value - (own + base) / 2) <= 1 for value, own, base in zip(pixel, region_colour(0), BASE_COLOUR, strict=True))


@pytest.mark.parametrize(("scale", "cells"), [(8, (33, 25)), (16, (17, 13)), (32, (9, 7)), (64, (5, 4))])
def test_preview_has_the_grid_of_the_scale(client, scale, cells):
    image = picture(post(client, "preview", settings=HALVES, width=264, height=200, scale=scale, labels=False))
    zoom = image.width // cells[0]
    assert image.size == (cells[0] * zoom, cells[1] * zoom)


@pytest.mark.parametrize("size", [(8, 8), (8, 16384), (16384, 64), (520, 776)])
@pytest.mark.parametrize("scale", [1, 8, 64])
def test_preview_of_odd_sizes(client, size, scale):
    image = picture(post(client, "preview", settings=HALVES, width=size[0], height=size[1], scale=scale))
    assert max(image.size) <= 16384 // 8


def test_preview_of_a_mask(client):
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    mask = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    settings = {"enabled": True, "regions": [{"mask": mask, "feather": 0}]}
    image = picture(post(client, "preview", settings=settings, width=512, height=512, labels=False)).convert("RGB")
    strengths = [
        distance(image.getpixel((image.width // 2, image.height * part // 8)), BASE_COLOUR) for part in (1, 2, 3, 5, 6, 7)
    ]  # the outline runs through the middle
    assert strengths == sorted(strengths) and 0 < strengths[0] < strengths[-1] / 4


def distance(a, b):
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


def test_preview_of_settings_that_are_off(client):
    assert picture(post(client, "preview", settings=None)).getpixel((5, 5)) == BASE_COLOUR
    assert picture(post(client, "preview", settings={**HALVES, "enabled": False}, labels=False)).getpixel((5, 5)) != BASE_COLOUR


def test_presets_live_through_their_life(client):
    put = client.put("/regional/v1/presets/Zwei Hälften", json={"settings": HALVES})
    assert put.status_code == 200, put.text
    assert client.get("/regional/v1/presets").json() == {"names": ["Zwei Hälften"]}
    loaded = client.get("/regional/v1/presets/Zwei Hälften").json()
    assert loaded["settings"]["regions"] == HALVES["regions"]
    assert client.post("/regional/v1/presets/Zwei Hälften/rename", json={"name": "halves"}).json() == {"name": "halves"}
    assert client.get("/regional/v1/presets").json() == {"names": ["halves"]}
    assert client.put("/regional/v1/presets/halves", json={"settings": HALVES, "overwrite": False}).status_code == 422
    assert client.delete("/regional/v1/presets/halves").status_code == 200
    assert client.get("/regional/v1/presets").json() == {"names": []}


BAD_PRESETS = {
    "missing": ("get", "none", {}),
    "delete missing": ("delete", "none", {}),
    "rename missing": ("post", "none/rename", {"json": {"name": "x"}}),
    "rename to nothing": ("post", "none/rename", {"json": {}}),
    "hidden": ("put", ".hidden", {"json": {"settings": HALVES}}),
    "outside": ("put", "..%5Cx", {"json": {"settings": HALVES}}),
    "reserved": ("put", "CON", {"json": {"settings": HALVES}}),
    "long": ("put", "x" * 81, {"json": {"settings": HALVES}}),
    "bad settings": ("put", "good", {"json": {"settings": {"enabled": 3}}}),
    "nothing to save": ("put", "good", {"json": {}}),
    "overwrite is no flag": ("put", "good", {"json": {"settings": HALVES, "overwrite": 1}}),
}


@pytest.mark.parametrize(("method", "path", "options"), BAD_PRESETS.values(), ids=BAD_PRESETS)
def test_bad_presets(client, tmp_path, method, path, options):
    answer = getattr(client, method)(f"/regional/v1/presets/{path}", **options)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["..%2Fx", "a/b", "%2e%2e/x"])
def test_paths_are_no_names(client, tmp_path, path):
    answer = client.put(f"/regional/v1/presets/{path}", json={"settings": HALVES})
    assert answer.status_code in (404, 405, 422)
    assert list(tmp_path.iterdir()) == []


def test_adding_twice_uses_the_later_store_alone(app, client, tmp_path):
    client.get("/openapi.json")
    before = [route.path for route in app.routes]
    app.mount("/", FastAPI())
    add_routes(app, PresetStore(tmp_path / "second"))
    assert sorted(route.path for route in app.routes if getattr(route, "path", "")) == sorted([*before])
    client.put("/regional/v1/presets/a", json={"settings": HALVES})
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def test_attention_maps_by_name(tmp_path):
    application, maps = FastAPI(), AttentionMaps()
    add_routes(application, PresetStore(tmp_path), maps=maps)
    asked = TestClient(application)
    assert asked.get("/regional/v1/attention/mine").status_code == 404
    maps.begin("my own")
    maps.add("my own", [(RegionMap(1, (1, 2), 0.25, b"\x10\xff"),), ()])
    assert asked.get("/regional/v1/attention/my%20own").json() == {
        "name": "my own",
        "serial": 1,
        "images": [[{"region": 1, "grid": [1, 2], "peak": 0.25, "levels": "EP8="}], []],
    }
