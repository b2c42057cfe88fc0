"""Networks with joint attention on Forge: regional texts beside each other.

Their blocks offer no slot, and many hold no attention module either: they call a function of their Python module. That name is set for the
duration of one UNet call and restored in every case.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from ....engine.calls import JointRows, TextShare, Tokens
from ....engine.patching import Patch, patched, patched_forward
from ....request.errors import RegionalError
from ....request.layout.windows import Grid
from ....tensors.attention.joint.bias import Isolated, side_by_side
from ....tensors.attention.joint.groups import JointAttention, joint_attention
from ....tensors.attention.joint.order import InOrder
from ....tensors.attention.joint.texts import TextAttention
from ....tensors.attention.regional import split_heads
from ....tensors.device_copies import Moved
from ..model import apart_instead, in_host
from .families.family import JointFamily, LayerInput
from .positions import Lengths, Renumbered, is_padding
from .stream import OrderedStream

_NAME = "attention_function"


KEPT = 2
"""Arrangements of texts that a generation keeps: those of conditional and unconditional calls."""


@dataclass(frozen=True)
class Arranged:
    """Texts of one call: ``lengths`` in the network's tokens, and what runs in place of its attention; None for the plain one.

    ``alone``: attention of texts alone, ``picture`` that of the picture alone, None where it is free. ``padding`` (B, T): tokens that the
    network makes itself behind each text, ``positions``: how tokens are numbered; both None in families without. ``tokens``: where the
    tokens of each kind of layer are.
    """

    lengths: Lengths
    grid: Grid
    attention: JointAttention | None
    alone: TextAttention
    picture: JointAttention | None
    padding: Tensor | None
    positions: Renumbered | None
    tokens: Mapping[LayerInput, Tokens | None]

    @property
    def pixels(self) -> int:
        """Tokens of the picture."""
        return self.grid[0] * self.grid[1]


class JointTexts:
    """Contexts and attention of one generation's calls, on the network's device, made once for each set of texts and grid.

    What is kept of an attention may be large (`tensors.attention.joint.groups`); the last `KEPT` are.
    """

    def __init__(self, family: JointFamily) -> None:
        self._family = family
        self._arranged: OrderedDict[Hashable, tuple[JointRows, Arranged]] = OrderedDict()
        self._moved = Moved()

    def context(self, shares: JointRows, context: Tensor) -> Tensor:
        """The rows' texts (B, T, D) in place of the host's ``context``; zeros where the network will have its own padding."""
        rows = [
            [self._filled(own if share.context is None else self._moved(share.context, own)) for share in texts]
            for texts, own in zip(shares.texts, context, strict=True)
        ]
        return side_by_side(rows)

    def _filled(self, text: Tensor) -> Tensor:
        missing = self._family.length(len(text)) - len(text)
        return torch.nn.functional.pad(text, (0, 0, 0, missing)) if missing else text

    def arranged(self, shares: JointRows | None, context: Tensor, grid: Grid, behind: int = 0) -> Arranged:
        """For rows whose own texts are ``context`` (B, T, D), which have the picture for themselves where ``shares`` is None; ``behind``:
        tokens behind the picture's ``grid``."""
        name = (None if shares is None else id(shares), context.shape, grid, behind)
        if name not in self._arranged:
            rows = JointRows([[TextShare(None, torch.ones(grid))]] * len(context)) if shares is None else shares
            self._arranged[name] = rows, self._made(rows, context, grid, behind)
        self._arranged.move_to_end(name)
        while len(self._arranged) > KEPT:
            self._arranged.popitem(last=False)
        return self._arranged[name][1]

    def _made(self, shares: JointRows, context: Tensor, grid: Grid, behind: int) -> Arranged:
        texts, own = shares.texts, context.shape[1]
        given = [[own if share.context is None else len(share.context) for share in row] for row in texts]
        lengths = [[self._family.length(length) for length in row] for row in given]
        rows = [[(length, share.weights.flatten()) for length, share in zip(*row, strict=True)] for row in zip(lengths, texts, strict=True)]
        isolation = _isolation(shares)
        attention = joint_attention(rows, behind, self._family.picture_first, isolation)
        pictures = [[(0, row[0].weights.new_ones(grid).flatten())] for row in texts]
        picture = joint_attention(pictures, behind, isolation=isolation) if self._family.picture_alone and isolation is not None else None
        padding = is_padding(given, lengths).to(context.device) if self._family.padding is not None else None
        loras = [[(n, share.loras) for n, share in zip(*row, strict=True)] for row in zip(lengths, texts, strict=True)]
        tokens = {part: self._family.tokens_of(part, grid, loras, behind) for part in get_args(LayerInput)}
        positions = None if self._family.positions is None else Renumbered(self._family, lengths, grid[0] * grid[1])
        return Arranged(lengths, grid, attention, TextAttention(lengths), picture, padding, positions, tokens)


def _isolation(rows: JointRows) -> list[Isolated] | None:
    if rows.labels is None:
        return None
    return [Isolated(tuple(share.label for share in texts), own.flatten()) for texts, own in zip(rows.texts, rows.labels, strict=True)]


@contextmanager
def attending(unet: nn.Module, family: JointFamily, arranged: Arranged, device: torch.device | None = None) -> Iterator[None]:
    """Let ``unet`` run ``arranged`` texts: attention of its blocks, positions and padding. On ``device`` tokens may change their order.

    Raises `RegionalError` on exit where it did not use them: the regions' texts stand side by side then, and nothing keeps them apart.
    """
    with ExitStack() as stack:
        if arranged.padding is not None:
            stack.enter_context(_padded(unet, family, arranged.padding))
        if arranged.attention is None:
            yield
            return
        ordered = None if device is None or family.stream is None else arranged.attention.in_order(device)
        instead = _Instead(arranged.attention, arranged.alone if family.texts_alone else None, arranged.picture, ordered)
        stack.enter_context(patched(Patch(vars(_attention_module(unet, family)), _NAME, instead)))
        for part, stacks in (("texts", family.texts_alone), ("picture", family.picture_alone)):
            for block in _blocks_of(unet, stacks):
                stack.enter_context(patched_forward(block, instead.on(part)))
        if ordered is not None and family.stream is not None:
            blocks = _blocks_of(unet, (family.stream.blocks,))
            stack.enter_context(OrderedStream(family.stream, blocks, ordered, instead.on("ordered")).installed())
        if family.positions is not None and arranged.positions is not None:
            arranged.positions.used = False
            stack.enter_context(patched_forward(_part(unet, family.positions.embedder), arranged.positions))
        yield
    if arranged.positions is not None and not arranged.positions.used:
        raise _unnumbered(unet)
    if not instead.used:
        rows, tokens = arranged.attention.shape
        raise RegionalError(
            f"Regional cannot work with this model ({type(unet).__name__}{in_host()}) in this way: none of its attention layers ran "
            f"{rows} rows of {tokens} tokens of text and picture, so the regions would have had no effect and the picture "
            f"was stopped. {apart_instead()}"
        )


def _blocks_of(unet: nn.Module, stacks: Sequence[str]) -> list[nn.Module]:
    return [block for name in stacks for block in unet.get_submodule(name).children()]


def _part(unet: nn.Module, name: str) -> nn.Module:
    found = getattr(unet, name, None)
    if not isinstance(found, nn.Module):
        raise _unnumbered(unet)
    return found


def _unnumbered(unet: nn.Module) -> RegionalError:
    return RegionalError(
        f"Regional cannot number the texts of regions in this model ({type(unet).__name__}{in_host()}), so the picture was stopped. "
        f"{apart_instead()}"
    )


@contextmanager
def _padded(unet: nn.Module, family: JointFamily, padding: Tensor) -> Iterator[None]:
    """The network's own padding behind every text, as behind the one text that it expects."""
    assert family.padding is not None
    token: Any = getattr(unet, family.padding.token)

    def around(inner: Callable[..., Tensor], context: Tensor) -> Tensor:
        made = inner(context)
        return torch.where(padding[..., None], token.to(made), made)

    with patched_forward(_part(unet, family.padding.embedder), around):
        yield


def _attention_module(unet: nn.Module, family: JointFamily) -> Any:
    """The module whose attention function the blocks of ``unet`` call: their own, or that of the ``attention`` which they call."""
    own = sys.modules[type(next(unet.get_submodule(family.blocks).children())).__module__]
    through = sys.modules.get(getattr(getattr(own, "attention", None), "__module__", ""))
    found = next((module for module in (through, own) if hasattr(module, _NAME)), None)
    if found is None:
        raise RegionalError(f"Regional does not know the attention of this model ({type(unet).__name__}{in_host()}). {apart_instead()}")
    return found


class _Instead:
    """In place of the host's attention function, for calls of the attention's own shape; ``used`` is whether there were those expected."""

    def __init__(
        self, attention: JointAttention, texts: TextAttention | None, picture: JointAttention | None, ordered: InOrder | None = None
    ) -> None:
        """``ordered``: what ``attention`` is for tokens in an order of its own."""
        parts = (("joint", attention), ("texts", texts), ("picture", picture), ("ordered", ordered))
        self._of = {part: mine for part, mine in parts if mine is not None}
        self._now = "joint"
        self._met: set[str] = set()

    @property
    def used(self) -> bool:
        """Whether all kinds of blocks, those with texts or the picture alone and those with both, have run."""
        return self._met == set(self._of) - {"ordered"}

    def on(self, part: str) -> Callable[..., Tensor]:
        """In place of the ``forward`` of a block that runs on the ``texts`` or the ``picture`` alone, or on tokens that are ``ordered``."""

        def around(inner: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
            self._now = part
            try:
                return inner(*args, **kwargs)
            finally:
                self._now = "joint"

        return around

    def __call__(self, inner: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """q, k, v (B, heads, L, d), or (B, L, heads · d) without ``skip_reshape`` -> (B, L, heads · d); (B, heads, L, d) if
        ``skip_output_reshape`` is asked for.

        PyTorch's attention, whatever the user chose for the host: not every other one takes a bias.
        """
        mine = self._of.get(self._now)
        masked = kwargs.get("mask") is not None or any(isinstance(extra, Tensor) for extra in args)
        if mine is None or masked or (q.shape[0], q.shape[-2]) != mine.shape:
            return inner(q, k, v, *args, **kwargs)
        self._met.add("joint" if self._now == "ordered" else self._now)
        if q.dim() == 3:
            heads = int(args[0] if args else kwargs["heads"])
            q, k, v = (split_heads(z, heads) for z in (q, k, v))
        made = mine(q, k, v)
        return made if kwargs.get("skip_output_reshape") else made.transpose(1, 2).flatten(2)
