"""Who may use this server: pages that it served itself, and programs. Every route, the page's files and websockets among them.

A page of another site can send requests to this machine, and can make its own name mean this machine (DNS rebinding). The first shows
in ``Origin``, the second in ``Host``. Bodies are JSON, so that no page can send one without being asked first (CORS), and have a limit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...api.body import LARGEST_REQUEST, is_json
from ...api.origin import FOREIGN, Address, is_own, parse_host, parse_origin
from ...request.errors import settings_error

EVERY_ADDRESS = ("0.0.0.0", "::")
LOOPBACK = "127.0.0.1"

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_FORM_ROUTES = ("/upload", "/component_server", "/login")
"""Routes of the page that take files and forms."""


@dataclass(frozen=True)
class Access:
    """Where the server listens, and under which names it answers beside those of this machine (``name`` or ``name:port``)."""

    listen: str = LOOPBACK
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.names:
            if parse_host(name) is None:
                raise settings_error("--allow-host", name, "a name or name:port, such as pictures.example or 192.168.1.5:7860")

    @property
    def reached_at(self) -> str:
        """An address of the server as it stands in a link."""
        name = LOOPBACK if self.listen in EVERY_ADDRESS else self.listen
        return f"[{name}]" if ":" in name else name

    def allows_host(self, text: str) -> bool:
        """Whether a request with this Host header is meant for this server."""
        host = parse_host(text)
        if host is None:
            return False
        return host.is_loopback or self._is_listened_on(host) or any(_fits(named, host) for named in self._named())

    def allows_origin(self, origin: str, hosts: list[str]) -> bool:
        """Whether a page from ``origin`` may use this server: one that it served itself, or one of a name that it was started for."""
        page = parse_origin(origin)
        return page is not None and (is_own(origin, hosts) or any(_fits(named, page, own=True) for named in self._named()))

    def _is_listened_on(self, host: Address) -> bool:
        return host.is_number if self.listen in EVERY_ADDRESS else host.name == self.listen.lower()

    def _named(self) -> list[Address]:
        return [address for name in self.names if (address := parse_host(name))]


def _fits(named: Address, seen: Address, own: bool = False) -> bool:
    """A name without a port is any port of it as a Host, and the two usual ones as the origin of a page."""
    ports = (named.port,) if named.port else (80, 443) if own else (seen.port,)
    return named.name == seen.name and seen.port in ports


@dataclass(frozen=True)
class Refusal:
    """An answer that no route gives."""

    status: int
    error: str
    detail: str

    @property
    def body(self) -> bytes:
        """In the form of the other errors."""
        return json.dumps({"error": self.error, "detail": self.detail, "body": "", "errors": self.detail, "problems": []}).encode()


class GuardMiddleware:
    """Refuses before any route is looked for: 403 a foreign Host or Origin, 415 a body that is not JSON, 413 one that is too large."""

    def __init__(self, app: ASGIApp, access: Access, largest: int = LARGEST_REQUEST) -> None:
        self.app = app
        self.access = access
        self.largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._stranger(headers) or (self._bad_body(scope, headers) if scope["type"] == "http" else None)
        if refusal is not None:
            await _refuse(scope, refusal, receive, send, self.largest)
        elif scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await _Limited(self, receive, send).run(scope)

    def _stranger(self, headers: Headers) -> Refusal | None:
        hosts = headers.getlist("host")
        if not hosts or not all(map(self.access.allows_host, hosts)):
            seen = ", ".join(hosts)[:200] or "none"
            text = f"This server does not answer under this name ({seen})."
            return Refusal(403, "ForeignHost", f"{text} --allow-host NAME lets it answer under one.")
        strange = next((origin for origin in headers.getlist("origin") if not self.access.allows_origin(origin, hosts)), None)
        if strange is None:
            return None
        text = FOREIGN.format(origin=strange[:200])
        return Refusal(403, "ForeignOrigin", f"{text} --allow-host NAME lets a page of that name use it.")

    def _bad_body(self, scope: Scope, headers: Headers) -> Refusal | None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self.largest:
            return self.too_large
        if not has_body(headers) or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        kind = headers.get("content-type", "")
        if is_json(kind) or (scope["path"].startswith(_FORM_ROUTES) and kind.partition(";")[0].strip().lower() in _FORMS):
            return None
        return Refusal(415, "UnsupportedMediaType", f"The content type must be application/json, got {json.dumps(kind[:200])}.")

    @property
    def too_large(self) -> Refusal:
        """For a body beyond the limit."""
        return Refusal(413, "RequestTooLarge", f"The request is larger than {self.largest / 1024 / 1024:.0f} MB.")


def has_body(headers: Headers) -> bool:
    """Whether a request brings bytes with it. (RFC 9112, section 6.3)"""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


class _Limited:
    """One request whose body is counted while it is read: not all declare their length."""

    def __init__(self, guard: GuardMiddleware, receive: Receive, send: Send) -> None:
        self._guard = guard
        self._receive = receive
        self._send = send
        self._size = 0
        self._started = self._ended = False

    @property
    def _is_over(self) -> bool:
        return self._size > self._guard.largest

    async def run(self, scope: Scope) -> None:
        """Call the application; a body that grows beyond the limit ends in a 413, whatever the application responds."""
        try:
            await self._guard.app(scope, self._read, self._answer)
        except Exception:
            if not self._is_over:
                raise
        if self._is_over and not self._started:
            await _refuse(scope, self._guard.too_large, self._receive, self._send, 0 if self._ended else self._guard.largest)

    async def _read(self) -> Message:
        if self._is_over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return {"type": "http.disconnect"} if self._is_over else message

    async def _answer(self, message: Message) -> None:
        if self._is_over and not self._started:
            return
        self._started = True
        await self._send(message)


async def _refuse(scope: Scope, refusal: Refusal, receive: Receive, send: Send, largest: int) -> None:
    """Answer; the rest of the body, up to some times ``largest``, is read and dropped: a client that is still sending would not see it."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.error})  # before it is accepted: a 403
        return
    dropped, more = 0, True
    while more and dropped < 4 * largest:
        message = await receive()
        dropped += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(refusal.body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
