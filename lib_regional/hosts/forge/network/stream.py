"""Blocks that run on one sequence, with its tokens in the order in which attention to regions' texts gathers none.

The first block that runs gets its tokens in that order, the last one gives them back as they were, and positions go with them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ....engine.patching import patched_forward
from ....request.errors import RegionalError
from ....tensors.attention.joint.order import InOrder
from ..model import in_host
from .families.family import Stream


def may_be_ordered(arguments: Mapping[str, Any]) -> bool:
    """Whether nothing in a call's arguments looks at the tokens between the blocks: ControlNets, others' patches."""
    options = arguments.get("transformer_options") or {}
    return arguments.get("control") is None and not options.get("patches") and not options.get("patches_replace", {}).get("dit")


class OrderedStream:
    """The blocks of one call; `inside` is whether tokens are in order now."""

    def __init__(self, stream: Stream, blocks: Sequence[nn.Module], made: InOrder, around: Callable[..., Tensor]) -> None:
        """``around(inner, *args, **kwargs)`` runs a block whose attention is ``made``."""
        self._stream, self._blocks, self._made, self._around = stream, blocks, made, around
        self._names = list(inspect.signature(type(blocks[0]).forward).parameters)[1:]
        self._positions: tuple[Tensor, Tensor] | None = None
        self.inside = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Patch the blocks until exit; `RegionalError` where tokens were left in order, because the last block did not run."""
        if self._stream.positions not in self._names:
            yield
            return
        with ExitStack() as stack:
            for block in self._blocks:
                stack.enter_context(patched_forward(block, self._block_of(block is self._blocks[-1])))
            yield
        if self.inside:
            raise RegionalError(
                f"Another extension leaves out the last block of {self._stream.blocks} in this model{in_host()}, which Regional cannot "
                "follow. Disable one of the two."
            )

    def _block_of(self, last: bool) -> Callable[..., Tensor]:
        def around(inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            named = {**dict(zip(self._names, args, strict=False)), **kwargs}
            if not self._serves(named):
                return inner(*args, **kwargs)
            order, first, name = self._made.order, self._names[0], self._stream.positions
            if not self.inside:
                named[first] = order.there(named[first])
            self.inside = True
            named[name] = self._ordered(named[name])
            done = self._around(inner, **named)
            if not last:
                return done
            self.inside = False
            return order.back(done)

        return around

    def _serves(self, named: Mapping[str, Any]) -> bool:
        """Whether the sequence is the one that was arranged, with a position of each token, and nothing masks it."""
        x, positions, axis = named.get(self._names[0]), named.get(self._stream.positions), self._stream.axis
        if not (isinstance(x, Tensor) and isinstance(positions, Tensor)) or x.dim() != 3 or positions.dim() <= axis:
            return False
        masked = any("mask" in name and value is not None for name, value in named.items())
        return not masked and tuple(x.shape[:2]) == self._made.shape and positions.shape[axis] == x.shape[1]

    def _ordered(self, positions: Tensor) -> Tensor:
        """Ordered once a call: all blocks get the same ones."""
        if self._positions is None or self._positions[0] is not positions:
            self._positions = positions, self._made.order.there(positions, self._stream.axis)
        return self._positions[1]
