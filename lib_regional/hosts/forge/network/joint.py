"""Flux and its kin on Forge: regional texts beside each other in their joint attention.

Its blocks offer no slot, and hold no attention module either: they call a function of their Python module. That name is set for the
duration of one UNet call and restored in every case.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ....engine.calls import TextShare
from ....engine.patching import Patch, patched
from ....request.errors import RegionalError
from ....tensors.attention.joint.bias import side_by_side
from ....tensors.attention.joint.groups import JointAttention, joint_attention
from ....tensors.device_copies import Moved
from ..model import apart_instead, in_host

_NAME = "attention_function"


KEPT = 2
"""Arrangements of texts that a generation keeps: those of conditional and unconditional calls."""

Shares = Sequence[Sequence[TextShare]]


class JointTexts:
    """Contexts and attention of one generation's calls, on the network's device, made once for each set of texts and grid.

    What is kept of an attention may be large (`tensors.attention.joint.groups`); the last `KEPT` are.
    """

    def __init__(self) -> None:
        self._attention: OrderedDict[Hashable, tuple[Shares, JointAttention | None]] = OrderedDict()
        self._moved = Moved()

    def context(self, shares: Shares, context: Tensor) -> Tensor:
        """The rows' texts (B, T, D) in place of the host's ``context``."""
        rows = [
            [own if share.context is None else self._moved(share.context, own) for share in texts]
            for texts, own in zip(shares, context, strict=True)
        ]
        return side_by_side(rows)

    def attention(self, shares: Shares, context: Tensor, references: int = 0) -> JointAttention | None:
        """The joint attention of rows whose own texts are ``context`` (B, T, D); None for the plain one.

        ``references``: tokens of pictures beside the prompt.
        """
        name = (id(shares), context.shape, references)
        if name not in self._attention:
            lengths, weights = lengths_of(shares, context.shape[1]), [[share.weights.flatten() for share in texts] for texts in shares]
            rows = [list(zip(*row, strict=True)) for row in zip(lengths, weights, strict=True)]
            self._attention[name] = (shares, joint_attention(rows, references))
        self._attention.move_to_end(name)
        while len(self._attention) > KEPT:
            self._attention.popitem(last=False)
        return self._attention[name][1]


def lengths_of(shares: Shares, own: int) -> list[list[int]]:
    """Tokens of every text of every row; ``own`` of the rows' own texts."""
    return [[own if share.context is None else len(share.context) for share in texts] for texts in shares]


@contextmanager
def attending(unet: nn.Module, attention: JointAttention | None) -> Iterator[None]:
    """Let the blocks of ``unet`` run ``attention`` where they would run their own.

    Raises `RegionalError` on exit where none of them did: the regions' texts stand side by side then, and nothing keeps them apart.
    """
    if attention is None:
        yield
        return
    instead = _Instead(attention)
    with patched(Patch(vars(_attention_module(unet)), _NAME, instead)):
        yield
    if not instead.used:
        rows, tokens = attention.shape
        raise RegionalError(
            f"Regional cannot work with this model ({type(unet).__name__}{in_host()}) in this way: none of its attention layers ran "
            f"{rows} rows of {tokens} tokens of text and picture, so the regions would have had no effect and the picture "
            f"was stopped. {apart_instead()}"
        )


def _attention_module(unet: Any) -> Any:
    """The module in whose ``attention`` the blocks of ``unet`` end up."""
    own = sys.modules[type(unet.double_blocks[0]).__module__]
    found = sys.modules.get(getattr(getattr(own, "attention", None), "__module__", ""))
    if not hasattr(found, _NAME):
        raise RegionalError(f"Regional does not know the attention of this model ({type(unet).__name__}).")
    return found


class _Instead:
    """In place of Forge's attention function, for calls of the attention's own shape; ``used`` is whether there was one."""

    def __init__(self, attention: JointAttention) -> None:
        self._attention = attention
        self.used = False

    def __call__(self, inner: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """q, k, v (B, heads, L, d) -> (B, L, heads · d), as Forge's own with ``skip_reshape``; (B, heads, L, d) if that is asked for.

        PyTorch's attention, whatever the user chose for the host: not every other one takes a bias.
        """
        masked = kwargs.get("mask") is not None or any(isinstance(extra, Tensor) for extra in args)
        if (q.shape[0], q.shape[-2]) != self._attention.shape or masked:
            return inner(q, k, v, *args, **kwargs)
        self.used = True
        made = self._attention(q, k, v)
        return made if kwargs.get("skip_output_reshape") else made.transpose(1, 2).flatten(2)
