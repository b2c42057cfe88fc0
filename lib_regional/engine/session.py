"""One generation's patches: all or nothing on entry, everything undone on exit, however it ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any

from ..methods import METHODS
from .hooks import Hooks, PictureHook
from .plan import Plan
from .ports import Host


class Session:
    """Context manager around one sampling run. Closing twice is harmless."""

    def __init__(self, host: Host, plan: Plan) -> None:
        self._host = host
        self._plan = plan
        self._stack = ExitStack()
        self._hooks = Hooks()

    def __enter__(self) -> Session:
        with ExitStack() as stack:
            method = self._plan.settings.method
            hooks = replace(METHODS[method](self._plan, self._host), method=method)
            if hooks.close is not None:
                stack.callback(hooks.close)
            stack.enter_context(self._host.patched(hooks))
            self._hooks = hooks
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def finish(self, latents: Any) -> PictureHook | None:
        """What is to be done with the pictures of ``latents`` (B, C, H, W), with which sampling ended; None is nothing."""
        return None if self._hooks.finish is None else self._hooks.finish(latents)

    def told(self) -> Mapping[str, str]:
        """What the infotext shall say of the sampling that has ended."""
        return {} if self._hooks.told is None else self._hooks.told()

    def close(self) -> None:
        """Undo every patch of this session."""
        self._stack.pop_all().close()
