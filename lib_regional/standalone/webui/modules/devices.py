"""Devices."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from lib_regional.standalone.binding import current

cpu = torch.device("cpu")


def __getattr__(name: str) -> Any:
    live: dict[str, Callable[[], Any]] = {
        "device": lambda: current().model.device,
        "dtype": lambda: current().model.dtype,
        "dtype_vae": lambda: torch.float32,
    }
    if name in live:
        return live[name]()
    raise AttributeError(f"module 'modules.devices' has no attribute {name!r} on the standalone host")


def autocast(disable: bool = False) -> Any:
    """Nothing is cast here: every part runs in its own type."""
    return nullcontext()


without_autocast = autocast


def torch_gc() -> None:
    """Give unused memory back to the GPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
