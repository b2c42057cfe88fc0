"""Routes under /regional/v1/. Every one answers JSON (the preview PNG); a RegionalError becomes 422 with its problems."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from ..request.attention_maps import AttentionMaps
from ..request.cost import TRAINED
from ..request.errors import RegionalError, settings_error
from ..request.layout.builtin import BUILTIN
from ..request.layout.shapes import SHAPES, read_shape
from ..request.presets import PresetStore
from ..request.settings import Settings, json_schema
from ..sources.models.loading import PictureModels
from .body import RequestRefused, flag_field, read_body, size_field, text_field
from .checks import validate
from .foreign import NetworkLists, TokenCounter, foreign_routes
from .masks import mask_routes
from .origin import check_origin
from .preview import SCALES, preview_png, shape_png

PREFIX = "/regional/v1"

MOST_NUMBER = 9999
"""Highest number of a region in a preview."""

_log = logging.getLogger(__name__)

Answer = Callable[[Request], Awaitable[Response]]


def add_routes(
    app: FastAPI,
    store: PresetStore,
    count_tokens: TokenCounter | None = None,
    trained_side: Callable[[], int] | None = None,
    maps: AttentionMaps | None = None,
    models: PictureModels | None = None,
    networks: NetworkLists | None = None,
) -> None:
    """Add the routes to ``app``, in place of those of an earlier call.

    ``count_tokens``, ``trained_side`` (of the loaded model's latents, in cells) and ``networks`` query the host; None where none runs.
    ``maps`` are the attention maps of finished pictures, ``models`` those that find masks in pictures; None: there are none.
    """
    routes = app.router.routes
    routes[:] = [route for route in routes if not getattr(route, "path", "").startswith(PREFIX + "/")]
    before = len(routes)
    hosts = foreign_routes(count_tokens, networks)
    own = *_stateless(trained_side or (lambda: TRAINED)), *hosts, *mask_routes(models or PictureModels())
    app.include_router(_router((*own, *_presets(store), _attention(maps or AttentionMaps()))))
    # In front of everything: a page mounted at "/" would otherwise answer first when the routes are added a second time.
    routes[:] = [*routes[before:], *routes[:before]]
    app.openapi_schema = None


def _router(rows: Iterable[tuple[str, str, Answer]]) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["Regional"])
    for method, path, answer in rows:
        router.add_api_route(path, _guarded(answer), methods=[method], summary=answer.__doc__, name=f"regional_{answer.__name__}")
    return router


def _stateless(trained_side: Callable[[], int]) -> tuple[tuple[str, str, Answer], ...]:
    async def schema(_: Request) -> Response:
        """JSON schema of the settings."""
        return JSONResponse(json_schema())

    async def layouts(_: Request) -> Response:
        """Built-in layouts: shapes without texts."""
        return JSONResponse({"layouts": [{"name": name, "settings": settings} for name, settings in BUILTIN.items()]})

    async def check(request: Request) -> Response:
        """Check settings, and return the texts of every region."""
        body = await read_body(request)
        try:
            return JSONResponse(await run_in_threadpool(_validated, body, trained_side))
        except RegionalError as error:
            if not flag_field(body, "report", False):
                raise
            return JSONResponse({"ok": False, **error.to_dict()})

    async def preview(request: Request) -> Response:
        """Picture of the weight maps."""
        body = await read_body(request)
        return Response(await run_in_threadpool(_drawn, body), media_type="image/png", headers={"Cache-Control": "no-store"})

    async def shape(request: Request) -> Response:
        """Picture of a shape: {"shape": {"procedural": …}, "width": …, "height": …}."""
        body = await read_body(request)
        return Response(await run_in_threadpool(_shape_drawn, body), media_type="image/png", headers={"Cache-Control": "no-store"})

    posts = ("/validate", check), ("/preview", preview), ("/shape", shape)
    return ("GET", "/schema", schema), ("GET", "/layouts", layouts), *(("POST", path, answer) for path, answer in posts)


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
        store.save(name, settings, overwrite=flag_field(body, "overwrite", True))
        return JSONResponse({"name": name, "settings": settings.to_json()})

    async def delete(request: Request) -> Response:
        """Delete a preset."""
        store.delete(request.path_params["name"])
        return JSONResponse({"deleted": request.path_params["name"]})

    async def rename(request: Request) -> Response:
        """Rename a preset: {"name": the new one}."""
        body = await read_body(request)
        new = text_field(body, "name", None)
        store.rename(request.path_params["name"], new)
        return JSONResponse({"name": new})

    one = "/presets/{name}"
    return (
        ("GET", "/presets", names), ("GET", one, load), ("PUT", one, save), ("DELETE", one, delete), ("POST", f"{one}/rename", rename),
    )  # fmt: skip


def _attention(maps: AttentionMaps) -> tuple[str, str, Answer]:
    async def attention(request: Request) -> Response:
        """Attention maps of the regions' words, for the pictures of the last generation of that name."""
        name = request.path_params["name"]
        found = maps.of(name)
        if found is None:
            raise RequestRefused(404, "NotFound", "No attention maps are kept under this name: ask for them with attention_maps.")
        return JSONResponse({"name": name, "serial": maps.serial, "images": [[one.to_json() for one in image] for image in found]})

    return "GET", "/attention/{name}", attention


def _guarded(answer: Answer) -> Answer:
    """``answer`` for this site's own pages and for programs, whose errors are answers too and show nothing of the inside."""

    async def guarded(request: Request) -> Response:
        try:
            check_origin(request)
            return await answer(request)
        except RegionalError as error:
            return JSONResponse(error.to_dict(), 422)
        except RequestRefused as refused:
            return JSONResponse(refused.body, refused.status)
        except Exception:
            _log.exception("Regional: %s %s failed", request.method, request.url.path)
            return JSONResponse({"error": "InternalError", "detail": "This failed inside Regional; see its log.", "problems": []}, 500)

    return guarded


def _validated(body: dict[str, Any], trained_side: Callable[[], int]) -> dict[str, Any]:
    settings = Settings.parse(body.get("settings"))
    size = (size_field(body, "width"), size_field(body, "height"))
    return validate(settings, text_field(body, "prompt", ""), text_field(body, "negative", ""), size, trained_side())


def _shape_drawn(body: dict[str, Any]) -> bytes:
    given = body.get("shape")
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in SHAPES:
        raise settings_error("shape", given, f"an object with one of {', '.join(SHAPES)}")
    ((kind, value),) = given.items()
    return shape_png(read_shape(kind, value), size_field(body, "width"), size_field(body, "height"))


def _drawn(body: dict[str, Any]) -> bytes:
    settings = Settings.parse(body.get("settings"))
    size, scale = (size_field(body, "width"), size_field(body, "height")), body.get("scale", 8)
    if isinstance(scale, bool) or scale not in SCALES:
        raise settings_error("scale", scale, f"one of {', '.join(map(str, SCALES))}")
    return preview_png(settings.layout(), *size, scale, flag_field(body, "labels", True), _numbers(body))


def _numbers(body: dict[str, Any]) -> list[int] | None:
    numbers = body.get("numbers")
    if numbers is None:
        return None
    if not isinstance(numbers, list) or not all(type(number) is int and 1 <= number <= MOST_NUMBER for number in numbers):
        raise settings_error("numbers", numbers, f"a list of whole numbers from 1 to {MOST_NUMBER}, one for each region")
    return numbers
