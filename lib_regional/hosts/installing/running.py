"""The call of a network that runs now: its rows, and the token grids of its transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import nn

from ...engine.calls import ModelCall, StepInfo, UNetRow
from ...request.layout.windows import Grid

_INPUTS = ("x", "hidden_states")
"""Names of a transformer's first argument, in ``ldm`` and in diffusers."""


class Running:
    """``now`` is the announced call, None during calls of others. ``grids`` holds (h, w) by transformer, noted as each one runs."""

    def __init__(self, isolates: Callable[[StepInfo], bool] | None = None, turn: Callable[[bool], None] | None = None) -> None:
        """``isolates`` is `Hooks.isolates`; ``turn`` is called with its answer before each call runs."""
        self._isolates = isolates
        self._turn = turn
        self.now: ModelCall | None = None
        self.isolating: ModelCall | None = None
        """The same in steps that isolate, None in others."""
        self.grids: dict[str, Grid] = {}
        self.norms_are_wrapped = False
        """Whether somebody else reads what the norms of the network give in this call."""
        self.made: tuple[Sequence[UNetRow], int] | None = None
        """During a method's own call: its rows, and how many the host's call has."""

    def begin(self, call: ModelCall | None) -> None:
        """``call`` runs from now on."""
        self.now = call
        self.isolating = call
        if self._isolates is not None and call is not None:
            isolates = self._isolates(call.step)
            self.isolating = call if isolates else None
            if self._turn is not None:
                self._turn(isolates)
        self.grids.clear()

    @contextmanager
    def during(self, call: ModelCall | None) -> Iterator[None]:
        """``call`` runs until exit, within the one that runs now."""
        before, grids = self.now, dict(self.grids)
        self.begin(call)
        try:
            yield
        finally:
            self.begin(before)
            self.grids.update(grids)

    @contextmanager
    def nested(self, rows: Sequence[UNetRow], latent: Grid) -> Iterator[None]:
        """Until exit a method's own call, of ``rows`` of the call that runs now and of latents of this size."""
        outer, made = self.now, self.made
        assert outer is not None
        roles = tuple(outer.rows[row.source] for row in rows)
        turned = tuple(0 if row.conditioning is None else row.conditioning.turned for row in rows)
        self.made = (rows, len(outer.rows))
        try:
            with self.during(
                replace(outer, rows=roles, latent=latent, tags=tuple(row.tag for row in rows), turned=turned if any(turned) else ())
            ):
                yield
        finally:
            self.made = made

    def grid_hook(self, transformer: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        """A forward pre-hook (with keywords) that notes the grid of ``transformer``, whose input is (B, C, h, w)."""

        def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = args[0] if args else next(kwargs[name] for name in _INPUTS if name in kwargs)
            self.grids[transformer] = (x.shape[-2], x.shape[-1])

        return note
