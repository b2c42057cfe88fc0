"""A run before the one that the host asked for, from the same noise, and the plan that begins with its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...engine.hooks import Hooks
from ...engine.ports import Host
from ...engine.session import Session
from . import host as inner
from .detail import DetailPass, patched


class EarlierRun:
    """A run of ``p`` before its own, under ``hooks``; ``keep`` takes its pictures (B, 3, H, W) in 0..1."""

    def __init__(self, host: Host, hooks: Hooks, keep: Callable[[Tensor], None], detail: DetailPass | None = None) -> None:
        self._finish = hooks.finish
        self._detail = detail
        self._keep = keep
        self._session = Session(host, hooks)

    def run(self, p: Any, prompts: Sequence[str], sample: Callable[[], Any]) -> Any:
        """Sample the earlier picture, and leave ``p`` ready to sample again. Returns what ``sample`` gave if somebody stopped it, or None.

        The LoRA tags of ``prompts``, one per picture, are those of the whole picture.
        """
        start_again = inner.restart(p)
        with self._session:
            samples = sample()
        if inner.stopped():
            return samples
        pictures, hook = inner.decoded(p, samples), None if self._finish is None else self._finish(samples)
        patches = [] if self._detail is None else self._detail.run(p, samples, hook, prompts)
        if inner.stopped():
            return samples
        self._keep(torch.stack(patched(list(pictures if hook is None else hook(pictures)), patches)))
        start_again()
        return None
