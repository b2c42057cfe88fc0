"""Replacing a function in one place (on an object, in a table) and restoring it, whatever was patched on top meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

Forward = Callable[..., Any]
Around = Callable[..., Any]
"""``around(inner, *args, **kwargs)``: may call ``inner`` or answer itself."""

_NOTHING = object()


class Place(Protocol):
    """Where named functions lie: ``vars`` of an object or module, a table of options."""

    def get(self, name: str, default: object, /) -> object: ...

    def __setitem__(self, name: str, value: Any, /) -> None: ...

    def __delitem__(self, name: str, /) -> None: ...


class Patch:
    """A replacement of one function in its place.

    Taken back while someone else's patch lies on top of it, it cannot leave without breaking theirs: it stays in their chain,
    empty, and hands every call on. If it comes to the top again, its next call takes it away.
    """

    def __init__(self, place: Place, name: str, around: Around, below: Callable[[], Forward] | None = None) -> None:
        """``below`` finds the callable where the place has no entry of its own: the class's method, for ``vars`` of an instance."""
        self._place = place
        self._name = name
        self._around: Around | None = around
        self._below = below
        self._before = _living(place.get(name, _NOTHING))
        functools.update_wrapper(self, self._inner(), updated=())

    def __deepcopy__(self, memo: object) -> Patch:
        """Copies of a table share the patch, as they share functions: a separate copy would never be restored."""
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inner, around = self._inner(), self._around
        if around is None:
            self._leave()
            return inner(*args, **kwargs)
        return around(inner, *args, **kwargs)

    def _inner(self) -> Forward:
        """The patched callable. A class attribute is looked up at each call: attention optimisers may replace it meanwhile."""
        if self._before is _NOTHING:
            assert self._below is not None
            return self._below()
        assert callable(self._before)
        return self._before

    def install(self) -> None:
        """Put the patch in its place."""
        self._place[self._name] = self

    def remove(self) -> None:
        """Pass all calls on from now, and restore the place unless another patch lies on top. Idempotent."""
        self._around = None
        self._leave()

    def _leave(self) -> None:
        if self._place.get(self._name, _NOTHING) is not self:
            return
        if self._before is _NOTHING:
            del self._place[self._name]
        else:
            self._place[self._name] = self._before

    @property
    def below(self) -> object:
        """The callable below an inactive patch; the patch itself while it is in force."""
        return self._before if self._around is None else self


def _living(forward: object) -> object:
    """``forward`` without the empty patches on top of it."""
    while isinstance(forward, Patch) and forward.below is not forward:
        forward = forward.below
    return forward


def foreign_forward(module: Any) -> object | None:
    """The replacement of ``module``'s ``forward`` that another extension set on the instance; None where the class's is in force.

    An extension that restores the class's method by assignment (ControlNet) leaves it bound on the instance: that is no replacement.
    """
    found = _living(vars(module).get("forward", _NOTHING))
    owner: Any = type(module)
    own = getattr(found, "__self__", None) is module and getattr(found, "__func__", None) is owner.forward
    return None if found is _NOTHING or own or isinstance(found, Patch) else found


def owner_of(forward: object) -> str:
    """Where a replacement comes from, for a message: the module of its function."""
    function = getattr(forward, "__func__", getattr(forward, "func", forward))
    return str(getattr(function, "__module__", None) or type(function).__module__)


def method_patch(owner: Any, name: str, around: Around) -> Patch:
    """A patch of the method ``name`` on one instance; class attributes are never touched."""

    def of_class() -> Forward:
        attribute: Any = getattr(type(owner), name)
        bound: Forward = attribute.__get__(owner) if hasattr(attribute, "__get__") else attribute
        return bound

    return Patch(vars(owner), name, around, of_class)


def patched_forward(module: Any, around: Around) -> AbstractContextManager[None]:
    """Let ``around(inner, *args, **kwargs)`` answer the calls of ``module``."""
    return patched(method_patch(module, "forward", around))


@contextmanager
def patched(patch: Patch) -> Iterator[None]:
    """``patch`` in force until exit."""
    patch.install()
    try:
        yield
    finally:
        patch.remove()
