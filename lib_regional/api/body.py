"""Bodies of requests: read with a limit, and their fields by kind."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from ..request.errors import settings_error
from .strict_json import parse_body

LARGEST_REQUEST = 64 * 1024 * 1024
_SIZES = (8, 16384)


class RequestRefused(Exception):
    """A body that is refused unread: too large, or no JSON object."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"error": error, "detail": detail, "problems": []}


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises RequestRefused: 413 beyond 64 MB, 415 for another content type, 422 for what is no object; and RegionalError, which is a 422
    too, as `strict_json.parse_body` does.
    """
    kind = request.headers.get("content-type", "")
    if not is_json(kind):
        raise RequestRefused(415, "UnsupportedMediaType", f"The content type must be application/json, got {json.dumps(kind[:200])}.")
    data = await run_in_threadpool(parse_body, await _read_limited(request))
    if not isinstance(data, dict):
        raise RequestRefused(422, "RequestError", "The request must be a JSON object.")
    return data


def is_json(content_type: str) -> bool:
    """Whether a Content-Type header says application/json: the one kind of body that no page sends to another site without being asked."""
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _read_limited(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_REQUEST:
            raise RequestRefused(413, "RequestTooLarge", f"The request is larger than {LARGEST_REQUEST // 1024 // 1024} MB.")
        chunks.append(chunk)
    return b"".join(chunks)


def size_field(body: dict[str, Any], name: str) -> int:
    """A number of pixels, 512 where it is missing. Raises SettingsError."""
    value, (low, high) = body.get(name, 512), _SIZES
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise settings_error(name, value, f"a number of pixels from {low} to {high}")
    return int(value)


def text_field(body: dict[str, Any], name: str, default: str | None) -> str:
    """A text; ``default`` None: it must be there. Raises SettingsError."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise settings_error(name, value, "a text")
    return value


def flag_field(body: dict[str, Any], name: str, default: bool) -> bool:
    """True or false. Raises SettingsError."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise settings_error(name, value, "true or false")
    return value
