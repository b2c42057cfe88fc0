"""Pages of other sites against the local server, in a real browser: what they send is refused, and changes nothing."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from editor import soon

PRESET = {"settings": {"enabled": True, "regions": [{"box": [0, 0, 1, 1], "prompt": "a"}]}}

SEND = """async ([url, method, body, type]) => {
    const options = {method, mode: "no-cors"};
    if (body !== null) options.body = new Blob([body], type ? {type} : {});
    try { return (await fetch(url, options)).type; } catch (error) { return String(error); }
}"""


class Page(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another site</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Address of another site on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(url: str, body: object = None, method: str = "GET") -> object:
    """As a program asks: without Origin."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def state(url: str) -> tuple[object, object]:
    return ask(f"{url}/sdapi/v1/options"), ask(f"{url}/regional/v1/presets")


@pytest.fixture
def preset(url) -> Iterator[str]:
    ask(f"{url}/regional/v1/presets/guarded", PRESET, "PUT")
    yield "guarded"
    ask(f"{url}/regional/v1/presets/guarded", method="DELETE")


ATTACKS = {
    "options without a content type": ("POST", "/sdapi/v1/options", '{"outdir_samples": "stolen"}', ""),
    "a picture without a content type": ("POST", "/sdapi/v1/txt2img", '{"steps": 1, "width": 64, "height": 64, "save_images": true}', ""),
    "a preset as text/plain;json": ("POST", "/regional/v1/presets/guarded/rename", '{"name": "stolen"}', "text/plain;json"),
    "an interrupt without a body": ("POST", "/sdapi/v1/interrupt", None, ""),
    "the page's queue": ("POST", "/queue/join", '{"data": [], "fn_index": 0, "session_hash": "x"}', "text/plain"),
}


@pytest.mark.parametrize(("method", "path", "body", "kind"), ATTACKS.values(), ids=ATTACKS)
def test_a_page_of_another_site_changes_nothing(browser, url, elsewhere, preset, method, path, body, kind):
    before = state(url)
    page = browser.new_page()
    answers = []
    page.on("response", lambda answer: answers.append((urlsplit(answer.url).path, answer.status)))
    try:
        page.goto(elsewhere)
        page.evaluate(SEND, [url + path, method, body, kind])
        soon(page, lambda: (path, 403) in answers)
    finally:
        page.close()
    assert state(url) == before


def test_a_name_that_points_to_this_machine_opens_nothing(launch, url):
    """DNS rebinding: to the browser both are one site, and the server must know that the name is not its own."""
    port = urlsplit(url).port
    with_names = launch("--host-resolver-rules=MAP evil.example 127.0.0.1")
    try:
        page = with_names.new_page()
        answer = page.goto(f"http://evil.example:{port}/")
        assert answer.status == 403 and json.loads(answer.text())["error"] == "ForeignHost"
        status = page.evaluate("async () => (await fetch('/sdapi/v1/options')).status")
        assert status == 403
    finally:
        with_names.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "192.0.2.1:{port}"])
def test_a_foreign_host_on_the_wire(url, host):
    port = urlsplit(url).port
    before = state(url)
    body = b'{"outdir_samples": "stolen"}'
    lines = ["POST /sdapi/v1/options HTTP/1.1", f"Host: {host.format(port=port)}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall("\r\n".join(lines).encode() + body)
        assert wire.makefile("rb").readline().split()[1] == b"403"
    assert state(url) == before


def test_a_body_that_is_too_large_is_answered(url):
    """The client still sends when the server knows: it must see the answer and not a broken connection."""
    size = 65 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=60) as wire:
        head = f"POST /sdapi/v1/options HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        wire.sendall(head.encode())
        for _ in range(65):
            wire.sendall(b" " * 1024 * 1024)
        assert wire.makefile("rb").readline().split()[1] == b"413"


def test_the_page_itself_works(editor):
    """Its editor asks the own routes, its button goes through the queue, its picture comes as a file."""
    editor.draw_box((0.1, 0.1), (0.6, 0.6))
    editor.field("regions[0].prompt").fill("a red circle")
    page = editor.page
    page.locator("#txt2img_steps input[type=number]").first.fill("2")
    page.locator("#txt2img_generate").click()
    page.locator("#txt2img_gallery img").first.wait_for(timeout=60000)
    assert page.locator("#txt2img_gallery img").first.evaluate("image => image.naturalWidth") > 0
