"""The slots of `Hooks`: how each field is composed, and two sets of hooks composed into one.

Every field of `Hooks` has one row in `SLOTS`. A field without a row is an error as soon as anything is composed, so that a new slot
cannot be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .calls import ModelCall, StepInfo
from .hooks import Hooks, PictureHook

First = Callable[[StepInfo], bool]
"""Whether the first set of hooks acts at a step; else the second does."""

Compose = Callable[[First, Any, Any], Any]
"""``(first acts, slot of the first set, slot of the second)`` -> the slot of both. A slot that neither has stays None."""


@dataclass(frozen=True)
class Slot:
    """How one field of `Hooks` is composed. ``step`` finds the step in a call's arguments; None for slots outside of steps."""

    compose: Compose
    step: Callable[..., StepInfo] | None = None


def _by_step(step: Callable[..., StepInfo]) -> Slot:
    """A slot called during model calls: the set that acts at the step is called; None leaves the call to the host."""

    def compose(acts: First, first: Any, second: Any) -> Any:
        if first is None and second is None:
            return None

        def hook(*args: Any) -> Any:
            chosen = first if acts(step(*args)) else second
            return None if chosen is None else chosen(*args)

        return hook

    return Slot(compose, step)


def _denoiser(acts: First, first: Any, second: Any) -> Any:
    """As `_by_step`, but the hook must return a latent: a set without one runs the call unchanged."""
    if first is None and second is None:
        return None

    def hook(call: Any) -> Any:
        chosen = first if acts(call.step) else second
        return call.run() if chosen is None else chosen(call)

    return hook


def _layers(acts: First, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    compose = _in_call.compose
    return {name: compose(acts, first.get(name), second.get(name)) for name in dict.fromkeys((*first, *second))}


def _each(acts: First, first: Any, second: Any) -> Any:
    """Both are called, whatever the step."""
    both = [hook for hook in (first, second) if hook is not None]

    def hook() -> None:
        for one in both:
            one()

    return hook if both else None


def _never(_: StepInfo) -> bool:
    return False


def _isolates(_: First, first: Any, second: Any) -> Any:
    """Whether either set does; one that leaves it open may at every step."""
    if first is None or second is None or (first is _never and second is _never):
        return None
    return lambda step: first(step) or second(step)


def _with_isolates(hooks: Hooks) -> Hooks:
    """``hooks``, with the answer *never* where neither self-attention nor spatial layers have one."""
    isolating = hooks.self_attention or hooks.projected_self_attention or hooks.spatial or hooks.isolates
    return hooks if isolating else replace(hooks, isolates=_never)


def _infotext_fields(acts: First, first: Any, second: Any) -> Any:
    both = [hook for hook in (first, second) if hook is not None]
    return (lambda: {name: text for hook in both for name, text in hook().items()}) if both else None


def _finish(acts: First, first: Any, second: Any) -> Any:
    """Both picture hooks are applied, the first set's before the second's."""
    both = [hook for hook in (first, second) if hook is not None]

    def finish(latents: Any) -> PictureHook | None:
        found = [made for hook in both if (made := hook(latents)) is not None]

        def pictures(images: Any) -> Any:
            for made in found:
                images = made(images)
            return images

        return pictures if found else None

    return finish if both else None


_in_call = _by_step(lambda call, *_: call.model.step)
_of_model = _by_step(lambda model, *_: model.step)

SLOTS: Mapping[str, Slot] = {
    "cross_attention": _in_call,
    "joint": _of_model,
    "vector": _of_model,
    "self_attention": _in_call,
    "projected_self_attention": _in_call,
    "layers": Slot(_layers, _in_call.step),
    "spatial": _in_call,
    "token_attributes": _of_model,
    "isolates": Slot(_isolates),
    "unet": _in_call,
    "denoiser": Slot(_denoiser, lambda call: call.step),
    "renew": Slot(_each),
    "close": Slot(_each),
    "infotext_fields": Slot(_infotext_fields),
    "finish": Slot(_finish),
    "method": Slot(lambda _, first, second: first or second),
}
"""One row for each field of `Hooks`."""


def switched(acts: First, first: Hooks, second: Hooks) -> Hooks:
    """``first`` at steps where ``acts``, ``second`` at all others; slots outside of steps (renew, close, finish …) run both."""
    one, other = _with_isolates(first), _with_isolates(second)
    return Hooks(**{name: slot.compose(acts, getattr(one, name), getattr(other, name)) for name, slot in checked_slots().items()})


_NETWORK: Mapping[str, Callable[..., ModelCall]] = {
    "cross_attention": lambda call, *_: call.model,
    "self_attention": lambda call, *_: call.model,
    "projected_self_attention": lambda call, *_: call.model,
    "spatial": lambda call, *_: call.model,
    "joint": lambda model, *_: model,
    "vector": lambda model, *_: model,
    "token_attributes": lambda model, *_: model,
}
"""Slots called inside the network, and how each finds the model call in its arguments; so is `Hooks.layers`, by ``call.model``."""


def by_origin(native: Hooks, made: Hooks) -> Hooks:
    """``native`` inside the host's own calls of the network, ``made`` inside those of rows that a method made (`UNetRow.tag`).

    Slots outside the network are those of both, as `switched` composes them, ``native`` first.
    """

    def by_tags(model_of: Callable[..., ModelCall], first: Any, second: Any) -> Any:
        if first is None and second is None:
            return None

        def hook(*args: Any) -> Any:
            chosen = second if model_of(*args).tags else first
            return None if chosen is None else chosen(*args)

        return hook

    inside: dict[str, Any] = {name: by_tags(find, getattr(native, name), getattr(made, name)) for name, find in _NETWORK.items()}
    names = dict.fromkeys((*native.layers, *made.layers))
    of_call = _NETWORK["spatial"]
    layers = {name: by_tags(of_call, native.layers.get(name), made.layers.get(name)) for name in names}
    return replace(switched(lambda _: True, native, made), **inside, layers=layers)


def noting(hooks: Hooks, asked: Callable[[str], None]) -> Hooks:
    """``hooks`` in which every slot called during model calls first reports its name to ``asked``."""

    def around(name: str, hook: Any) -> Any:
        def noted(*args: Any) -> Any:
            asked(name)
            return hook(*args)

        return noted

    changed: dict[str, Any] = {}
    for name, slot in checked_slots().items():
        found = getattr(hooks, name)
        if slot.step is not None and found:
            changed[name] = {key: around(name, hook) for key, hook in found.items()} if isinstance(found, Mapping) else around(name, found)
    return replace(hooks, **changed)


def checked_slots() -> Mapping[str, Slot]:
    """`SLOTS`. Raises TypeError that names a field of `Hooks` without a row, or a row without a field."""
    odd = {one.name for one in fields(Hooks)} ^ set(SLOTS)
    if odd:
        raise TypeError(f"compose.SLOTS and the fields of hooks.Hooks differ: {', '.join(sorted(odd))}.")
    return SLOTS
