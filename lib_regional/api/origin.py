"""Which page a browser's request comes from, by its ``Origin``, and which server it means, by its ``Host`` (RFC 6454, RFC 9110)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers

from .body import RequestRefused

_HOST = r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_-][a-z0-9._-]*)(?::(?P<port>[0-9]{1,5}))?"
_HEADER = re.compile(_HOST, re.A)
_ORIGIN = re.compile(rf"(?P<scheme>https?)://{_HOST}", re.A)
_DEFAULT_PORTS = {"http": 80, "https": 443}

FOREIGN = "This request comes from the page of another site ({origin}), which may not use this server."
"""The sentence of a 403 for a foreign ``Origin``."""


@dataclass(frozen=True)
class Address:
    """A name (lower case; IPv6 without brackets) and a port; None is a port that was not given."""

    name: str
    port: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the name means this machine, without a look-up."""
        return self.name == "localhost" or (self.is_number and ipaddress.ip_address(self.name).is_loopback)

    @property
    def is_number(self) -> bool:
        """Whether it is an IP address: a page of another site cannot make its own name mean this server then."""
        try:
            ipaddress.ip_address(self.name)
        except ValueError:
            return False
        return True


def parse_host(text: str) -> Address | None:
    """``name`` or ``name:port`` of a Host header; None for anything else."""
    found = _HEADER.fullmatch(text.strip().lower())
    return None if found is None else _address(found, None)


def parse_origin(text: str) -> Address | None:
    """``http://name:port`` of an Origin header, with the scheme's own port where none is given; None for anything else (``null``)."""
    found = _ORIGIN.fullmatch(text.strip().lower())
    return None if found is None else _address(found, _DEFAULT_PORTS[found["scheme"]])


def _address(found: re.Match[str], port: int | None) -> Address:
    return Address(found["name"].strip("[]").rstrip("."), int(found["port"]) if found["port"] else port)


def is_own(origin: str, hosts: Iterable[str]) -> bool:
    """Whether ``origin`` is one of the servers that the ``hosts`` (values of Host headers) name.

    Without a port in the Host the names alone are compared: a proxy has left it out, so the port is unknown.
    """
    page = parse_origin(origin)
    if page is None:
        return False
    servers = (parse_host(host) for host in hosts)
    return any(server and server.name == page.name and server.port in (None, page.port) for server in servers)


def check_origin(request: Request) -> None:
    """Raise RequestRefused (403) for a request that a page of another site sends, to a WebUI that answers on any name.

    Own is the Host that was seen, the one that a proxy hands on (``X-Forwarded-Host``: no page can send it to another site without being
    asked first), and what the browser itself calls ``same-origin`` (``Sec-Fetch-Site``, which no page can set). So are origins that the
    WebUI was started for (``--cors-allow-origins``). A request without Origin is no page's.
    """
    headers = request.headers
    for origin in headers.getlist("origin"):
        if not (is_own(origin, _hosts_seen(headers)) or _is_vouched_for(headers) or origin in _AllowedOrigins(request.app)):
            text = FOREIGN.format(origin=origin[:200])
            hint = "Behind a proxy that changes the Host header, let it set X-Forwarded-Host."
            raise RequestRefused(403, "ForeignOrigin", f"{text} {hint}")


def _hosts_seen(headers: Headers) -> Iterator[str]:
    yield from headers.getlist("host")
    for line in headers.getlist("x-forwarded-host"):
        yield from line.split(",")


def _is_vouched_for(headers: Headers) -> bool:
    return headers.getlist("sec-fetch-site") == ["same-origin"]


@dataclass(frozen=True)
class _AllowedOrigins:
    """Origins that an application's CORS middleware names; "*" names none."""

    app: Any

    def __contains__(self, origin: str) -> bool:
        return any(self._names(options, origin) for options in self._options())

    def _options(self) -> Iterator[Mapping[str, Any]]:
        for entry in getattr(self.app, "user_middleware", ()):
            if getattr(entry.cls, "__name__", "").endswith("CORSMiddleware"):
                # Starlette keeps them as `options` up to 0.34, as `kwargs` from 0.35.
                yield getattr(entry, "kwargs", None) or getattr(entry, "options", None) or {}

    def _names(self, options: Mapping[str, Any], origin: str) -> bool:
        pattern = options.get("allow_origin_regex")
        return origin in (options.get("allow_origins") or ()) or bool(pattern and re.fullmatch(pattern, origin))
