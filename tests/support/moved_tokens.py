"""Self-attention whose tokens are merged (as tomesd does) or tiled (as AUTOMATIC1111's Hypertile does), on a genuine ``ldm`` UNet.

Facts that are kept: merging swaps the class of every transformer block for one named ``ToMeBlock``, which merges what its first norm gives
and takes the merge back behind the self-attention; tiling leaves a wrapper on the instance of the attention, with parameters that hold
what was there before and say whether it acts. Which tokens are merged is drawn here, not found by likeness, so that it never hangs on the
last bit: neighbours in one column, for each row of the batch others.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import torch

GRIDS = {80: (10, 8), 20: (5, 4)}
"""Tokens of the tests' sites -> their grid."""
HYPERTILE = "__webui_hypertile_params"


def merge_of(rows, tokens):
    """(B, L', L): which tokens are averaged to which, for each row of the batch."""
    height, width = GRIDS[tokens]
    pairs = [(row * width + column, (row + 1) * width + column) for row in range(0, height - 1, 2) for column in range(width)]
    kept = torch.zeros(rows, tokens - len(pairs) // 2, tokens)
    for n in range(rows):
        drawn = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(n))[: len(pairs) // 2]
        groups = [list(pairs[i]) for i in drawn]
        alone = set(range(tokens)) - {token for group in groups for token in group}
        for at, group in enumerate([*groups, *([token] for token in sorted(alone))]):
            kept[n, at, group] = 1 / len(group)
    return kept


def merging_block(parent):
    """The class that takes the place of a block's own."""

    class ToMeBlock(parent):
        _parent = parent

        def _forward(self, x, context=None):
            merge = merge_of(*x.shape[:2])
            x = (merge > 0).float().mT @ self.attn1(merge @ self.norm1(x), context=None) + x
            x = self.attn2(self.norm2(x), context=context) + x
            return self.ff(self.norm3(x)) + x

    return ToMeBlock


def blocks_of(unet):
    return [module for module in unet.modules() if hasattr(module, "attn1") and hasattr(module, "norm1")]


@contextlib.contextmanager
def merging(unet):
    """Tokens are merged inside."""
    blocks = blocks_of(unet)
    for block in blocks:
        block.__class__ = merging_block(type(block))
    try:
        yield
    finally:
        for block in blocks:
            block.__class__ = block._parent


def tiles_of(x):
    """x (B, h·w, C) -> two tiles a row (2 B, ., C): one above the other, or side by side where the height is odd."""
    height, width = GRIDS[x.shape[1]]
    if height % 2 == 0:
        return x.unflatten(1, (2, -1)).flatten(0, 1)
    return x.unflatten(1, (height, 2, width // 2)).transpose(1, 2).flatten(2, 3).flatten(0, 1)


def untiled(y, tokens):
    height, width = GRIDS[tokens]
    if height % 2 == 0:
        return y.unflatten(0, (-1, 2)).flatten(1, 2)
    return y.unflatten(1, (height, width // 2)).unflatten(0, (-1, 2)).transpose(1, 2).flatten(1, 3)


@contextlib.contextmanager
def tiling(unet, enabled=True):
    """Tokens are tiled inside; with ``enabled`` False the wrappers are there and idle."""
    attentions = [block.attn1 for block in blocks_of(unet)]
    for attn in attentions:
        params = SimpleNamespace(forward=attn.forward, enabled=enabled)
        setattr(attn, HYPERTILE, params)

        def wrapper(*args, params=params, **kwargs):
            if not params.enabled:
                return params.forward(*args, **kwargs)
            return untiled(params.forward(tiles_of(args[0]), *args[1:], **kwargs), args[0].shape[1])

        attn.forward = wrapper
    try:
        yield
    finally:
        for attn in attentions:
            del attn.forward
            delattr(attn, HYPERTILE)


MOVED = {"merging": merging, "tiling": tiling}
