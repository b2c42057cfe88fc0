"""Routes under /regional/v1/. Every one answers JSON (the preview PNG); a RegionalError becomes 422 with its problems."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from ..core.errors import RegionalError, settings_error
from ..core.presets import PresetStore
from ..core.settings import Settings, json_schema
from .checks import validate
from .preview import SCALES, preview_png

PREFIX = "/regional/v1"
LARGEST_REQUEST = 64 * 1024 * 1024
_SIZES = (8, 16384)

_log = logging.getLogger(__name__)

Answer = Callable[[Request], Awaitable[Response]]


class RequestRefused(Exception):
    """A body that is not looked at: too large, or no JSON object."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"error": error, "detail": detail, "problems": []}


def add_routes(app: FastAPI, store: PresetStore) -> None:
    """Add the routes to ``app``, in place of those of an earlier call."""
    routes = app.router.routes
    routes[:] = [route for route in routes if not getattr(route, "path", "").startswith(PREFIX + "/")]
    before = len(routes)
    app.include_router(_router(store))
    # In front of everything: a page mounted at "/" would otherwise answer first when the routes are added a second time.
    routes[:] = [*routes[before:], *routes[:before]]
    app.openapi_schema = None


def _router(store: PresetStore) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["Regional"])
    for method, path, answer in (*_stateless(), *_presets(store)):
        router.add_api_route(path, _guarded(answer), methods=[method], summary=answer.__doc__, name=f"regional_{answer.__name__}")
    return router


def _stateless() -> tuple[tuple[str, str, Answer], ...]:
    async def schema(_: Request) -> Response:
        """JSON schema of the settings."""
        return JSONResponse(json_schema())

    async def check(request: Request) -> Response:
        """Check settings, and show what every region is told."""
        body = await read_body(request)
        return JSONResponse(await run_in_threadpool(_validated, body))

    async def preview(request: Request) -> Response:
        """Picture of the weight maps."""
        body = await read_body(request)
        return Response(await run_in_threadpool(_drawn, body), media_type="image/png", headers={"Cache-Control": "no-store"})

    return ("GET", "/schema", schema), ("POST", "/validate", check), ("POST", "/preview", preview)


def _presets(store: PresetStore) -> tuple[tuple[str, str, Answer], ...]:
    async def names(_: Request) -> Response:
        """Names of the presets."""
        return JSONResponse({"names": list(store.names())})

    async def load(request: Request) -> Response:
        """Settings of a preset."""
        name = request.path_params["name"]
        return JSONResponse({"name": name, "settings": store.load(name).to_json()})

    async def save(request: Request) -> Response:
        """Save settings as a preset: {"settings": …, "overwrite": true}."""
        name, body = request.path_params["name"], await read_body(request)
        if not body.get("settings"):
            raise settings_error("settings", body.get("settings"), "given: there is nothing to save")
        settings = Settings.parse(body["settings"])
        store.save(name, settings, overwrite=_flag(body, "overwrite", True))
        return JSONResponse({"name": name, "settings": settings.to_json()})

    async def delete(request: Request) -> Response:
        """Delete a preset."""
        store.delete(request.path_params["name"])
        return JSONResponse({"deleted": request.path_params["name"]})

    async def rename(request: Request) -> Response:
        """Rename a preset: {"name": the new one}."""
        body = await read_body(request)
        new = _text(body, "name", None)
        store.rename(request.path_params["name"], new)
        return JSONResponse({"name": new})

    one = "/presets/{name}"
    return (
        ("GET", "/presets", names), ("GET", one, load), ("PUT", one, save), ("DELETE", one, delete), ("POST", f"{one}/rename", rename),
    )  # fmt: skip


def _guarded(answer: Answer) -> Answer:
    """``answer`` whose errors are answers too, and which tells a stranger nothing about the inside."""

    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except RegionalError as error:
            return JSONResponse(error.to_dict(), 422)
        except RequestRefused as refused:
            return JSONResponse(refused.body, refused.status)
        except Exception:
            _log.exception("Regional: %s %s failed", request.method, request.url.path)
            return JSONResponse({"error": "InternalError", "detail": "This failed inside Regional; see its log.", "problems": []}, 500)

    return guarded


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises RequestRefused: 413 beyond 64 MB, 415 for another content type, 422 for anything else."""
    if "json" not in request.headers.get("content-type", ""):
        raise RequestRefused(415, "UnsupportedMediaType", "The content type must be application/json.")
    try:
        data = json.loads(await _read_limited(request))
    except (ValueError, RecursionError) as error:
        raise RequestRefused(422, "RequestError", "The request is not valid JSON.") from error
    if not isinstance(data, dict):
        raise RequestRefused(422, "RequestError", "The request must be a JSON object.")
    return data


async def _read_limited(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_REQUEST:
            raise RequestRefused(413, "RequestTooLarge", f"The request is larger than {LARGEST_REQUEST // 1024 // 1024} MB.")
        chunks.append(chunk)
    return b"".join(chunks)


def _validated(body: dict[str, Any]) -> dict[str, Any]:
    settings = Settings.parse(body.get("settings"))
    return validate(settings, _text(body, "prompt", ""), _text(body, "negative", ""), (_size(body, "width"), _size(body, "height")))


def _drawn(body: dict[str, Any]) -> bytes:
    settings = Settings.parse(body.get("settings"))
    size, scale = (_size(body, "width"), _size(body, "height")), body.get("scale", 8)
    if isinstance(scale, bool) or scale not in SCALES:
        raise settings_error("scale", scale, f"one of {', '.join(map(str, SCALES))}")
    return preview_png(settings.layout(), *size, scale, _flag(body, "labels", True))


def _size(body: dict[str, Any], name: str) -> int:
    value, (low, high) = body.get(name, 512), _SIZES
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise settings_error(name, value, f"a number of pixels from {low} to {high}")
    return int(value)


def _text(body: dict[str, Any], name: str, default: str | None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise settings_error(name, value, "a text")
    return value


def _flag(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise settings_error(name, value, "true or false")
    return value
