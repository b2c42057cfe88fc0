"""What a worker is: where jobs go one at a time, and what may come back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..jobs.requests import Job

SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
"""How the picture files begin that WebUIs send: PNG, JPEG, WebP."""


class RefusedError(Exception):
    """The request is wrong (HTTP 4xx): no worker will make its picture."""


class BrokenError(Exception):
    """The worker failed on the job (an answer that is none, a connection that broke)."""


class FaultError(BrokenError):
    """The worker answered that it failed (HTTP 5xx): it lives, and the job may be at fault."""


class UnreachableError(Exception):
    """The worker cannot be asked now: the job has not begun."""


@dataclass(frozen=True)
class Answer:
    """The pictures of a job as files (bytes), and the ``info`` of the WebUI's answer."""

    pictures: tuple[bytes, ...] = field(repr=False)
    info: Mapping[str, Any] = field(repr=False)


class Worker(Protocol):
    """Makes the pictures of one job at a time."""

    name: str

    def submit(self, job: Job) -> Future[Answer]:
        """Begin a job. The future raises `RefusedError`, `UnreachableError`, or anything else where the worker failed or died."""
        ...

    def restart(self) -> None:
        """Give up what it does, and be ready for another job."""
        ...

    def close(self) -> None:
        """Leave nothing running."""
        ...


def read_answer(status: int, body: bytes) -> Answer:
    """The answer of a WebUI's API. Raises `RefusedError`, `BrokenError` or `UnreachableError` by its status."""
    if status == 200:
        return _pictures(body)
    text = f"HTTP {status}: {error_text(body)}"
    if status in (404, 503):  # a WebUI that starts or stops: its API is not there yet, or no more
        raise UnreachableError(text)
    if 400 <= status < 500 and status not in (408, 429):
        raise RefusedError(text)
    raise FaultError(text)


def _pictures(body: bytes) -> Answer:
    try:
        data = json.loads(body)
        info = json.loads(data["info"]) if isinstance(data["info"], str) else data["info"]
        texts = [image.partition(",")[2] if image.startswith("data:") else image for image in data["images"]]
        pictures = tuple(base64.b64decode(text, validate=True) for text in texts)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise BrokenError(f"The answer is not that of a WebUI: {error!r}") from error
    if not pictures or not all(picture.startswith(SIGNATURES) for picture in pictures):
        raise BrokenError("The answer has no pictures, or something else in their place.")
    return Answer(pictures, info if isinstance(info, Mapping) else {})


def error_text(body: bytes) -> str:
    """The sentence of a WebUI's error, as far as there is one."""
    try:
        data = json.loads(body)
    except ValueError:
        return " ".join(body.decode("utf-8", "replace").split())[:300]
    if not isinstance(data, Mapping):
        return str(data)[:300]
    detail = data.get("detail") or data.get("errors") or data.get("error") or data
    return (detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False))[:2000]
