"""Routes that find masks in pictures: by their colours, and with models from the user's disk."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from ..request.errors import settings_error
from ..sources.channels import FoundMask
from ..sources.models.flows import FLOWS, flow_settings, listed_flows
from ..sources.models.loading import PictureModels
from ..sources.models.ways import WAYS, find_masks, listed_ways
from ..sources.picture import open_drawn
from ..sources.rows import SOURCES, listed
from .body import RequestRefused, read_body, text_field

_Found = TypeVar("_Found")

decoding = threading.Lock()
"""One picture is decoded at a time: many at once would multiply what one may cost."""

MOST_WAITING = 4
"""Requests for a model that run or wait; further ones are refused, because each keeps a thread of the server."""
_waiting = threading.BoundedSemaphore(MOST_WAITING)


def mask_routes(models: PictureModels) -> tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...]:
    """(method, path, answer) of each."""

    async def mask_sources(_: Request) -> Response:
        """The ways to find masks in a picture, and the models that are there for them."""
        known = await run_in_threadpool(models.listed)
        return JSONResponse({"sources": listed(), "ways": listed_ways(), **known})

    async def masks(request: Request) -> Response:
        """Masks out of a picture: {"picture": data URL, "kind": name of a mask source or of a way, and the way's parameters}."""
        return JSONResponse(await run_in_threadpool(_masks, await read_body(request), models))

    async def flows(_: Request) -> Response:
        """Ways of working that a picture and a few numbers make settings for."""
        return JSONResponse({"flows": listed_flows()})

    async def flow(request: Request) -> Response:
        """Settings of a way of working: {"picture": data URL, "kind": name of a flow, and the flow's parameters}."""
        return JSONResponse(await run_in_threadpool(_flow, await read_body(request), models))

    return ("GET", "/masks", mask_sources), ("POST", "/masks", masks), ("GET", "/flows", flows), ("POST", "/flows", flow)


def _masks(body: dict[str, Any], models: PictureModels) -> dict[str, Any]:
    kind = text_field(body, "kind", "grey")
    if kind not in SOURCES and kind not in WAYS:
        raise settings_error("kind", kind, f"one of {', '.join((*SOURCES, *WAYS))}")
    with decoding:
        picture = open_drawn(text_field(body, "picture", None))
        found = SOURCES[kind].masks(picture) if kind in SOURCES else None
    if found is None:
        found = _in_turn(lambda: find_masks(models, kind, picture, _parameters(body)))
    single = kind in SOURCES and SOURCES[kind].single
    return {"regions": [{"mask": mask.url, "name": mask.name, "palette": mask.palette} for mask in found], "notes": _notes(found, single)}


def _flow(body: dict[str, Any], models: PictureModels) -> dict[str, Any]:
    kind = text_field(body, "kind", None)
    if kind not in FLOWS:
        raise settings_error("kind", kind, f"one of {', '.join(FLOWS)}")
    with decoding:
        picture = open_drawn(text_field(body, "picture", None))
    settings = _in_turn(lambda: flow_settings(models, kind, picture, _parameters(body)))
    return {"settings": settings, "notes": [FLOWS[kind].next]}


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in ("picture", "kind")}


def _in_turn(find: Callable[[], _Found]) -> _Found:
    """What ``find`` returns. Raises `RequestRefused` where too many wait."""
    if not _waiting.acquire(blocking=False):
        raise RequestRefused(429, "TooManyRequests", f"{MOST_WAITING} requests for masks wait already: try again when they are done.")
    try:
        return find()
    finally:
        _waiting.release()


def _notes(found: list[FoundMask], single: bool) -> list[str]:
    count = f"{len(found)} region{'' if len(found) == 1 else 's'} found"
    return [] if single else [f"{count}: {', '.join(mask.name for mask in found[:12])}."]
