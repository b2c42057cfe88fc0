"""A check that the hooks of a method are called: without it a hook that the model never calls would be left out in silence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..request.errors import RegionalError
from .calls import StepInfo
from .compose import noting
from .hooks import Hooks

_WANTED = {
    "cross_attention": "cross-attention",
    "joint": "attention that text and picture share",
    "self_attention": "self-attention",
    "projected_self_attention": "self-attention behind its projections",
    "layers": "single layers (LoRAs in regions)",
    "spatial": "norms and convolutions",
    "unet": "calls of the whole network",
}
"""Slots that every prediction calls where the model has the layers. The others may be uncalled with reason: only
some models have a pooled text, and only some hosts move tokens."""
_ISOLATING = ("self_attention", "projected_self_attention", "spatial")
"""Slots that `Hooks.isolates` is about."""


class AskedHooks:
    """``hooks`` that note which of their slots have been asked, and the check after the first prediction."""

    def __init__(self, hooks: Hooks) -> None:
        self.given = hooks
        """The same, of which nothing is noted: for networks beside the one that is checked."""
        self._names: set[str] = set()
        self._checked = False
        self.hooks = noting(hooks, self._names.add)
        if hooks.isolates is not None:
            self.hooks = replace(self.hooks, isolates=functools.partial(self._isolates, hooks.isolates))

    def _isolates(self, isolates: Callable[[StepInfo], bool], step: StepInfo) -> bool:
        """The answer; the slots that have nothing to do at the step are not missed."""
        if isolates(step):
            return True
        self._names.update(_ISOLATING)
        return False

    def again(self) -> None:
        """Another network samples from now on: its first prediction is checked too."""
        self._names.clear()
        self._checked = False

    def check(self, unet: Any, joint: bool = False) -> None:
        """Raise `RegionalError` naming the slots that the first prediction did not call; later predictions are not checked.

        ``joint``: text and picture share one attention in ``unet``, which takes the place of cross-attention.
        """
        if self._checked:
            return
        self._checked = True
        other = "cross_attention" if joint and self.hooks.joint is not None else "" if joint else "joint"
        missing = [what for slot, what in _WANTED.items() if slot != other and getattr(self.hooks, slot) and slot not in self._names]
        if missing:
            method = f'The method "{self.hooks.method}"' if self.hooks.method else "This method"
            raise RegionalError(
                f"{method} changes {' and '.join(missing)}, but nothing in this model ({type(unet).__name__}) asked for that: it has none "
                "that Regional knows, or another extension runs it in its own way. The regions would have had no effect, so the picture "
                "was stopped."
            )
