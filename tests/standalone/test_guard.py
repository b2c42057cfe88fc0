"""Who may use the local server: every route refuses strangers, bodies are JSON with a limit, and nothing leaves the output folder."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient as StarletteClient
from starlette.websockets import WebSocketDisconnect

from lib_regional.request.errors import SettingsError
from lib_regional.standalone.server.app import create, free_port
from lib_regional.standalone.server.guard import Access, GuardMiddleware

JSON = {"content-type": "application/json"}
FOREIGN = {"origin": "http://evil.example"}
OWN = {"origin": "http://127.0.0.1"}


@pytest.fixture(scope="module")
def page(model, tmp_path_factory):
    """A host with its page and the extension's own routes."""
    output = tmp_path_factory.mktemp("output")
    app, host = create(nowebui=False, model=model, output=output)
    yield TestClient(app, "http://127.0.0.1", raise_server_exceptions=False), host
    host.close()


EVERY_KIND_OF_ROUTE = [
    ("GET", "/"),
    ("GET", "/config"),
    ("GET", "/page-files/host/2_page.js"),
    ("GET", "/assets/none.js"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/sdapi/v1/options"),
    ("POST", "/sdapi/v1/interrupt"),
    ("POST", "/sdapi/v1/txt2img"),
    ("GET", "/regional/v1/schema"),
    ("DELETE", "/regional/v1/presets/none"),
    ("POST", "/queue/join"),
    ("POST", "/upload"),
    ("OPTIONS", "/sdapi/v1/options"),
    ("GET", "/no-such-route"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_KIND_OF_ROUTE)
@pytest.mark.parametrize("headers", [FOREIGN, {"origin": "null"}, {"host": "evil.example"}], ids=["origin", "null", "host"])
def test_every_route_refuses_strangers(page, method, path, headers):
    answer = page[0].request(method, path, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"] == ("ForeignHost" if "host" in headers else "ForeignOrigin")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/config", "/page-files/host/2_page.js", "/sdapi/v1/options", "/regional/v1/schema"])
@pytest.mark.parametrize("headers", [{}, OWN], ids=["a program", "its own page"])
def test_its_own_page_and_programs_go_on(page, path, headers):
    assert page[0].get(path, headers=headers).status_code == 200


def test_the_three_attacks_change_nothing(page, tmp_path):
    """As a page of another site can send them: no content type, one that any form may have, and through a name of its own."""
    client, host = page
    client.put("/regional/v1/presets/mine", json={"settings": {"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a"}]}})
    options = json.dumps({"outdir_samples": str(tmp_path)}).encode()
    attacks = [
        ("/sdapi/v1/options", options, {}, 415),
        ("/sdapi/v1/options", options, FOREIGN, 403),
        ("/regional/v1/presets/mine/rename", b'{"name": "theirs"}', {"content-type": "text/plain;json"}, 415),
        ("/regional/v1/presets/mine/rename", b'{"name": "theirs"}', {"content-type": "text/plain;json", **FOREIGN}, 403),
        ("/sdapi/v1/options", options, {**JSON, "host": "evil.example:7860"}, 403),
        ("/sdapi/v1/options", options, {**JSON, "host": "evil.example:7860", "origin": "http://evil.example:7860"}, 403),
    ]
    try:
        for path, body, headers, status in attacks:
            assert client.post(path, content=body, headers=headers).status_code == status, (path, headers)
        assert client.get("/regional/v1/presets").json()["names"] == ["mine"]
        assert host.options.outdir_samples == "" and not any(tmp_path.iterdir())
    finally:
        client.delete("/regional/v1/presets/mine")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("text/plain;json", 415),
        ("text/json", 415),
        ("text/plain; application/json", 415),
        ("application/jsonp", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=json", 415),
        ("", 415),
    ],
)
def test_bodies_are_json(client, kind, status):
    answer = client.post("/sdapi/v1/options", content=b"{}", headers={"content-type": kind} if kind else {})
    assert answer.status_code == status
    if status == 415:
        assert "application/json" in answer.json()["detail"] and json.dumps(kind) in answer.json()["detail"]


def test_a_body_without_a_length_needs_a_type_too(client):
    assert client.post("/sdapi/v1/options", content=iter([b"{}"])).status_code == 415
    assert client.post("/sdapi/v1/interrupt").status_code == 200, "a request without a body needs none"


def test_the_page_takes_uploads(page):
    answer = page[0].post("/upload", files={"files": ("a.png", b"x", "image/png")}, headers=OWN)
    assert answer.status_code == 200 and answer.json()
    assert page[0].post("/upload", files={"files": ("a.png", b"x", "image/png")}, headers=FOREIGN).status_code == 403


# ---------------------------------------------------------------- names


HOSTS = [
    (Access(), "127.0.0.1", True),
    (Access(), "127.0.0.1:7860", True),
    (Access(), "127.9.9.9:1", True),
    (Access(), "LOCALHOST:7860", True),
    (Access(), "localhost.", True),
    (Access(), "[::1]:7860", True),
    (Access(), "192.168.1.5:7860", False),
    (Access(), "127.0.0.1.evil.example", False),
    (Access(), "localhost.evil.example", False),
    (Access(), "evil@127.0.0.1", False),
    (Access(), "127.0.0.1/x", False),
    (Access(), "0.0.0.0:7860", False),
    (Access(), "", False),
    (Access("192.168.1.5"), "192.168.1.5:7860", True),
    (Access("192.168.1.5"), "192.168.1.6:7860", False),
    (Access("192.168.1.5"), "localhost:7860", True),
    (Access("0.0.0.0"), "192.168.1.6:7860", True),
    (Access("::"), "[fe80::1]:7860", True),
    (Access("0.0.0.0"), "evil.example", False),
    (Access(names=("pictures.example",)), "pictures.example:8443", True),
    (Access(names=("pictures.example:8443",)), "pictures.example", False),
    (Access(names=("pictures.example",)), "other.pictures.example", False),
]


@pytest.mark.parametrize(("access", "host", "fine"), HOSTS)
def test_names_of_the_server(access, host, fine):
    assert access.allows_host(host) is fine


ORIGINS = [
    (Access(), "http://127.0.0.1:7860", "127.0.0.1:7860", True),
    (Access(), "http://127.0.0.1:7861", "127.0.0.1:7860", False),
    (Access(), "http://localhost:7860", "127.0.0.1:7860", False),
    (Access(), "http://127.0.0.1:7860.evil.example", "127.0.0.1:7860", False),
    (Access(), "http://127.0.0.1", "127.0.0.1:80", True),
    (Access(), "null", "127.0.0.1:7860", False),
    (Access(), "", "127.0.0.1:7860", False),
    (Access(), "file://", "127.0.0.1:7860", False),
    (Access(), "http://[::1]:7860", "[::1]:7860", True),
    (Access(names=("pictures.example",)), "https://pictures.example", "127.0.0.1:7860", True),
    (Access(names=("pictures.example",)), "https://pictures.example:9000", "127.0.0.1:7860", False),
    (Access(names=("pictures.example:9000",)), "https://pictures.example:9000", "127.0.0.1:7860", True),
]


@pytest.mark.parametrize(("access", "origin", "host", "fine"), ORIGINS)
def test_pages_of_the_server(access, origin, host, fine):
    assert access.allows_origin(origin, [host]) is fine


@pytest.mark.parametrize("name", ["", "http://pictures.example", "a b", "a/b", "*"])
def test_names_that_are_none(name):
    with pytest.raises(SettingsError, match="--allow-host must be a name"):
        Access(names=(name,))


def test_an_address_that_is_not_this_machines():
    with pytest.raises(OSError, match="--listen must be an address of this machine"):
        free_port(0, address="203.0.113.1")
    with pytest.raises(OSError, match="--listen must be an address of this machine"):
        free_port(0, address="no such name")


# ---------------------------------------------------------------- websockets and large bodies


async def _echo(socket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


async def _length(request):
    return JSONResponse(len(await request.body()))


def small_app(largest: int = 1000) -> StarletteClient:
    app = Starlette(routes=[WebSocketRoute("/ws", _echo), Route("/length", _length, methods=["POST"])])
    app.add_middleware(GuardMiddleware, access=Access(), largest=largest)
    return StarletteClient(app, "http://127.0.0.1")


def test_websockets_are_guarded():
    client = small_app()
    for headers in ({}, {"origin": "http://127.0.0.1"}):
        with client.websocket_connect("ws://127.0.0.1/ws", headers=headers) as socket:
            assert socket.receive_text() == "hello"
    for url, headers in (("ws://127.0.0.1/ws", FOREIGN), ("ws://evil.example/ws", {}), ("ws://127.0.0.1/ws", {"origin": "null"})):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(url, headers=headers):
            pass


@pytest.mark.parametrize("size", [1000, 1001, 3000, 100_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_have_a_limit(size, chunked):
    body = (b"x" * 100 for _ in range(size // 100)) if chunked and size != 1001 else b"x" * size
    answer = small_app().post("/length", content=body, headers=JSON)
    if size <= 1000:
        assert answer.json() == size
    else:
        assert answer.status_code == 413 and answer.json()["error"] == "RequestTooLarge"


def test_an_application_that_swallows_the_end_of_a_body_cannot_answer_for_it():
    """FastAPI makes an answer of its own of what goes wrong while a body is read."""
    sent, parts = [], [{"type": "http.request", "body": b"x" * 600, "more_body": True}] * 5

    async def inner(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"broken"})

    async def receive():
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(GuardMiddleware(inner, Access(), 1000)(scope, receive, send))
    assert [message.get("status") for message in sent] == [413, None]


# ---------------------------------------------------------------- folders and paths


OUTSIDE = ["/", "/elsewhere", "../elsewhere", "outputs/../../elsewhere", "a\0b"]


@pytest.mark.parametrize("name", ["outdir_samples", "outdir_txt2img_samples", "outdir_img2img_samples"])
@pytest.mark.parametrize("value", OUTSIDE)
def test_output_folders_cannot_be_left_by_api(client, host, name, value):
    before = dict(host.options.data)
    answer = client.post("/sdapi/v1/options", json={"samples_save": False, name: value})
    assert answer.status_code == 422 and host.options.data == before
    (problem,) = answer.json()["problems"]
    assert problem["field"] == name and "inside the host's output folder" in problem["allowed"]
    request = {"prompt": "a", "steps": 1, "width": 64, "height": 64, "override_settings": {name: value}}
    answer = client.post("/sdapi/v1/txt2img", json=request)
    assert answer.status_code == 422 and answer.json()["problems"][0]["field"] == f"override_settings.{name}"


def test_a_link_does_not_lead_out(client, host, tmp_path):
    (host.output / "link").symlink_to(tmp_path, target_is_directory=True)
    assert client.post("/sdapi/v1/options", json={"outdir_samples": "link/x"}).status_code == 422


def test_folders_inside_go_on(client, host):
    assert client.post("/sdapi/v1/options", json={"outdir_samples": "outputs/mine"}).status_code == 200
    client.post("/sdapi/v1/txt2img", json={"prompt": "a", "steps": 1, "width": 64, "height": 64, "save_images": True})
    assert len(list((host.output / "outputs" / "mine").glob("*.png"))) == 1


def test_answers_name_files_without_their_places(client, host, monkeypatch):
    monkeypatch.setattr(host.options, "all", lambda: Path("/home/somebody/secret/settings.json").read_text())
    answer = client.get("/sdapi/v1/options")
    assert answer.status_code == 500 and "somebody" not in answer.text and "settings.json" in answer.text
    for route in ("sd-models", "loras", "cmd-flags", "scripts", "samplers"):
        assert str(host.output) not in (text := client.get(f"/sdapi/v1/{route}").text) and '"/' not in text


# ---------------------------------------------------------------- pictures


def picture(side: int) -> str:
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"init_images": [picture(13000)]}, "init_images", "13000x13000"),
        ({"init_images": [picture(64), picture(13000)]}, "init_images[1]", "13000x13000"),
        ({"init_images": [picture(7000), picture(7000)]}, "init_images", "2 pictures together"),
        ({"init_images": [picture(64)], "mask": picture(13000)}, "mask", "13000x13000"),
    ],
    ids=["one", "the second", "together", "mask"],
)
def test_large_pictures_are_refused_before_they_are_decoded(client, fields, field, value):
    begin = time.process_time()
    answer = client.post("/sdapi/v1/img2img", json={"prompt": "a", "width": 64, "height": 64, **fields})
    assert answer.status_code == 422 and time.process_time() - begin < 2
    (problem,) = answer.json()["problems"]
    assert (problem["field"], problem["value"], problem["allowed"]) == (field, value, "at most 64 megapixels")


def test_png_info_has_the_limit_too(client):
    assert client.post("/sdapi/v1/png-info", json={"image": picture(13000)}).json()["problems"][0]["field"] == "image"
