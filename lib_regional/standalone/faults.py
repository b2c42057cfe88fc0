"""What a caller can do wrong in a request to this host."""

from __future__ import annotations

from ..core.errors import RegionalError


class RequestError(RegionalError):
    """A request that cannot be served as it is; the text says what is wrong and what is allowed."""
