"""Routes for what comes from elsewhere: layouts of other tools, finished and old pictures, the host's count of tokens and its LoRAs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from ..request.errors import RegionalError, settings_error
from ..request.importers import import_text
from ..request.prompt.networks import Networks, pictures_of
from ..request.settings import Settings
from ..sources.channels import palette_masks
from ..sources.layers import layers_zip
from ..sources.picture import infotext_of, open_picture
from .body import RequestRefused, read_body, size_field, text_field
from .masks import decoding

TokenCounter = Callable[[Sequence[str]], Sequence[tuple[int, int]]]
"""Texts -> (tokens, limit) of each."""

NetworkLists = Callable[[], Networks]
"""-> what prompts can name on the host now."""

_HINTS = (
    "ratios",
    "direction",
    "base_ratios",
    "use_base",
    "use_common",
    "use_ncommon",
    "background",
    "background_weight",
    "separator",
    "flip",
    "steps",
    "mask",
)
_MOST_TEXTS = 300
KINDS = ("loras", "embeddings")


def foreign_routes(
    count_tokens: TokenCounter | None, lists: NetworkLists | None = None
) -> tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...]:
    """(method, path, answer) of each."""

    async def import_layout(request: Request) -> Response:
        """A layout of another tool as settings: {"text": …, "format": "auto"}, with a report."""
        return JSONResponse(await run_in_threadpool(_imported, await read_body(request)))

    async def layers(request: Request) -> Response:
        """A picture cut into its regions' layers: {"picture": data URL, "settings": …}; a ZIP of transparent PNGs."""
        return Response(await run_in_threadpool(_layers, await read_body(request)), media_type="application/zip")

    async def parameters(request: Request) -> Response:
        """Generation parameters that a picture carries: {"picture": data URL}."""
        return JSONResponse(await run_in_threadpool(_parameters, await read_body(request)))

    async def tokens(request: Request) -> Response:
        """How many tokens texts have for the host: {"texts": […]}."""
        texts = _texts(await read_body(request))
        found = await run_in_threadpool(count_tokens, texts) if count_tokens else []
        return JSONResponse({"counts": [{"tokens": number, "limit": limit} for number, limit in found]})

    async def networks(_: Request) -> Response:
        """Names of the host's LoRAs and embeddings, and which of them have a picture."""
        return JSONResponse(await run_in_threadpool(lambda: _named(lists() if lists else Networks())))

    async def picture(request: Request) -> Response:
        """The picture beside a LoRA's or an embedding's file: ?name=…"""
        kind, name = request.path_params["kind"], request.query_params.get("name", "")
        found = await run_in_threadpool(lambda: _picture(lists() if lists else Networks(), kind, name))
        return FileResponse(found, headers={"Cache-Control": "max-age=60"})

    return (
        ("POST", "/import", import_layout), ("POST", "/layers", layers), ("POST", "/parameters", parameters), ("POST", "/tokens", tokens),
        ("GET", "/networks", networks), ("GET", "/networks/{kind}/picture", picture),
    )  # fmt: skip


def _named(found: Networks) -> dict[str, Any]:
    pictures = {kind: list(pictures_of(found.files(kind))) for kind in KINDS}
    return {"loras": list(found.loras), "aliases": list(found.aliases), "embeddings": list(found.embeddings), "pictures": pictures}


def _picture(found: Networks, kind: str, name: str) -> Path:
    files = found.files(kind) if kind in KINDS else {}
    path = pictures_of({name: files[name]}).get(name) if name in files else None
    if path is None:
        raise RequestRefused(404, "NotFound", f"There is no picture of this name; the kinds are {' and '.join(KINDS)}.")
    return path


def _imported(body: dict[str, Any]) -> dict[str, Any]:
    hints = body.get("hints", {})
    if not isinstance(hints, dict) or not set(hints) <= set(_HINTS):
        raise settings_error("hints", hints, f"an object with some of {', '.join(_HINTS)}")
    given = {**_checked_hints(hints), "prompt": text_field(body, "prompt", ""), "negative": text_field(body, "negative", "")}
    size = size_field(body, "width"), size_field(body, "height")
    imported = import_text(text_field(body, "text", None), text_field(body, "format", "auto"), read_masks=palette_masks, size=size, **given)
    report = {"taken": list(imported.taken), "lost": list(imported.lost), "picture": dict(imported.picture)}
    return {"format": imported.format, "settings": imported.settings.to_json(), **report}


def _checked_hints(hints: dict[str, Any]) -> dict[str, Any]:
    """Hints with one plain value each. Raises SettingsError."""
    for name, value in hints.items():
        if not isinstance(value, (str, bool, int, float, type(None))):
            raise settings_error(f"hints.{name}", value, "a text, a number, true or false")
    return hints


def _layers(body: dict[str, Any]) -> bytes:
    layout = Settings.parse(body.get("settings")).layout()
    if not layout.regions:
        raise settings_error("settings.regions", [], "one region or more")
    with decoding:
        return layers_zip(open_picture(text_field(body, "picture", None)), layout)


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    with decoding:
        infotext = infotext_of(open_picture(text_field(body, "picture", None)))
    if not infotext.strip():
        raise RegionalError("This picture carries no generation parameters.")
    return {"infotext": infotext}


def _texts(body: dict[str, Any]) -> list[str]:
    texts = body.get("texts")
    if not isinstance(texts, list) or len(texts) > _MOST_TEXTS or not all(isinstance(text, str) for text in texts):
        raise settings_error("texts", None, f"a list of at most {_MOST_TEXTS} texts")
    return texts
