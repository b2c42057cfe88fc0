"""Routes for layouts of other tools, mask pictures, old pictures and tokens."""

from __future__ import annotations

import base64
import io
import json
import zipfile

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lib_regional.api.routes import add_routes
from lib_regional.request.presets import PresetStore
from lib_regional.request.prompt.networks import Networks
from lib_regional.request.settings import Settings

PREFIX = "/regional/v1"


@pytest.fixture
def client(tmp_path):
    app = FastAPI()
    add_routes(app, PresetStore(tmp_path), lambda texts: [(len(text.split()), 75) for text in texts])
    return TestClient(app)


def picture(image, info=None) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def two_colours() -> str:
    image = Image.new("RGB", (32, 16), "#804040")
    image.paste("#408080", (16, 0, 32, 16))
    return picture(image)


def test_import_gives_settings_and_a_report(client):
    answer = client.post(f"{PREFIX}/import", json={"text": "a BREAK b", "hints": {"ratios": "1,3"}, "negative": "bad"}).json()
    settings = Settings.parse(answer["settings"])
    assert settings.grid.ratios == "1,3" and [region.prompt for region in settings.regions] == ["a", "b"]
    assert answer["format"] == "Regional Prompter" and answer["taken"] and answer["lost"] == []


def test_import_reads_the_mask_of_a_payload(client):
    arguments = [True, False, "Mask", "", "", "", "1,1", "0.2", False, False, False, "Attention", [], "0", "0", "0.4", two_colours()]
    text = json.dumps({"prompt": "a BREAK b", "alwayson_scripts": {"Regional Prompter": {"args": arguments}}})
    answer = client.post(f"{PREFIX}/import", json={"text": text}).json()
    assert [Settings.parse(answer["settings"]).regions[at].shape.KIND for at in (0, 1)] == ["mask", "mask"]


@pytest.mark.parametrize(
    ("body", "says"),
    [({"text": "plain"}, "one piece"), ({"text": 3}, "text must be"), ({}, "text must be"), ({"text": "a", "hints": {"x": 1}}, "hints")],
)
def test_import_refuses_with_a_reason(client, body, says):
    answer = client.post(f"{PREFIX}/import", json=body)
    assert answer.status_code == 422 and says in answer.json()["detail"]


def test_masks_of_a_picture(client):
    answer = client.post(f"{PREFIX}/masks", json={"picture": two_colours(), "kind": "colours"}).json()
    assert [region["palette"] for region in answer["regions"]] == [0, 1]
    Settings.parse({"enabled": True, "regions": [{"mask": region["mask"]} for region in answer["regions"]]}).layout()
    assert "2 regions found" in answer["notes"][0]


def test_a_picture_that_is_none(client):
    answer = client.post(f"{PREFIX}/masks", json={"picture": "data:image/svg+xml;base64,PHN2Zy8+", "kind": "grey"})
    assert answer.status_code == 422 and "SVG" in answer.json()["detail"]
    assert client.post(f"{PREFIX}/masks", json={"picture": two_colours(), "kind": "x"}).status_code == 422


def test_parameters_of_a_picture(client):
    info = PngInfo()
    info.add_text("parameters", "a BREAK b\nSteps: 3")
    answer = client.post(f"{PREFIX}/parameters", json={"picture": picture(Image.new("L", (4, 4)), info)})
    assert answer.json() == {"infotext": "a BREAK b\nSteps: 3"}
    assert client.post(f"{PREFIX}/parameters", json={"picture": two_colours()}).status_code == 422


def test_layers_of_a_picture(client):
    settings = {"enabled": True, "regions": [{"box": [0, 0, 0.5, 1], "prompt": "a"}]}
    answer = client.post(f"{PREFIX}/layers", json={"picture": two_colours(), "settings": settings})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["001 region 1.png", "002 base.png", "manifest.json"]
    for wrong in ({"settings": {"enabled": True, "regions": []}}, {"picture": "data:image/png;base64,aaaa"}):
        assert client.post(f"{PREFIX}/layers", json={"picture": two_colours(), "settings": settings, **wrong}).status_code == 422


def test_a_shape_as_a_picture(client):
    body = {"shape": {"procedural": {"kind": "stripes", "count": 1}}, "width": 64, "height": 64}
    shown = np.asarray(Image.open(io.BytesIO(client.post(f"{PREFIX}/shape", json=body).content)))
    assert shown.shape == (64, 64) and (shown[:, :32] == 255).all() and (shown[:, 32:] == 0).all()
    for wrong, field in (({"procedural": {"kind": "x"}}, "procedural.kind"), ({"blob": 1}, "shape"), (7, "shape")):
        answer = client.post(f"{PREFIX}/shape", json={**body, "shape": wrong})
        assert answer.status_code == 422 and answer.json()["problems"][0]["field"] == field


def test_tokens_are_the_hosts(client, tmp_path):
    assert client.post(f"{PREFIX}/tokens", json={"texts": ["a b", ""]}).json() == {
        "counts": [{"tokens": 2, "limit": 75}, {"tokens": 0, "limit": 75}]
    }
    assert client.post(f"{PREFIX}/tokens", json={"texts": "a"}).status_code == 422
    app = FastAPI()
    add_routes(app, PresetStore(tmp_path))
    assert TestClient(app).post(f"{PREFIX}/tokens", json={"texts": ["a"]}).json() == {"counts": []}


def test_the_hosts_networks_and_their_pictures(client, tmp_path):
    nothing = {"loras": [], "aliases": [], "embeddings": [], "pictures": {"loras": [], "embeddings": []}}
    assert client.get(f"{PREFIX}/networks").json() == nothing
    files = {name: tmp_path / f"{name}.safetensors" for name in ("a", "b.1", "c")}
    (tmp_path / "a.png").write_bytes(b"plain")
    (tmp_path / "a.preview.png").write_bytes(b"chosen")
    (tmp_path / "b.1.jpg").write_bytes(b"jpg")
    (tmp_path / "secret.png").write_bytes(b"secret")
    app = FastAPI()
    add_routes(app, PresetStore(tmp_path), networks=lambda: Networks(files, ("other name",), {"d": tmp_path / "gone" / "d.pt"}))
    asked = TestClient(app)
    assert asked.get(f"{PREFIX}/networks").json() == {
        "loras": ["a", "b.1", "c"], "aliases": ["other name"], "embeddings": ["d"], "pictures": {"loras": ["a", "b.1"], "embeddings": []},
    }  # fmt: skip
    route = f"{PREFIX}/networks/loras/picture"
    assert asked.get(route, params={"name": "a"}).content == b"chosen" and asked.get(route, params={"name": "b.1"}).content == b"jpg"
    for kind, name in (("loras", "c"), ("loras", "secret"), ("loras", "../secret"), ("embeddings", "d"), ("models", "a")):
        answer = asked.get(f"{PREFIX}/networks/{kind}/picture", params={"name": name})
        assert answer.status_code == 404 and "loras and embeddings" in answer.json()["detail"], (kind, name)


def test_layouts_that_come_along(client):
    assert [entry["name"] for entry in client.get(f"{PREFIX}/layouts").json()["layouts"]][:2] == ["Couple", "Trio"]
