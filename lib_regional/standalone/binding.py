"""The host behind the process-wide ``modules`` package: the one bound in this context, else the one that was bound last.

Contexts are those of `contextvars`: a request of a host's server, the thread of its generations, a test. So two hosts in one process each
answer with their own model, options and folders, whichever was made last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from .model.stable_diffusion import StandaloneModel
from .options import Options
from .scripts.callbacks import CallbackRegistry
from .scripts.runner import ScriptClass, ScriptRunner
from .state import State


class BoundHost(Protocol):
    """What a generation and the ``modules`` package need of a host; `host.Host` is one."""

    model: StandaloneModel
    options: Options
    state: State
    callbacks: CallbackRegistry
    txt2img: ScriptRunner
    img2img: ScriptRunner
    script_classes: list[ScriptClass]
    loading: Path | None


_last: list[BoundHost] = []
_here: ContextVar[BoundHost | None] = ContextVar("regional_bound_host", default=None)


class NoHostError(RuntimeError, AttributeError):
    """There is no bound host, and so the ``modules`` package has no options, state or model: for ``getattr`` they are missing."""


def bind(host: BoundHost) -> None:
    """Make ``modules.shared`` and its siblings return this host's model, options, state and scripts."""
    _last[:] = [host]
    _here.set(host)


def current() -> BoundHost:
    """The bound host. Raises `NoHostError` when there is none."""
    host = _here.get() or next(iter(_last), None)
    if host is None:
        raise NoHostError("The standalone host has not been started: call lib_regional.standalone.server.app.create() first.")
    return host


def unbind(host: BoundHost) -> None:
    """Forget this host if it is the bound one."""
    _last[:] = [each for each in _last if each is not host]
    if _here.get() is host:
        _here.set(None)


Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Scope]], Callable[[Scope], Awaitable[None]]], Awaitable[None]]


class BindMiddleware:
    """Binds a host in the context of everything that its application answers, and of what it starts at its beginning."""

    def __init__(self, app: Application, host: BoundHost) -> None:
        self.app = app
        self.host = host

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Scope]], send: Callable[[Scope], Awaitable[None]]) -> None:
        """The application's answer, with the host bound for it alone."""
        kept = _here.set(self.host)
        try:
            await self.app(scope, receive, send)
        finally:
            _here.reset(kept)
