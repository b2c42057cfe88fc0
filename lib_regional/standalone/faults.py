"""Errors of requests to this host."""

from __future__ import annotations

from ..request.errors import RegionalError


class RequestError(RegionalError):
    """An invalid request; the message names the value and what is allowed."""


class StoppedError(RegionalError):
    """A generation that ended, or did not begin, because the server is being stopped."""

    def __init__(self) -> None:
        super().__init__("The server is being stopped: this generation was ended and made no picture.")
