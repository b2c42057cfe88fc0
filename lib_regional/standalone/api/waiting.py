"""Waiting for generations without holding a worker thread, and for clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import HTTPException, Request

from ..faults import StoppedError
from ..generations import Generation

T = TypeVar("T")

CLIENT_GONE = 499


class Pool:
    """A few threads for short work of one kind: what waits here keeps no other kind of request waiting."""

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, f"regional-{name}")

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


async def result(generation: Generation[T], request: Request) -> T:
    """What the generation makes.

    It is withdrawn when the client goes away (HTTP 499, which nobody receives) or the handler is cancelled. Raises `StoppedError` as soon as
    the server stops, without waiting for the generation's end.
    """
    work = asyncio.wrap_future(generation.future)
    work.add_done_callback(_retrieve)
    stopped: asyncio.Future[None] = asyncio.wrap_future(generation.stopped)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({work, stopped, gone}, return_when=asyncio.FIRST_COMPLETED)
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
    """Look at the outcome of what nobody waits for any more, since asyncio reports errors that nobody looked at."""
    if not work.cancelled():
        work.exception()
