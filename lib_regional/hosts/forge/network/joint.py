"""Flux on Forge: regional texts beside each other in its joint attention.

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
from ....request.layout.windows import Grid
from ....tensors.attention.joint import joint_bias, side_by_side
from ....tensors.device_copies import Moved

_NAME = "attention_function"


def token_grid(latent: Grid) -> Grid:
    """Picture tokens of a latent: patches of 2×2 cells, the last ones padded."""
    return (-(-latent[0] // 2), -(-latent[1] // 2))


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

    def bias(self, shares: Shares, context: Tensor) -> Tensor | None:
        """The additive bias of joint attention's scores, on the device and in the dtype of ``context`` (B, T, D); None for no bias."""
        name = (id(shares), context.shape, context.device, context.dtype)
        if name not in self._biases:
            self._biases[name] = (shares, _bias_of(shares, context))
        self._biases.move_to_end(name)
        while len(self._biases) > KEPT:
            self._biases.popitem(last=False)
        return self._biases[name][1]


def _bias_of(shares: Shares, context: Tensor) -> Tensor | None:
    length = context.shape[1]
    rows = [[(length if s.context is None else len(s.context), s.weights.to(context.device).flatten()) for s in texts] for texts in shares]
    return joint_bias(rows, context.dtype)


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
            f"Regional cannot work with this model ({type(unet).__name__}) in this way: none of its attention layers ran "
            f"{bias.shape[0]} rows of {bias.shape[-1]} tokens of text and picture, so the regions would have had no effect and the picture "
            "was stopped. Flux.2, and Flux Kontext with a picture beside the prompt, arrange their tokens differently. Use a method that "
            'predicts every region by itself, such as "latent_couple".'
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
        """q, k, v (B, heads, L, d) -> (B, L, heads · d), as Forge's own with ``skip_reshape``."""
        if q.shape[0] != self._bias.shape[0] or q.shape[-2] != self._bias.shape[-1]:
            return inner(q, k, v, *args, **kwargs)
        self.used = True
        return F.scaled_dot_product_attention(q, k, v, self._bias.to(q.dtype)).transpose(1, 2).flatten(2)
