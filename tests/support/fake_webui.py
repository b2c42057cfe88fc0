"""A WebUI's API without a model, for the driver of batches: its pictures follow from the request, and it fails where a test asks for that.

``python fake_webui.py PORT [SECONDS]`` serves until it is killed; `FakeWebui` does in a thread.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Answer = tuple[int, Any]
Respond = Callable[[dict[str, Any]], Answer]


def picture_of(request: dict[str, Any]) -> bytes:
    """A small PNG of one colour that follows from the request."""
    number = zlib.crc32(json.dumps(request, sort_keys=True).encode())
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (number & 255, number >> 8 & 255, number >> 16 & 255)).save(buffer, "PNG")
    return buffer.getvalue()


def answer_of(request: dict[str, Any]) -> Answer:
    """What a WebUI answers to a request with or without regions."""
    info: dict[str, Any] = {"all_seeds": [request.get("seed", -1)], "extra_generation_params": {}}
    settings = request.get("alwayson_scripts", {}).get("Regional", {}).get("args", [None])[0]
    if settings:
        regions = [round(0.9 - 0.1 * at, 4) for at in range(len(settings["regions"]))]
        info["extra_generation_params"]["Regional scores"] = [{"score": min(regions, default=None), "regions": regions}]
    return 200, {"images": [base64.b64encode(picture_of(request)).decode()], "parameters": request, "info": json.dumps(info)}


class FakeWebui:
    """Serves while it is entered. ``respond`` makes the answer of a picture's request; ``asked`` holds the requests in their order."""

    def __init__(self, respond: Respond = answer_of, port: int = 0, scripts: Sequence[str] = ("Regional",)) -> None:
        self.respond = respond
        self.asked: list[dict[str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send(200, {"txt2img": list(scripts), "img2img": list(scripts)})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if not self.path.endswith("2img"):
                    return self.send(200, {})
                request = json.loads(body)
                fake.asked.append(request)
                self.send(*fake.respond(request))

            def send(self, status: int, body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that went away."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> FakeWebui:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0

    def slowly(request: dict[str, Any]) -> Answer:
        time.sleep(pause)
        return answer_of(request)

    FakeWebui(slowly, int(sys.argv[1])).server.serve_forever()
