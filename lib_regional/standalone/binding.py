"""Which host the process-wide ``modules`` package speaks for: the one that was bound last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host import Host

_hosts: list[Host] = []


def bind(host: Host) -> None:
    """Make ``modules.shared`` and its like speak for this host."""
    _hosts[:] = [host]


def current() -> Host:
    """The bound host; RuntimeError when there is none."""
    if not _hosts:
        raise RuntimeError("The standalone host has not been started: call lib_regional.standalone.server.app.create() first.")
    return _hosts[0]


def unbind(host: Host) -> None:
    """Forget this host if it is the bound one."""
    if host in _hosts:
        _hosts.remove(host)
