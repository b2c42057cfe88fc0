"""The host behind the process-wide ``modules`` package: the one that was bound last."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

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


_hosts: list[BoundHost] = []


def bind(host: BoundHost) -> None:
    """Make ``modules.shared`` and its siblings return this host's model, options, state and scripts."""
    _hosts[:] = [host]


def current() -> BoundHost:
    """The bound host; RuntimeError when there is none."""
    if not _hosts:
        raise RuntimeError("The standalone host has not been started: call lib_regional.standalone.server.app.create() first.")
    return _hosts[0]


def unbind(host: BoundHost) -> None:
    """Forget this host if it is the bound one."""
    if host in _hosts:
        _hosts.remove(host)
