"""Keys and values of the regions' contexts, kept over the steps of a generation within a limit of bytes.

They are constant while contexts and weights are. A context is stored once per attention layer, whichever regions, images and passes use it,
and contexts that were projected together lie in one `Block`, so that a call that wants them in that order copies nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CACHE_LIMIT = 240 * 2**20
"""Bytes of keys and values that one generation keeps: under a twentieth of what a plain picture of SDXL takes, nine texts there."""

IDLE = 8
"""Steps for which a block has to be unused (a prompt schedule or another pass has other texts) before others may take its room."""

KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Block:
    """Keys and values (U, heads, T, d) of U contexts of one length at one attention layer."""

    k: Tensor
    v: Tensor

    @property
    def bytes_each(self) -> int:
        """What one of the contexts takes."""
        return sum(t[0].numel() * t.element_size() for t in (self.k, self.v))

    def first(self, count: int) -> Block:
        """The first ``count`` contexts, in memory of their own."""
        return Block(*(one if _fills(one) else one.clone() for one in (self.k[:count], self.v[:count])))


def _fills(tensor: Tensor) -> bool:
    """Whether the memory that a tensor lies in holds nothing else."""
    return tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def _shares(part: Tensor, whole: Tensor) -> bool:
    """Whether both lie in the same memory."""
    return bool(part.untyped_storage()._cdata == whole.untyped_storage()._cdata)


Place = tuple[Block, int]
"""Where the keys and values of one context lie."""


Contents = tuple[Hashable, ...]
"""Contexts of one length, by content, in the order in which their keys and values are asked for."""


def stacked(places: Sequence[Place]) -> KeysValues:
    """Keys and values (n, heads, T, d) of contexts of one length: a view where they follow each other in one block, or are all the same."""
    block, start = places[0]
    rows = [row for _, row in places]
    if all(other is block for other, _ in places):
        if rows == list(range(start, start + len(rows))):
            return block.k[start : start + len(rows)], block.v[start : start + len(rows)]
        if len(set(rows)) == 1:
            return block.k[start].expand(len(rows), -1, -1, -1), block.v[start].expand(len(rows), -1, -1, -1)
    return torch.stack([block.k[row] for block, row in places]), torch.stack([block.v[row] for block, row in places])


@dataclass
class _Kept:
    """The cache's entries that lie in one block, and the number of the step that used it last."""

    names: list[tuple[str, Hashable]]
    used: int


class KeyValueCache:
    """Blocks by (site, content of a context), at most ``limit`` bytes.

    What no longer fits is not kept: the contexts are asked for in the same order in every step, and a cache that makes room by dropping the
    oldest of them would never find one again. Only blocks that have been idle make room.
    """

    def __init__(self, limit: int = CACHE_LIMIT) -> None:
        self._limit = limit
        self._places: dict[tuple[str, Hashable], Place] = {}
        self._blocks: dict[Block, _Kept] = {}
        self._views: dict[tuple[str, tuple[Contents, ...]], tuple[tuple[Block, ...], list[KeysValues]]] = {}
        self._step: Hashable = None
        self._now = 0
        self.size = 0
        """Bytes that are kept."""

    def begin(self, step: Hashable) -> None:
        """What follows belongs to ``step``."""
        if step != self._step:
            self._step, self._now = step, self._now + 1

    def get(self, site: str, content: Hashable) -> Place | None:
        """Where the keys and values of a context lie, None where they are not kept."""
        place = self._places.get((site, content))
        if place is not None:
            self._blocks[place[0]].used = self._now
        return place

    def together(self, site: str, groups: tuple[Contents, ...]) -> list[KeysValues] | None:
        """K and V (n, heads, T, d) of every group; None where any of it is not kept. Looked up at once from the second time on, where they
        are views of what is kept."""
        known = self._views.get((site, groups))
        if known is not None:
            for block in known[0]:
                self._blocks[block].used = self._now
            return known[1]
        found: list[list[Place]] = []
        for contents in groups:
            found.append([])
            for content in contents:
                place = self.get(site, content)
                if place is None:
                    return None
                found[-1].append(place)
        pairs = [stacked(each) for each in found]
        blocks = [each[0][0] for each in found]
        if all(_shares(pair[0], block.k) for pair, block in zip(pairs, blocks, strict=True)):
            self._views[site, groups] = (tuple(dict.fromkeys(blocks)), pairs)
        return pairs

    def keep(self, site: str, contents: Sequence[Hashable], block: Block) -> None:
        """Keep as many of the contexts of ``block`` as there is room for, the first ones first."""
        if self._room(block) < len(contents):
            self._drop_idle()
        count = min(len(contents), self._room(block))
        if count <= 0:
            return
        kept, names = block.first(count), [(site, content) for content in contents[:count]]
        self._blocks[kept] = _Kept(names, self._now)
        self._places.update((name, (kept, row)) for row, name in enumerate(names))
        self.size += count * block.bytes_each

    def _room(self, block: Block) -> int:
        return (self._limit - self.size) // block.bytes_each

    def _drop_idle(self) -> None:
        for block, kept in list(self._blocks.items()):
            if self._now - kept.used > IDLE:
                del self._blocks[block]
                self._views.clear()
                self.size -= len(kept.names) * block.bytes_each
                for name in kept.names:
                    del self._places[name]

    def clear(self) -> None:
        """Drop everything: contexts, weights or LoRA strengths have changed."""
        self._places.clear()
        self._blocks.clear()
        self._views.clear()
        self.size = 0
