"""Signals of the server's process: Ctrl+C and SIGTERM stop it in order within a time limit, a second Ctrl+C at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 1.7
"""From the first signal to the end of the process, however long a model call takes."""

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""SIGBREAK is Ctrl+Break, which only Windows has."""


class Stopping:
    """The state of stopping. The first signal calls ``stop``; without it there is nothing to end in order, and the process ends at once."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.signal = 0
        self.stop: Callable[[], None] | None = None
        self._seconds = seconds
        self._asked = threading.Event()

    @property
    def status(self) -> int:
        """The exit status that a shell expects: 128 + the signal, 0 without one."""
        return 128 + self.signal if self.signal else 0

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle the signals for the time of the block, and end the process when the limit is over. For the main thread."""
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        threading.Thread(target=self._limit, name="regional-stopping", daemon=True).start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.stop is None or (self.signal and number == signal.SIGINT):
            # Not an exception: it could be raised anywhere, also inside an import that swallows it.
            os._exit(128 + number)
        if not self.signal:
            self.signal = number
            self._asked.set()
            self.stop()

    def _limit(self) -> None:
        self._asked.wait()
        threading.Event().wait(self._seconds)
        os._exit(self.status)
