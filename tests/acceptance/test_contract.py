"""What API clients and the panel rely on."""

import base64
import json

import pytest
from client import HALVES, Made, difference, regional
from test_relations import SAME

REGIONS = [{**HALVES[0], "prompt": "a red circle, (soft:1.2)"}, {**HALVES[1], "prompt": 'a "blue" square: [snow]\nnew line', "weight": 2.0}]


def test_the_script_is_listed_with_one_argument(webui):
    scripts = webui.get("/sdapi/v1/script-info")
    own = [s for s in scripts if s["name"] == "regional" and s["is_alwayson"]]
    assert {s["is_img2img"] for s in own} == {True, False}
    assert all(len(s["args"]) == 1 for s in own)


def test_settings_as_a_json_string_are_settings(webui):
    settings = regional(REGIONS)
    assert webui.make(settings).pngs == webui.make(json.dumps(settings)).pngs


OWN = {"seed": 7, "cfg_scale": 3.5, "negative": "snow", "steps": [0.0, 0.75]}
SETTINGS = [
    pytest.param(regional(REGIONS, overlap="over", common="masterpiece"), id="attention couple"),
    *(
        pytest.param(regional([{**REGIONS[0], **OWN}, REGIONS[1]], method=method, options={method: options}), id=method)
        for method, options in {
            "latent_couple": {"mode": "crop", "halo": 1, "memory": 2.5},
            "multidiffusion": {"window": 64, "overlap": 0.25, "crop": "window", "bootstrap": 0.3, "total": 0.2, "total_from": 0.4},
            "latent_composite": {"alone": 0.4, "after": "latent_couple"},
            "rag": {"bind": 0.25, "soft": 0.8},
            "mask_conditioning": {"base_strength": 0.5},
        }.items()
    ),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_picture_to_infotext_to_picture(webui, settings):
    first = webui.make(settings)
    info = webui.post("/sdapi/v1/png-info", {"image": "data:image/png;base64," + base64.b64encode(first.pngs[0]).decode()}).json()["info"]
    assert info == first.infotexts[0]
    again = made_from(webui, info) if takes_infotexts(webui) else webui.make(read_back(webui, first))
    assert again.infotexts[0] == info
    assert difference(again, first) <= SAME


def takes_infotexts(webui):
    """Whether this host can make a picture from an infotext by API at all (Forge cannot, from none)."""
    answer = webui.post("/sdapi/v1/txt2img", {"infotext": "a circle\nSteps: 1, Sampler: Euler, CFG scale: 5.0, Seed: 1, Size: 64x64"})
    return answer.status_code == 200


def made_from(webui, info):
    answer = webui.post("/sdapi/v1/txt2img", {"infotext": info})
    assert answer.status_code == 200, answer.text[:500]
    body = answer.json()
    return Made((base64.b64decode(body["images"][0]),), tuple(json.loads(body["info"])["infotexts"]))


def read_back(webui, made):
    """The script's argument as the host reads it from the picture."""
    image = "data:image/png;base64," + base64.b64encode(made.pngs[0]).decode()
    return webui.post("/sdapi/v1/png-info", {"image": image}).json()["parameters"]["Regional"]


def test_validate_says_what_it_understood(webui):
    answer = webui.post("/regional/v1/validate", {"settings": regional(REGIONS), "prompt": "a street"}).json()
    assert answer["ok"] and answer["texts"]["base"] == "a street" and len(answer["texts"]["regions"]) == 2


def test_preview_is_a_picture(webui):
    answer = webui.post("/regional/v1/preview", {"settings": regional(REGIONS), "width": 128, "height": 128})
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png" and answer.content[:4] == b"\x89PNG"


def test_the_schema_names_every_key(webui):
    schema = webui.get("/regional/v1/schema")
    assert {"enabled", "method", "regions", "grid", "base", "common", "overlap", "text_from", "options", "version"} <= set(
        schema["properties"]
    )


@pytest.mark.parametrize("name", ["../evil", "a/b", "con", ".hidden"], ids=str)
def test_preset_names_are_no_paths(webui, name):
    from urllib.parse import quote

    import requests

    answer = requests.put(f"{webui.url}/regional/v1/presets/{quote(name, safe='')}", json={"settings": regional(REGIONS)}, timeout=30)
    assert answer.status_code in (404, 405, 422)


def test_presets_come_back_as_they_went(webui):
    import requests

    url = f"{webui.url}/regional/v1/presets/acceptance suite"
    assert requests.put(url, json={"settings": regional(REGIONS)}, timeout=30).status_code == 200
    try:
        got = requests.get(url, timeout=30).json()["settings"]
        assert [r["prompt"] for r in got["regions"]] == [r["prompt"] for r in REGIONS]
        assert "acceptance suite" in str(webui.get("/regional/v1/presets"))
    finally:
        assert requests.delete(url, timeout=30).status_code == 200
