"""Waiting for generations without holding a worker thread, and for clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import HTTPException, Request

from ...faults import StoppedError
from ...generations import Generation

T = TypeVar("T")

CLIENT_GONE = 499


class Pool:
    """A few threads for short work of one kind: what waits here keeps no other kind of request waiting."""

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, f"regional-{name}")

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises."""
        return await asyncio.wrap_future(self._pool.submit(work))


class Repeated:
    """Work that clients ask for again and again, done in a thread of its own; nobody waits for it longer than ``seconds``."""

    def __init__(self, work: Callable[[], object], seconds: float, name: str) -> None:
        self._work, self._seconds = work, seconds
        self._pool = ThreadPoolExecutor(1, f"regional-{name}")
        self._running: Future[object] | None = None

    async def run(self) -> None:
        """Do the work, or wait for what another client began; return early when it takes too long. Raises what the work raises."""
        if self._running is None or self._running.done():
            self._running = self._pool.submit(self._work)
        running = asyncio.wrap_future(self._running)
        done, _ = await asyncio.wait({running}, timeout=self._seconds)
        if done:
            running.result()


async def result(generation: Generation[T], request: Request) -> T:
    """What the generation makes.

    It is withdrawn when the client goes away (HTTP 499, which nobody receives) or the handler is cancelled. Raises `StoppedError` as soon
    as the server stops, without waiting for the generation's end.
    """
    work = asyncio.wrap_future(generation.future)
    work.add_done_callback(_retrieve)
    stopped: asyncio.Future[None] = asyncio.wrap_future(generation.stopped)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        events: set[asyncio.Future[Any]] = {work, stopped, gone}
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() or work.cancelled():
            raise StoppedError
        if work.done():
            return work.result()
        raise HTTPException(CLIENT_GONE, "The client closed the connection; its generation was ended.")
    finally:
        gone.cancel()
        stopped.cancel()
        if not work.done():
            generation.withdraw()


async def _disconnected(request: Request) -> None:
    """Return when the client has closed the connection. Call after the request's body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _retrieve(work: asyncio.Future[T]) -> None:
    """Retrieve the outcome of an abandoned task, since asyncio reports errors that were never retrieved."""
    if not work.cancelled():
        work.exception()
