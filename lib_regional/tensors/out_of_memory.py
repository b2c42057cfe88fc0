"""A device that runs out of memory: the same work goes on in smaller calls, and one line in the log names it."""

from __future__ import annotations

import logging

import torch

_SIGNS = ("out of memory", "not enough memory", "t allocate memory", "cannot allocate memory", "bad_alloc")
"""What errors of PyTorch's allocators say, in small letters."""

_log = logging.getLogger(__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on whatever device."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


def go_on_smaller(text: str) -> None:
    """Write the line, and give back what the allocator holds."""
    _log.warning("Regional: %s", text)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
