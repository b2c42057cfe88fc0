"""A queue of generations, run one at a time in a thread of their own; each can be withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from .faults import StoppedError
from .memory import give_memory_back

T = TypeVar("T")


class Generation(Generic[T]):
    """One generation: waiting, running or over. ``future`` is its result."""

    future: Future[T]

    def __init__(self) -> None:
        self.stopped: Future[None] = Future()
        """Done as soon as the server stops, which may be some model calls before the generation ends."""
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self._withdrawn = False

    @contextmanager
    def running(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """The time in which ``interrupt`` ends this generation and no other."""
        with self._lock:
            self._interrupt = interrupt
            if self._withdrawn:
                interrupt()
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None

    def withdraw(self) -> None:
        """Drop it while it waits, interrupt it while it runs, do nothing once it is over."""
        with self._lock:
            self._withdrawn = True
            if self._interrupt is not None:
                self._interrupt()
        self.future.cancel()

    def result(self) -> T:
        """Wait for the end in this thread. Raises what the generation raised, or `StoppedError` when the server stopped before it began."""
        try:
            return self.future.result()
        except CancelledError as error:
            raise StoppedError from error


class Line:
    """Generations in the order in which they came, run one at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "regional-generation")
        self._lock = threading.Lock()
        self._open: set[Generation[Any]] = set()
        self._stopped = False

    def add(self, run: Callable[[Generation[T]], T]) -> Generation[T]:
        """Run ``run`` in its turn. Raises `StoppedError` after `stop`."""
        generation: Generation[T] = Generation()
        with self._lock:
            if self._stopped:
                raise StoppedError
            generation.future = self._pool.submit(_ran, run, generation)
            self._open.add(generation)
        generation.future.add_done_callback(lambda _: self._open.discard(generation))
        return generation

    def stop(self) -> None:
        """Drop those that wait, and mark all as stopped. The running one has to be interrupted by the caller."""
        with self._lock:
            first, self._stopped = not self._stopped, True
            generations = list(self._open)
        if not first:
            return
        for generation in generations:
            if generation.stopped.set_running_or_notify_cancel():  # False: nobody waits for it any more
                generation.stopped.set_result(None)
        self._pool.shutdown(wait=False, cancel_futures=True)


def _ran(run: Callable[[Generation[T]], T], generation: Generation[T]) -> T:
    """What ``run`` gives or raises; what it needed of memory is given back before the next one begins."""
    try:
        return run(generation)
    finally:
        give_memory_back()
