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

import torch.nn.functional as F
from torch import Tensor, nn

from ....engine.calls import TextShare
from ....engine.patching import Patch, patched
from ....request.errors import RegionalError
from ....tensors.attention.joint import joint_bias, side_by_side
from ....tensors.device_copies import Moved
from ..model import apart_instead, in_host

_NAME = "attention_function"


KEPT = 2
"""Biases that a generation keeps: those of conditional and unconditional calls."""

Shares = Sequence[Sequence[TextShare]]


class JointTexts:
    """Contexts and biases of one generation's calls, on the network's device, made once for each set of texts and grid.

    A bias has (T + P)² numbers for each row that is not like the others; the last `KEPT` are kept.
    """

    def __init__(self) -> None:
        self._biases: OrderedDict[Hashable, tuple[Shares, Tensor | None]] = OrderedDict()
        self._moved = Moved()

    def context(self, shares: Shares, context: Tensor) -> Tensor:
        """The rows' texts (B, T, D) in place of the host's ``context``."""
        rows = [
            [own if share.context is None else self._moved(share.context, own) for share in texts]
            for texts, own in zip(shares, context, strict=True)
        ]
        return side_by_side(rows)

    def bias(self, shares: Shares, context: Tensor, references: int = 0) -> Tensor | None:
        """The additive bias of joint attention's scores, on the device and in the dtype of ``context`` (B, T, D); None for no bias.

        ``references``: tokens of pictures beside the prompt.
        """
        name = (id(shares), context.shape, context.device, context.dtype, references)
        if name not in self._biases:
            self._biases[name] = (shares, _bias_of(shares, context, references))
        self._biases.move_to_end(name)
        while len(self._biases) > KEPT:
            self._biases.popitem(last=False)
        return self._biases[name][1]


def lengths_of(shares: Shares, own: int) -> list[list[int]]:
    """Tokens of every text of every row; ``own`` of the rows' own texts."""
    return [[own if share.context is None else len(share.context) for share in texts] for texts in shares]


def _bias_of(shares: Shares, context: Tensor, references: int) -> Tensor | None:
    lengths = lengths_of(shares, context.shape[1])
    weights = [[share.weights.to(context.device).flatten() for share in texts] for texts in shares]
    return joint_bias([list(zip(*row, strict=True)) for row in zip(lengths, weights, strict=True)], context.dtype, references)


@contextmanager
def biased(unet: nn.Module, bias: Tensor | None) -> Iterator[None]:
    """Let the blocks of ``unet`` add ``bias`` (B, 1, L, L) to their scores.

    Raises `RegionalError` on exit where none of them did: the regions' texts stand side by side then, and nothing keeps them apart.
    """
    if bias is None:
        yield
        return
    attention = _Biased(bias)
    with patched(Patch(vars(_attention_module(unet)), _NAME, attention)):
        yield
    if not attention.used:
        raise RegionalError(
            f"Regional cannot work with this model ({type(unet).__name__}{in_host()}) in this way: none of its attention layers ran "
            f"{bias.shape[0]} rows of {bias.shape[-1]} tokens of text and picture, so the regions would have had no effect and the picture "
            f"was stopped. {apart_instead()}"
        )


def _attention_module(unet: Any) -> Any:
    """The module in whose ``attention`` the blocks of ``unet`` end up."""
    own = sys.modules[type(unet.double_blocks[0]).__module__]
    found = sys.modules.get(getattr(getattr(own, "attention", None), "__module__", ""))
    if not hasattr(found, _NAME):
        raise RegionalError(f"Regional does not know the attention of this model ({type(unet).__name__}).")
    return found


class _Biased:
    """In place of Forge's attention function, for calls of the bias' own size; ``used`` is whether there was one."""

    def __init__(self, bias: Tensor) -> None:
        self._bias = bias
        self.used = False

    def __call__(self, inner: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """q, k, v (B, heads, L, d) -> (B, L, heads · d), as Forge's own with ``skip_reshape``; (B, heads, L, d) if that is asked for.

        PyTorch's attention, whatever the user chose for the host: not every other one takes a bias.
        """
        masked = kwargs.get("mask") is not None or any(isinstance(extra, Tensor) for extra in args)
        if q.shape[0] != self._bias.shape[0] or q.shape[-2] != self._bias.shape[-1] or masked:
            return inner(q, k, v, *args, **kwargs)
        self.used = True
        made = F.scaled_dot_product_attention(q, k, v, self._bias.to(q.dtype))
        return made if kwargs.get("skip_output_reshape") else made.transpose(1, 2).flatten(2)
