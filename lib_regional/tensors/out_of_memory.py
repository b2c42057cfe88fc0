"""A device that runs out of memory: the same work goes on in smaller calls, and one line in the log names it."""

from __future__ import annotations

import logging

import torch

_log = logging.getLogger(__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on whatever device."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error).lower()


def go_on_smaller(text: str) -> None:
    """Write the line, and give back what the allocator holds."""
    _log.warning("Regional: %s", text)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
