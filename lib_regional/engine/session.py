"""One generation's patches: all or nothing on entry, everything undone on exit, however it ends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from .hooks import Hooks, PictureHook
from .ports import Host


class Session:
    """Context manager around one sampling run under prepared ``hooks``. Closing twice is harmless."""

    def __init__(self, host: Host, hooks: Hooks) -> None:
        self._host = host
        self._hooks = hooks
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        with ExitStack() as stack:
            if self._hooks.close is not None:
                stack.callback(self._hooks.close)
            stack.enter_context(self._host.patched(self._hooks))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def finish(self, latents: Any) -> PictureHook | None:
        """The hook for the decoded pictures of the final ``latents`` (B, C, H, W); None where there is no such hook."""
        return None if self._hooks.finish is None else self._hooks.finish(latents)

    def infotext_fields(self) -> Mapping[str, str]:
        """Fields to add to the infotext, known once sampling has ended."""
        return {} if self._hooks.infotext_fields is None else self._hooks.infotext_fields()

    def close(self) -> None:
        """Undo every patch of this session."""
        self._stack.pop_all().close()
