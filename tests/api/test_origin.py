"""The own routes inside a WebUI: pages of other sites are refused, and proxies, other names and programs go on."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.testclient import TestClient

from lib_regional.api.origin import is_own
from lib_regional.api.routes import add_routes
from lib_regional.request.presets import PresetStore

SETTINGS = {"settings": {"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a"}]}}


def webui(folder, **cors):
    app = FastAPI()
    add_routes(app, PresetStore(folder))
    app.get("/others")(lambda: "another extension's")
    if cors:
        app.add_middleware(CORSMiddleware, **cors)
    return TestClient(app, "http://127.0.0.1:7860", raise_server_exceptions=False)


@pytest.fixture
def client(tmp_path):
    made = webui(tmp_path)
    made.put("/regional/v1/presets/mine", json=SETTINGS)
    return made


REQUESTS = [
    ("GET", "/schema", {}),
    ("GET", "/presets", {}),
    ("GET", "/presets/mine", {}),
    ("GET", "/attention/none", {}),
    ("POST", "/validate", {"json": SETTINGS}),
    ("POST", "/preview", {"json": SETTINGS}),
    ("PUT", "/presets/other", {"json": SETTINGS}),
    ("POST", "/presets/mine/rename", {"json": {"name": "theirs"}}),
    ("DELETE", "/presets/mine", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:7861", "http://localhost:7860", "null", ""])
def test_pages_of_other_sites_are_refused(client, method, path, body, origin):
    answer = client.request(method, f"/regional/v1{path}", headers={"origin": origin}, **body)
    assert answer.status_code == 403 and answer.json()["error"] == "ForeignOrigin"
    assert client.get("/regional/v1/presets").json()["names"] == ["mine"]


def test_the_hosts_own_routes_are_left_alone(client):
    assert client.get("/others", headers={"origin": "http://evil.example"}).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain;json", "text/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_bodies_are_json(client, kind):
    headers = {"content-type": kind} if kind else {}
    answer = client.post("/regional/v1/presets/mine/rename", content=b'{"name": "theirs"}', headers=headers)
    assert answer.status_code == 415 and client.get("/regional/v1/presets").json()["names"] == ["mine"]


PROXIES = {
    "a program": {},
    "its own page": {"origin": "http://127.0.0.1:7860"},
    "--listen": {"host": "192.168.1.5:7860", "origin": "http://192.168.1.5:7860"},
    "share link": {"host": "1a2b3c.gradio.live", "origin": "https://1a2b3c.gradio.live"},
    "proxy, Host kept": {"host": "sd.example", "origin": "https://sd.example"},
    "proxy, Host kept without its port": {"host": "sd.example", "origin": "https://sd.example:8443"},
    "proxy, Host changed and handed on": {"origin": "http://sd.lan", "x-forwarded-host": "sd.lan"},
    "two proxies": {"origin": "https://sd.example", "x-forwarded-host": "sd.example, inner.lan"},
    "proxy, Host changed, https": {"origin": "https://sd.example", "sec-fetch-site": "same-origin"},
}


@pytest.mark.parametrize("headers", PROXIES.values(), ids=PROXIES)
def test_what_people_put_in_front_goes_on(client, headers):
    assert client.post("/regional/v1/validate", json=SETTINGS, headers=headers).status_code == 200


def test_the_error_names_the_header_that_a_proxy_has_to_set(client):
    answer = client.get("/regional/v1/schema", headers={"origin": "http://sd.lan", "sec-fetch-site": "cross-site"})
    assert answer.status_code == 403 and "X-Forwarded-Host" in answer.json()["detail"] and "http://sd.lan" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("cors", "fine"),
    [
        ({"allow_origins": ["https://tool.example"]}, True),
        ({"allow_origin_regex": r"https://.*\.example"}, True),
        ({"allow_origins": ["https://other.example"]}, False),
        ({"allow_origins": ["*"]}, False),
    ],
)
def test_origins_that_the_webui_was_started_for_go_on(tmp_path, cors, fine):
    answer = webui(tmp_path, **cors).get("/regional/v1/schema", headers={"origin": "https://tool.example"})
    assert answer.status_code == (200 if fine else 403)


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://a", "a", True),
        ("HTTP://A", "a:80", True),
        ("https://a", "a:443", True),
        ("https://a", "a:80", False),
        ("http://a:1", "a:2", False),
        ("http://a.b", "a", False),
        ("http://[::1]:80", "[::1]", True),
        ("ftp://a", "a", False),
        ("http://user@a", "a", False),
        ("http://a", "", False),
        ("", "", False),
    ],
)
def test_own(origin, host, own):
    assert is_own(origin, [host]) is own
