"""One generation's patches: all or nothing on entry, everything undone on exit, however it ends."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from .methods import METHODS
from .plan import Plan
from .ports import Host


class Session:
    """Context manager around one sampling run. Closing twice is harmless."""

    def __init__(self, host: Host, plan: Plan) -> None:
        self._host = host
        self._plan = plan
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        with ExitStack() as stack:
            method = self._plan.settings.method
            hooks = replace(METHODS[method](self._plan, self._host), method=method)
            if hooks.close is not None:
                stack.callback(hooks.close)
            stack.enter_context(self._host.patched(hooks))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Undo every patch of this session."""
        self._stack.pop_all().close()
