"""The server: uvicorn, ended in order within a moment."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

ANSWERS_SECONDS = 0.8
"""Time for the answers to those whose generation was ended. What is open after it (event streams of pages) is closed."""

STREAMS_SECONDS = 0.2


class Server(uvicorn.Server):
    """Ends on `should_exit`: calls ``stop``, lets the requests that it ends be answered, and closes what is still open then.

    Signals are left to who runs it.
    """

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn in the event loop."""
        self._stop()
        closing = asyncio.ensure_future(self._close_connections())
        try:
            await super().shutdown(sockets)
        finally:
            closing.cancel()

    async def _close_connections(self) -> None:
        await asyncio.sleep(ANSWERS_SECONDS)
        for end in ("close", "abort"):
            for connection in list(self.server_state.connections):
                getattr(connection.transport, end)()
            await asyncio.sleep(STREAMS_SECONDS)
        self.force_exit = True
