"""Errors on the page of reForge and Forge Classic, whose main thread makes a page's pictures and drops exceptions.

Their ``modules_forge.main_thread.Task`` keeps a result and no exception; a failed picture has the result None, and the page's error is
that None cannot be iterated. So the running task gets a result that raises the error when the host iterates it. Nothing is patched: the
task belongs to one picture. Forge's tasks keep exceptions themselves, and the API has no tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

from ..request.errors import RegionalError

_THREAD = "modules_forge.main_thread"


class Failed:
    """A result that raises the error when it is iterated. It keeps the text alone, since the error holds tensors by its frames."""

    def __init__(self, error: RegionalError) -> None:
        self._text = str(error)

    def __iter__(self) -> Iterator[NoReturn]:
        raise RegionalError(self._text)


def hand_on(error: RegionalError) -> None:
    """Show ``error``, which is about to be raised, on pages whose host would drop it; does nothing elsewhere."""
    task = _running_task(sys._getframe())
    if task is not None and not hasattr(task, "exception") and getattr(task, "result", error) is None:
        task.result = Failed(error)


def _running_task(frame: FrameType | None) -> Any:
    """The task of the host's main thread that ``frame`` runs in, None where there is none."""
    kind = getattr(sys.modules.get(_THREAD), "Task", None)
    while kind is not None and frame is not None:
        owner = frame.f_locals.get("self") if frame.f_code.co_name == "work" else None
        if isinstance(owner, kind):
            return owner
        frame = frame.f_back
    return None


def forget_texts(p: Any) -> None:
    """Clear the host's cached conditionings, so that a next generation with the same prompts is encoded anew.

    ControlNet writes marks into these conditionings and takes them out when the UNet runs: where it never did, they would stay.
    """
    for name in ("cached_c", "cached_uc", "cached_hr_c", "cached_hr_uc"):
        kept = getattr(p, name, None)
        if isinstance(kept, list):
            kept[:] = [None] * len(kept)
