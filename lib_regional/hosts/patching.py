"""Replacing a method on one object and taking the replacement back, whoever patched on top in the meantime."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Forward = Callable[..., Any]
Around = Callable[..., Any]
"""``around(inner, *args, **kwargs)``: may call ``inner`` or answer itself."""

_NOTHING = object()


class Patch:
    """A replacement of ``forward`` on one instance; class attributes are never touched.

    Taken back while someone else's patch lies on top of it, it cannot leave without breaking theirs: it stays in their chain,
    empty, and hands every call on. If it comes to the top again, its next call takes it away.
    """

    def __init__(self, module: Any, around: Around) -> None:
        self._module = module
        self._around: Around | None = around
        self._before = _living(vars(module).get("forward", _NOTHING))
        functools.update_wrapper(self, self._inner(), updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inner, around = self._inner(), self._around
        if around is None:
            self._leave()
            return inner(*args, **kwargs)
        return around(inner, *args, **kwargs)

    def _inner(self) -> Forward:
        """What lies below. The class attribute is looked up at each call: attention optimisers replace it while we are here."""
        if self._before is _NOTHING:
            attribute = type(self._module).forward
            return attribute.__get__(self._module) if hasattr(attribute, "__get__") else attribute
        assert callable(self._before)
        return self._before

    def install(self) -> None:
        """Become the instance's ``forward``."""
        vars(self._module)["forward"] = self

    def remove(self) -> None:
        """Hand everything on from now, and leave the instance if nobody lies on top. Twice is harmless."""
        self._around = None
        self._leave()

    def _leave(self) -> None:
        values = vars(self._module)
        if values.get("forward") is not self:
            return
        if self._before is _NOTHING:
            del values["forward"]
        else:
            values["forward"] = self._before

    @property
    def below(self) -> object:
        """What an empty patch stands for; itself while it is in force."""
        return self._before if self._around is None else self


def _living(forward: object) -> object:
    """``forward`` without the empty patches on top of it."""
    while isinstance(forward, Patch) and forward.below is not forward:
        forward = forward.below
    return forward


def foreign_forward(module: Any) -> object | None:
    """What somebody else has put in place of ``module``'s own ``forward`` on the instance; None where its class answers.

    Those who put the class's method back by assigning it (ControlNet) leave it bound on the instance: that is nobody's.
    """
    found = _living(vars(module).get("forward", _NOTHING))
    owner: Any = type(module)
    own = getattr(found, "__self__", None) is module and getattr(found, "__func__", None) is owner.forward
    return None if found is _NOTHING or own or isinstance(found, Patch) else found


def owner_of(forward: object) -> str:
    """Where a replacement comes from, for a message: the module of its function."""
    function = getattr(forward, "__func__", getattr(forward, "func", forward))
    return str(getattr(function, "__module__", None) or type(function).__module__)


@contextmanager
def patched_forward(module: Any, around: Around) -> Iterator[None]:
    """Let ``around(inner, *args, **kwargs)`` answer the calls of ``module``."""
    patch = Patch(module, around)
    patch.install()
    try:
        yield
    finally:
        patch.remove()
