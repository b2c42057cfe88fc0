"""Differences between Gradio 3.41 and 4.40, detected from the signatures of functions, never from version numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether ``function`` has a parameter ``name``."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def supported(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Those of ``arguments`` that ``function`` takes by name."""
    return {name: value for name, value in arguments.items() if accepts(function, name)}


def listen(
    event: Callable[..., Any],
    fn: Callable[..., Any] | None,
    inputs: Iterable[Any] = (),
    outputs: Iterable[Any] = (),
    *,
    js: str | None = None,
    **options: Any,
) -> Any:
    """Attach a listener to a Gradio event. ``js`` is browser code to run before ``fn`` (alone where ``fn`` is None); ``options`` that this
    Gradio does not know are left out."""
    script = {} if js is None else {"js" if accepts(event, "js") else "_js": js}
    return event(fn, inputs=list(inputs), outputs=list(outputs), **script, **supported(event, **options))
