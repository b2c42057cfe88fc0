"""The host's device for a model that runs beside its checkpoint: held alone, with memory made free by the host's own manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

import torch

_SPARE = 1024**3
"""Bytes for what a model computes, beside its weights."""


@contextmanager
def held_device(size: int) -> Iterator[torch.device]:
    """Wait until no generation runs, free ``size`` bytes and some more for the model where the host can, and give the memory back."""
    with _queue(), freed_device(size) as device:
        yield device


@contextmanager
def freed_device(size: int) -> Iterator[torch.device]:
    """The same within a generation, before it samples: whoever generates holds the host's lock."""
    from modules import devices

    device = torch.device(devices.device)
    _make_room(size + _SPARE, device)
    try:
        yield device
    finally:
        devices.torch_gc()


def _queue() -> AbstractContextManager[Any]:
    """The lock that the host holds while it generates."""
    lock: AbstractContextManager[Any] = getattr(_module("modules.call_queue"), "queue_lock", None) or nullcontext()
    return lock


def _make_room(size: int, device: torch.device) -> None:
    """By Forge's memory manager, or by the module that moves AUTOMATIC1111's checkpoint with --medvram and --lowvram."""
    if device.type == "cpu":
        return
    for name in ("backend.memory_management", "ldm_patched.modules.model_management"):
        free = getattr(_module(name), "free_memory", None)
        if free is not None:
            free(size, device)
            return
    from modules import shared

    send = getattr(_module("modules.lowvram"), "send_everything_to_cpu", None)
    if send is not None and (shared.cmd_opts.lowvram or shared.cmd_opts.medvram):
        send()


def _module(name: str) -> Any:
    """A module of the host, None where it has none of this name."""
    try:
        return import_module(name)
    except ImportError:
        return None
