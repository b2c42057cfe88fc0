"""Browser files of the page: the host's own, then ``javascript/*`` and ``style.css`` of the extensions, in its head as in the WebUI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/page-files"
STATIC = Path(__file__).parent / "static"


def browser_files(extensions: Iterable[Path]) -> dict[str, Path]:
    """Path below PREFIX -> file, in the order in which a page loads them; ``extensions`` are root folders."""
    files = {f"host/{path.name}": path for path in sorted(STATIC.glob("*.js")) + sorted(STATIC.glob("*.css"))}
    for root in extensions:
        found = [*sorted((root / "javascript").glob("*.js")), *sorted((root / "javascript").glob("*.mjs")), root / "style.css"]
        files.update({f"{number_of(root)}/{path.name}": path for path in found if path.is_file()})
    return files


def number_of(root: Path) -> str:
    """A short name of an extension's folder that can stand in an address."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in root.resolve().name) or "extension"


def head_html(files: Mapping[str, Path]) -> str:
    """Script and style elements; the files' times are in the addresses, so that a browser never keeps an old one."""
    lines = []
    for name, path in files.items():
        address = escape(f".{PREFIX}/{name}?{path.stat().st_mtime_ns}", quote=True)
        if path.suffix == ".css":
            lines.append(f'<link rel="stylesheet" href="{address}">')
        else:
            lines.append(f'<script type="{"module" if path.suffix == ".mjs" else "text/javascript"}" src="{address}"></script>')
    return "\n".join(lines)


_FOREIGN = re.compile(rb'<script\b[^>]*\bsrc="https?://[^"]*"[^>]*>\s*</script>|<link\b[^>]*\bhref="https?://[^"]*"[^>]*/?>')


def without_foreign(body: bytes) -> bytes:
    """A page without the scripts and links in it that a browser would fetch from other machines: Gradio has one for pages in frames."""
    return _FOREIGN.sub(b"", body)


class HeadMiddleware:
    """Puts the elements into the head of the page at "/". Everything else goes through untouched."""

    def __init__(self, app: ASGIApp, files: Mapping[str, Path]) -> None:
        self.app = app
        self.files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http" or scope["path"] not in ("", "/") or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        plain = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]}
        await self.app(plain, receive, _Rewriter(send, head_html(self.files).encode()))


class _Rewriter:
    """Collects one answer and sends it with something in front of ``</head>``."""

    def __init__(self, send: Send, head: bytes) -> None:
        self.send = send
        self.head = head
        self.start: Message | None = None
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body") or self.start is None:
            return
        body = without_foreign(self.body).replace(b"</head>", self.head + b"</head>", 1)
        MutableHeaders(raw=self.start["headers"])["content-length"] = str(len(body))
        await self.send(self.start)
        await self.send({"type": "http.response.body", "body": body})


def add_files(app: FastAPI, files: Mapping[str, Path]) -> None:
    """Serve ``files``, and nothing beside them, under PREFIX."""

    async def serve(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        return PlainTextResponse("Not found", 404) if path is None else FileResponse(path, headers={"Cache-Control": "no-cache"})

    app.add_route(f"{PREFIX}/{{name:path}}", serve, methods=["GET"])
