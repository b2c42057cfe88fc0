"""Errors as HTTP responses: invalid input is a 422 with its message, anything else a 500 in the WebUI's form."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from ....api.body import is_json
from ....api.strict_json import parse_body
from ....request.errors import RegionalError
from ....tensors.out_of_memory import is_out_of_memory
from ...faults import RequestError, StoppedError

_PATH = re.compile(r"""(?<![\w.:/\\])(?:[A-Za-z]:[\\/]|/)(?:[^\s'"<>|:*?/\\]+[\\/])+([^\s'"<>|:*?/\\]*)""")
"""An absolute path of two parts or more, Windows' or another, and its last part."""

logger = logging.getLogger("regional.standalone")

UNPROCESSABLE = 422
UNAVAILABLE = 503

NO_MEMORY = "There is not enough memory for this request: ask for smaller pictures (width, height, hr_scale) or fewer at once (batch_size)."


def described(error: Exception) -> dict[str, Any]:
    """The WebUI's error object."""
    return {
        "error": type(error).__name__,
        "detail": without_paths(getattr(error, "detail", "") or ""),
        "body": getattr(error, "body", ""),
        "errors": without_paths(str(error)),
    }


def without_paths(text: str) -> str:
    """``text`` with the files' names in place of absolute paths, so that responses do not reveal this machine's folders."""
    return _PATH.sub(r"\1", str(text))


def regional(error: RegionalError) -> dict[str, Any]:
    """The body for invalid input, with its problems listed if there are any."""
    fields = error.to_dict() if hasattr(error, "to_dict") else {"error": type(error).__name__, "detail": str(error)}
    return {"problems": [], **fields}


class CheckedRoute(APIRoute):
    """A route whose JSON is judged before anything reads it: every number finite, every text whole, nothing nested without end."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with `strict_json.parse_body` before it."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            if request.method == "POST" and is_json(request.headers.get("content-type", "application/json")):
                raw = await request.body()
                if raw:
                    await run_in_threadpool(parse_body, raw)
            return await handle(request)

        return checked


def add_handlers(app: FastAPI) -> None:
    """Install the exception handlers described above."""

    @app.exception_handler(RegionalError)
    async def mistake(_: Request, error: RegionalError) -> JSONResponse:
        return JSONResponse(jsonable_encoder(regional(error)), UNPROCESSABLE)

    @app.exception_handler(StoppedError)
    async def stopped(_: Request, error: StoppedError) -> JSONResponse:
        return JSONResponse(jsonable_encoder(regional(error)), UNAVAILABLE)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(jsonable_encoder(described(error)), error.status_code)

    @app.middleware("http")
    async def failed(request: Request, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except RegionalError as error:
            return JSONResponse(jsonable_encoder(regional(error)), UNPROCESSABLE)
        except Exception as error:  # every failure must reach the client as the WebUI's JSON
            logger.exception("API error: %s: %s", request.method, request.url)
            if is_out_of_memory(error):
                return JSONResponse(regional(RequestError(NO_MEMORY)), UNPROCESSABLE)
            return JSONResponse(jsonable_encoder({**described(error), "detail": without_paths(str(error))}), 500)
