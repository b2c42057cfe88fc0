"""Which token of one prompt corresponds to which of another, as operators on the columns of cross-attention maps.

Prompt-to-Prompt (Hertz et al. 2022), section 3.2. A text is a list of `Token`: its pieces with their positions in the context.
Positions that hold no token of the text (marks, padding) correspond to themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from ..device_copies import Moved
from ..precision import full_precision, single
from .tokens import Token

Aligned = tuple[tuple[int | None, int | None], ...]
"""Pairs (index in the first sequence, index in the second); None is a gap."""

_TINY = 1e-8
_WORTH_SAME, _WORTH_OTHER, _WORTH_GAP = 1, -1, 0


@dataclass(frozen=True)
class ColumnEdit:
    """Target maps from source maps: ``A' = f(A_0)·α + A·(1 − α)`` with f(A_0) = A_0 M, M (T_s, T_t), α (T_t,).

    ``swapped`` are the columns whose word differs from the source's: they take its distribution, but not its level; see `levelled`.
    """

    matrix: Tensor
    alpha: Tensor
    swapped: tuple[int, ...] = field(default=())
    moved: Moved = field(default_factory=Moved, compare=False)

    @functools.cached_property
    def _marked(self) -> Tensor:
        """1 in the columns ``swapped`` (T_t,)."""
        marked = torch.zeros(self.matrix.shape[1])
        marked[list(self.swapped)] = 1
        return marked

    def apply(self, source: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
        """source (heads, L, T_s), target (heads, L, T_t) -> (heads, L, T_t); ``strength`` 0 gives the target back."""
        theirs, own = single(source), single(target)
        alpha = self.moved(self.alpha, own) * strength
        with full_precision(own.device):
            taken = theirs @ self.moved(self.matrix, theirs)
            taken = _levelled(taken, own, self.moved(self._marked, taken)) if self.swapped else taken
        return (taken * alpha + own * (1 - alpha)).to(target.dtype)


def levelled(taken: Tensor, own: Tensor, swapped: Sequence[int]) -> Tensor:
    """taken, own (…, L, T): the columns ``swapped`` of ``taken`` scaled to the mean over the L image tokens that they have in ``own``.

    A word's map has a distribution over positions and, in each head, a level. A swap transfers the distribution and keeps the word's own
    level: heads with a high level for one colour have a low one for another, and with the old word's level the new one comes out as
    neither (*choice*; in Prompt-to-Prompt the map is taken whole). The other columns share what is left as they did: rows keep their sum.
    """
    if not swapped:
        return taken
    marked = torch.zeros(taken.shape[-1], dtype=torch.bool)
    marked[list(swapped)] = True
    return _levelled(taken, own, marked.to(taken))


def _levelled(taken: Tensor, own: Tensor, marked: Tensor) -> Tensor:
    level = own.mean(-2, keepdim=True) / taken.mean(-2, keepdim=True).clamp_min(_TINY)
    words, others, whole = taken * level * marked, taken * (1 - marked), taken.sum(-1, keepdim=True)
    left = (whole - words.sum(-1, keepdim=True)).clamp_min(0)
    made = words + others * (left / others.sum(-1, keepdim=True).clamp_min(_TINY))
    return made * (whole / made.sum(-1, keepdim=True).clamp_min(_TINY))


def words(tokens: Sequence[Token]) -> list[tuple[str, tuple[int, ...]]]:
    """Tokens -> [(word, positions of its pieces)], pieces joined, punctuation left out."""
    grouped = groupby(tokens, key=lambda token: token.word)
    found = [(list(group)) for _, group in grouped]
    joined = [("".join(token.text for token in group), tuple(token.position for token in group)) for group in found]
    return [(text.lower(), positions) for text, positions in joined if any(character.isalnum() for character in text)]


def needleman_wunsch(first: Sequence[str], second: Sequence[str]) -> Aligned:
    """Global alignment of highest score (match 1, mismatch −1, gap 0); of equal ones that which pairs as far to the right as it can."""
    score = [[_WORTH_GAP * (i + j) for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            diagonal = score[i - 1][j - 1] + (_WORTH_SAME if a == b else _WORTH_OTHER)
            score[i][j] = max(diagonal, score[i - 1][j] + _WORTH_GAP, score[i][j - 1] + _WORTH_GAP)
    return _trace(first, second, score)


def _trace(first: Sequence[str], second: Sequence[str], score: list[list[int]]) -> Aligned:
    i, j = len(first), len(second)
    path: list[tuple[int | None, int | None]] = []
    while i or j:
        here = score[i][j]
        if i and j and here == score[i - 1][j - 1] + (_WORTH_SAME if first[i - 1] == second[j - 1] else _WORTH_OTHER):
            i, j = i - 1, j - 1
            path.append((i, j))
        elif j and here == score[i][j - 1] + _WORTH_GAP:
            j -= 1
            path.append((None, j))
        else:
            i -= 1
            path.append((i, None))
    return tuple(reversed(path))


def refine(source: Sequence[Token], target: Sequence[Token], lengths: tuple[int, int]) -> ColumnEdit:
    """Every token common to both takes the source's column, a new one keeps its own. ``lengths`` are (T_s, T_t)."""
    return by_parts([(source, target)], source, target, lengths, swap=False)


def can_replace(source: Sequence[Token], target: Sequence[Token]) -> bool:
    """Whether the texts have as many words, so that one can be swapped for the other word by word."""
    return len(words(source)) == len(words(target))


def replace(source: Sequence[Token], target: Sequence[Token], lengths: tuple[int, int]) -> ColumnEdit:
    """Every target word takes the map of the source word in its place, spread evenly over its pieces. ``lengths`` are (T_s, T_t).

    Raises ValueError where the texts differ in their number of words.
    """
    if not can_replace(source, target):
        raise ValueError(f"the texts must have as many words as each other, got {len(words(source))} and {len(words(target))}")
    return by_parts([(source, target)], source, target, lengths)


def by_parts(
    parts: Sequence[tuple[Sequence[Token], Sequence[Token]]],
    source: Sequence[Token],
    target: Sequence[Token],
    lengths: tuple[int, int],
    swap: bool = True,
) -> ColumnEdit:
    """One edit for two texts of which it is known which ``parts`` (source's tokens, target's tokens) correspond.

    A part with as many words in both is swapped word by word if ``swap``, another one refined; tokens outside of all parts keep their
    own columns, positions without a token correspond to themselves.
    """
    taken = {token.position for token in (*source, *target)}
    free = [position for position in range(min(lengths)) if position not in taken]
    matrix, alpha = torch.zeros(lengths), torch.zeros(lengths[1])
    matrix[free, free] = 1
    alpha[free] = 1
    others: list[int] = []
    for old, new in parts:
        swaps = swap and can_replace(old, new)
        others += _other_words(old, new) if swaps else ()
        for from_positions, to_positions in _swapped(old, new) if swaps else _common(old, new):
            if len(from_positions) == len(to_positions):
                matrix[list(from_positions), list(to_positions)] = 1
            else:
                matrix[torch.tensor(from_positions)[:, None], torch.tensor(to_positions)] = 1 / len(to_positions)
            alpha[list(to_positions)] = 1
    return ColumnEdit(matrix, alpha, tuple(others))


Positions = tuple[int, ...]


def _common(old: Sequence[Token], new: Sequence[Token]) -> list[tuple[Positions, Positions]]:
    aligned = needleman_wunsch([token.text for token in old], [token.text for token in new])
    both = [(old[s], new[t]) for s, t in aligned if s is not None and t is not None]
    return [((s.position,), (t.position,)) for s, t in both if s.text == t.text]


def _swapped(old: Sequence[Token], new: Sequence[Token]) -> list[tuple[Positions, Positions]]:
    return [(old_places, new_places) for (_, old_places), (_, new_places) in zip(words(old), words(new), strict=True)]


def _other_words(old: Sequence[Token], new: Sequence[Token]) -> Positions:
    """Positions of the words of ``new`` that differ from the word of ``old`` at the same index."""
    both = zip(words(old), words(new), strict=True)
    return tuple(position for (word, _), (other, places) in both if word != other for position in places)


def reweight(tokens: Sequence[Token], factors: Mapping[str, float], length: int) -> Tensor:
    """Factors of the columns (T,): that of a word for all its pieces, 1 elsewhere."""
    scale = torch.ones(length)
    for word, positions in words(tokens):
        scale[list(positions)] = factors.get(word, 1.0)
    return scale
